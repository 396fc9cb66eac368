//! Holds `docs/runbook.md` to the code: each warning and error has its entry, and no entry is left over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The sources of the program, without tests.
fn sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["tests", "tests.rs", "scripted.rs"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            found.push((path, code));
        }
    }
}

/// The arguments of a macro: all up to the parenthesis that closes it.
fn arguments(code: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (at, c) in code.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '(' | '{' | '[' if !in_text => depth += 1,
            ')' | '}' | ']' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
    }
    panic!("a macro without an end")
}

/// The last text among the arguments, as the program has it.
fn message(arguments: &str) -> Option<String> {
    let end = arguments.rfind('"')?;
    let begin = arguments[..end]
        .rmatch_indices('"')
        .map(|(at, _)| at)
        .find(|at| !arguments[..*at].ends_with('\\'))?;
    let mut lines = arguments[begin + 1..end].split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    Some(lines.fold(first, |text, line| text + line.trim_start()).replace("\\\"", "\""))
}

fn messages() -> BTreeSet<String> {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let mut messages = BTreeSet::new();
    for (path, code) in found {
        for start in ["warn!(", "error!(", "tell!(warn, "] {
            for (at, _) in code.match_indices(start) {
                let told = arguments(&code[at + start.len()..]);
                let text = message(told);
                messages.insert(text.unwrap_or_else(|| panic!("{}: {told} has no message", path.display())));
            }
        }
    }
    messages
}

/// Headings of the third level, with the text below them.
fn entries() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let sections = text.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (heading, body) = section.split_once('\n').unwrap();
            let body = body.split("\n## ").next().unwrap_or_default();
            (heading.to_owned(), body.to_owned())
        })
        .collect()
}

#[test]
fn every_warning_and_error_of_the_code_has_an_entry_and_no_entry_is_left_over() {
    let documented: BTreeSet<String> = entries().into_iter().map(|(heading, _)| heading).collect();
    let told = messages();
    assert!(told.len() > 50, "the code tells more than {}", told.len());
    let missing: Vec<_> = told.difference(&documented).collect();
    let stale: Vec<_> = documented.difference(&told).collect();
    assert!(missing.is_empty() && stale.is_empty(), "missing: {missing:#?}\nstale: {stale:#?}");
}

#[test]
fn every_entry_says_how_bad_it_is_what_it_means_and_what_to_do() {
    for (heading, body) in entries() {
        let body = body.trim_start();
        assert!(body.starts_with("*warn*") || body.starts_with("*error*"), "{heading}");
        for part in ["**Means", "**Do"] {
            assert!(body.contains(part), "{heading} lacks {part}");
        }
    }
}

#[test]
fn links_of_the_runbook_lead_somewhere() {
    let text = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let anchors: BTreeSet<String> =
        text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ')).map(anchor).collect();
    for (at, _) in text.match_indices("](") {
        let link = text[at + 2..].split(')').next().unwrap();
        match link.strip_prefix('#') {
            Some(target) => assert!(anchors.contains(target), "{link}"),
            None => assert!(root().join("docs").join(link.split('#').next().unwrap()).exists(), "{link}"),
        }
    }
}
