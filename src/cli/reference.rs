//! The tables of settings and exit codes that the README shows.

use std::fmt::Write as _;

use super::EXIT_CODES;
use crate::config::{Field, Reach, SECTIONS, Support, fields};

/// The settings as Markdown: a table per section, then what is accepted without effect and what is refused.
pub fn settings() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let built: Vec<&Field> = of(section.fields, |support| support == Support::Built);
        if built.is_empty() {
            continue;
        }
        let _ = writeln!(text, "**{}**\n", section.title);
        text.push_str("| Variable | Flag | Default | Meaning |\n| :--- | :--- | :--- | :--- |\n");
        for field in built {
            let default = match field.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let _ = writeln!(
                text,
                "| `{}` | {} | {default} | {} |",
                field.variable(),
                flag(field),
                escaped(field.help)
            );
        }
        text.push('\n');
    }
    text.push_str(
        "**Accepted without effect**, and said so at start\n\n| Variable | Why |\n| :--- | :--- |\n",
    );
    for field in fields() {
        if let Support::Accepted(reason) = field.support {
            let _ = writeln!(text, "| `{}` | {} |", field.variable(), escaped(reason));
        }
    }
    text.push_str("\n**Refused**, with exit code 12\n\n| Variable | Why |\n| :--- | :--- |\n");
    for field in fields() {
        let reason = match field.support {
            Support::NotYet => "not built yet",
            Support::Never(reason) => reason,
            Support::Built | Support::Accepted(_) => continue,
        };
        let _ = writeln!(text, "| `{}` | {} |", field.variable(), escaped(reason));
    }
    text
}

/// The exit codes as Markdown.
pub fn exit_codes() -> String {
    let mut text = "| Code | Meaning |\n| ---: | :--- |\n".to_owned();
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, "| {code} | {meaning} |");
    }
    text
}

fn of<'a>(fields: &[&'a Field], wanted: impl Fn(Support) -> bool) -> Vec<&'a Field> {
    fields.iter().copied().filter(|field| wanted(field.support)).collect()
}

fn flag(field: &Field) -> String {
    match (field.reach, field.short) {
        (Reach::Everywhere, Some(short)) => format!("`--{}`, `-{short}`", field.name),
        (Reach::Everywhere, None) => format!("`--{}`", field.name),
        (Reach::Variable | Reach::Foreign(_), _) => String::new(),
    }
}

/// A `|` would end the cell, a `<` would begin HTML.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let expected = with_block(&readme, "settings", &settings())
            .and_then(|readme| with_block(&readme, "exit-codes", &exit_codes()))
            .expect("README.md needs the markers of both tables");
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path, &expected).unwrap();
        } else {
            assert!(
                readme == expected,
                "README.md differs from the code; run this test with UPDATE_README=1"
            );
        }
    }

    #[test]
    fn every_setting_is_in_the_tables_once() {
        let tables = settings();
        for field in fields() {
            assert_eq!(tables.matches(&format!("| `{}` |", field.variable())).count(), 1, "{}", field.name);
        }
    }
}
