//! What was found, in a form for people and for programs.

use serde::Serialize;
use serde_json::{Value, json};

/// How bad it is; later ones are worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Nothing is wrong; a limit that is good to know.
    Note,
    /// It could not be found out.
    Unchecked,
    /// A part of the work fails or is incomplete.
    Warning,
    /// There is no sync, or no start.
    Error,
}

impl Severity {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unchecked => "unchecked",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at, in one or two words.
    pub check: &'static str,
    /// The accounts that it is true of; empty where it is about none in particular.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// What is so.
    pub what: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What to add to a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

/// A statement that is missing in a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    /// The policy that lacks it.
    pub to: String,
    /// The statement.
    pub add: Value,
}

impl Statement {
    /// One that allows actions on a resource.
    pub(super) fn allowing(to: impl Into<String>, actions: &[&str], resource: &str) -> Self {
        let add = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
        Self { to: to.into(), add }
    }
}

impl Finding {
    pub(super) fn new(severity: Severity, check: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            check,
            accounts: Vec::new(),
            what: what.into(),
            why: None,
            next: None,
            statement: None,
        }
    }

    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, check, what)
    }

    pub(super) fn why(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    pub(super) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    pub(super) fn adding(self, statement: Statement) -> Self {
        Self { statement: Some(statement), ..self }
    }

    pub(super) fn of(self, account: &(impl ToString + ?Sized)) -> Self {
        Self { accounts: vec![account.to_string()], ..self }
    }

    fn is_like(&self, other: &Self) -> bool {
        let Self { severity, check, accounts, what, why, next, statement } = self;
        accounts.is_empty() == other.accounts.is_empty()
            && *severity == other.severity
            && *check == other.check
            && *what == other.what
            && *why == other.why
            && *next == other.next
            && *statement == other.statement
    }
}

/// Everything that was found, in the order of the way to AWS and on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The findings; what is true of several accounts stands once.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn extend(&mut self, found: impl IntoIterator<Item = Finding>) {
        for finding in found {
            match self.findings.iter_mut().find(|known| known.is_like(&finding)) {
                Some(known) => known.accounts.extend(finding.accounts),
                None => self.findings.push(finding),
            }
        }
    }

    /// The worst of all; [`Severity::Ok`] without any.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_of_several_accounts_stands_once() {
        let mut report = Report::default();
        assert_eq!(report.worst(), Severity::Ok);
        let refused = Finding::new(Severity::Warning, "members", "refused").why("no IAM");
        report.extend([refused.clone().of("1"), Finding::ok("members", "fine").of("2"), refused.of("3")]);
        assert_eq!(report.findings.len(), 2);
        assert_eq!(
            report.findings.first().map(|one| one.accounts.clone()),
            Some(vec!["1".into(), "3".into()])
        );
        assert_eq!(report.worst(), Severity::Warning);
    }
}
