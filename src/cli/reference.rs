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

    #[test]
    fn every_setting_is_in_the_tables_once() {
        let tables = settings();
        for field in fields() {
            assert_eq!(tables.matches(&format!("| `{}` |", field.variable())).count(), 1, "{}", field.name);
        }
    }
}
