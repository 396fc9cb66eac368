//! Findings as a person reads them.

use std::fmt::{self, Display, Formatter};

use super::finding::{Finding, Report, Severity};
use crate::text::printable;

/// Accounts that are named of those that a finding is true of.
const NAMED: usize = 5;
/// Bytes of one line; a statement to add can be long.
const LONGEST: usize = 32 * 1024;
/// The width of the severity and of the check.
const COLUMNS: (usize, usize) = (9, 15);

/// Severity, check and what is so; under it, where, why, what to do, and what to add.
impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (first, second) = COLUMNS;
        let what = printable(&self.what, LONGEST);
        write!(f, "{:first$} {:second$} {what}", self.severity.as_str(), self.check)?;
        let accounts = match self.accounts.as_slice() {
            [] => None,
            [one] => Some(format!("in account {one}")),
            several => {
                let named = several.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
                let more = several.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("in {} accounts: {named}{more}", several.len()))
            }
        };
        let statement = self.statement.as_ref().map(|one| format!("add to {}: {}", one.to, one.add));
        let why = self.why.as_ref().map(|why| format!("why: {why}"));
        let next = self.next.as_ref().map(|next| format!("do: {next}"));
        for line in [accounts, why, next, statement].into_iter().flatten() {
            let line = printable(&line, LONGEST);
            write!(f, "\n{:indent$}{line}", "", indent = first + second + 2)?;
        }
        Ok(())
    }
}

/// The findings, one below the other, and their count.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = |severity| self.findings.iter().filter(|one| one.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        write!(f, "errors: {errors}, warnings: {warnings}, unchecked: {}", count(Severity::Unchecked))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Statement;

    #[test]
    fn a_finding_tells_where_why_and_what_to_add() {
        let finding = Finding {
            severity: Severity::Warning,
            check: "permissions",
            accounts: (1..=7).map(|n| n.to_string()).collect(),
            what: "role/r may not iam:X".into(),
            why: Some("tasks fail".into()),
            next: None,
            statement: Some(Statement {
                to: "the policies of role/r".into(),
                add: json!({"Effect": "Allow"}),
            }),
        };
        let indent = " ".repeat(26);
        assert_eq!(
            Report { findings: vec![finding] }.to_string(),
            format!(
                "warning   permissions     role/r may not iam:X\n{indent}in 7 accounts: 1, 2, 3, 4, 5 and 2 more\n\
                 {indent}why: tasks fail\n{indent}add to the policies of role/r: {{\"Effect\":\"Allow\"}}\nerrors: 0, \
                 warnings: 1, unchecked: 0"
            )
        );
    }
}
