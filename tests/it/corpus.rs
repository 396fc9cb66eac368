//! The inputs that fuzzing starts from, and those that once broke something: each holds what its fuzz target asserts.
//!
//! Mutation with a sanitizer needs the whole tree built once more, and is done by hand (`.ci/full fuzz`).

use std::fs;
use std::path::{Path, PathBuf};

/// Takes in the assertions of the fuzz targets, and lists them by the names of their corpora.
macro_rules! targets {
    ($($name:ident: $kind:ident at $path:literal,)*) => {
        $(
            #[path = $path]
            #[allow(unreachable_pub, reason = "the library of the fuzz targets has it public")]
            mod $name;
        )*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), |data| targets!(@$kind data $name::check))),*];
    };
    (@bytes $data:ident $check:path) => { $check($data) };
    (@text $data:ident $check:path) => { $check(std::str::from_utf8($data).unwrap()) };
}

targets! {
    c1z_reader: bytes at "../../fuzz/src/c1z_reader.rs",
    event_feed: text at "../../fuzz/src/event_feed.rs",
    ids: bytes at "../../fuzz/src/ids.rs",
    quotas: bytes at "../../fuzz/src/quotas.rs",
    settings: text at "../../fuzz/src/settings.rs",
    task: bytes at "../../fuzz/src/task.rs",
    token: bytes at "../../fuzz/src/token.rs",
    trust: text at "../../fuzz/src/trust.rs",
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn every_input_of_the_corpus_holds_what_its_fuzz_target_asserts() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let corpora = list(&fuzz.join("corpus"));
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(corpora.iter().map(|path| name(path)).collect::<Vec<_>>(), known);
    assert_eq!(list(&fuzz.join("targets")).iter().map(|path| name(path)).collect::<Vec<_>>(), known);
    for ((target, check), corpus) in TARGETS.iter().zip(corpora) {
        let inputs = list(&corpus);
        assert!(inputs.len() >= 3, "{target} has {} inputs", inputs.len());
        for input in inputs {
            // The name of the input, should the check panic.
            println!("{target}: {}", name(&input));
            check(&fs::read(input).unwrap());
        }
    }
}
