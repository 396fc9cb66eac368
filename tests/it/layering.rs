//! Holds the arrows between the rooms of the house: a room uses only rooms below it, and each outside library that
//! belongs to one room stays there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every room and the rooms it may use, beside the one below all.
const ROOMS: [(&str, &[&str]); 17] = [
    ("aws", &["config", "grammar", "json", "network"]),
    ("baton", &["grammar", "json"]),
    ("c1z", &["baton"]),
    (
        "cli",
        &[
            "aws",
            "baton",
            "c1z",
            "config",
            "connector",
            "control_plane",
            "daemon",
            "doctor",
            "network",
            "sync",
            "tasks",
            "telemetry",
        ],
    ),
    ("config", &["grammar", "json"]),
    ("connector", &["aws", "baton", "config", "json"]),
    ("control_plane", &["baton", "config", "json", "network", "telemetry"]),
    (
        "daemon",
        &["aws", "baton", "c1z", "config", "connector", "control_plane", "sync", "tasks", "telemetry"],
    ),
    ("doctor", &["aws", "baton", "config", "connector", "control_plane"]),
    ("expand", &["baton"]),
    ("grammar", &[]),
    ("json", &[]),
    ("network", &["config"]),
    ("sync", &["aws", "baton", "c1z", "config", "connector", "expand"]),
    ("tasks", &["aws", "baton", "c1z", "config", "connector", "json", "sync", "telemetry"]),
    ("telemetry", &["config", "network"]),
    (GROUND, &[]),
];

/// The room below all others, which every room may use.
const GROUND: &str = "text";

/// Paths that only some rooms may name, with the reason that a reader of the failure needs.
const CONFINED: [(&str, &[&str], &str); 7] = [
    ("aws_sdk_", &["aws"], "AWS is spoken to in one room"),
    ("aws_config::", &["aws"], "AWS is spoken to in one room"),
    ("tonic::", &["baton", "control_plane", "telemetry"], "gRPC is the control plane's and the collector's"),
    ("reqwest::", &["cli", "control_plane"], "plain HTTP is the token endpoint's, and the health check's"),
    ("rusqlite::", &["c1z"], "the file format is one room's"),
    ("zstd::", &["c1z"], "the file format is one room's"),
    ("env::var", &["config"], "nobody else reads the environment"),
];

struct Source {
    room: String,
    path: PathBuf,
    /// The text without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                let code: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
                sources.push(Source {
                    room: first.trim_end_matches(".rs").into(),
                    code: code.join("\n"),
                    path,
                });
            }
        }
    }
    sources
}

/// The rooms named after `crate::` or `batond::`, in a path or in a group.
fn rooms_named(code: &str, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for prefix in ["crate::", "batond::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 1;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 1 => break,
                        '}' => depth -= 1,
                        ',' if depth == 1 => {
                            named.insert(head(&item));
                            item.clear();
                        }
                        _ => item.push(c),
                    }
                }
                named.insert(head(&item));
            } else {
                named.insert(head(rest));
            }
        }
    }
    named.retain(|name| known.contains(name.as_str()));
    named
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn arrows_between_rooms_point_down_only() {
    let allowed: BTreeMap<_, _> = ROOMS.into_iter().collect();
    let known: BTreeSet<_> = allowed.keys().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources() {
        seen.insert(source.room.clone());
        let Some(may) = allowed.get(source.room.as_str()) else { continue };
        for room in rooms_named(&source.code, &known) {
            if room != source.room && room != GROUND && !may.contains(&room.as_str()) {
                wrong.push(format!("{} uses {room}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
    for room in seen.iter().filter(|room| !["lib", "main"].contains(&room.as_str())) {
        assert!(known.contains(room.as_str()), "{room} is a room without a place in the house");
    }
}

#[test]
fn outside_libraries_stay_in_their_room() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (path, rooms, reason) in CONFINED {
            if source.code.contains(path) && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{} names {path}: {reason}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that read JSON by themselves, with the reason.
const JSON_READERS: [(&str, &str); 3] = [
    ("json.rs", "it is the reader"),
    ("aws/iam/statement.rs", "a policy document, which takes objects alone by itself"),
    ("connector/policy.rs", "documents of our own, which are part of the program"),
];

#[test]
fn json_from_outside_is_read_as_objects_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for source in sources() {
        let name = source.path.strip_prefix(&root).unwrap().to_str().unwrap();
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
        if is_test || JSON_READERS.iter().any(|(file, _)| name == *file) {
            continue;
        }
        let product = source.code.split("#[cfg(test)]").next().unwrap();
        if product.contains("serde_json::from_") {
            wrong.push(format!("{name}: use crate::json, which takes no array for a struct"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn main_is_only_parse_run_and_exit_code() {
    let main = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 60, "main.rs has {} lines", main.lines().count());
}

#[test]
fn rooms_are_found_in_paths_and_groups() {
    let known: BTreeSet<_> = ["aws", "baton", "sync"].into();
    let code = "use crate::{\n    aws::{A, b::C},\n    sync,\n};\nlet x = crate::baton::v2::X;";
    assert_eq!(rooms_named(code, &known), ["aws", "baton", "sync"].map(String::from).into());
}
