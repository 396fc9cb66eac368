//! The README says what the code does.

use std::collections::BTreeSet;

use batond::cli::reference;
use batond::config::AwsSettings;
use batond::connector::policy::{self, Role};

/// Replaces what stands between the markers of `name`; `None` when there are none.
fn with_block(document: &str, name: &str, block: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", block.trim_end()))
}

/// With `UPDATE_README=1` in its environment this test writes the tables in place of comparing them.
#[test]
fn the_readme_shows_the_settings_and_exit_codes_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let expected = with_block(&readme, "settings", &reference::settings())
        .and_then(|readme| with_block(&readme, "exit-codes", &reference::exit_codes()))
        .expect("README.md needs the markers of both tables");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &expected).unwrap();
    } else {
        assert!(readme == expected, "README.md differs from the code; run this test with UPDATE_README=1");
    }
}

#[test]
fn the_readme_shows_the_policy_of_its_first_sync() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once("```json\n").expect("a policy");
    let (text, _) = rest.split_once("```").unwrap();
    let shown: serde_json::Value = serde_json::from_str(text).unwrap();
    let shown = shown["Statement"][0]["Action"].as_array().unwrap();
    let shown: BTreeSet<_> = shown.iter().map(|action| action.as_str().unwrap()).collect();
    let settings = AwsSettings { organizations: true, identity_center: true, ..AwsSettings::default() };
    let needed = policy::of(Role::Main, &settings, false, false).unwrap().unwrap().permissions;
    assert_eq!(shown, needed.actions().collect());
}
