//! Holds `docs/fault-matrix.md` to the tests: each row names one that exists, and each test of this module is a row.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the test functions in all sources below `directory`.
fn tests(directory: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(tests(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if !(line == "#[test]" || line.starts_with("#[tokio::test")) {
                    continue;
                }
                let name = lines.find_map(|line| line.trim_start_matches("async ").strip_prefix("fn "));
                names.extend(name.and_then(|name| name.split('(').next()).map(str::to_owned));
            }
        }
    }
    names
}

/// The last cell of each row of the table.
fn rows() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/fault-matrix.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit("| ").next());
    cells.filter_map(|cell| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned())).collect()
}

#[test]
fn every_row_names_a_test_and_every_test_of_trouble_has_a_row() {
    let rows = rows();
    let named: BTreeSet<String> = rows.iter().cloned().collect();
    assert!(rows.len() > 40 && named.len() == rows.len(), "a test is named twice, or rows are missing");
    let mut existing = tests(&root().join("src"));
    existing.extend(tests(&root().join("tests/it")));
    let absent: Vec<_> = named.difference(&existing).collect();
    assert!(absent.is_empty(), "no such tests: {absent:#?}");
    let mut ours = tests(&root().join("tests/it/trouble"));
    ours.remove("every_row_names_a_test_and_every_test_of_trouble_has_a_row");
    assert!(ours.len() > 25, "{ours:#?}");
    let unlisted: Vec<_> = ours.difference(&named).collect();
    assert!(unlisted.is_empty(), "tests without a row: {unlisted:#?}");
}
