//! What is worth saying of the settings themselves.

use super::finding::{Finding, Report, Severity};
use crate::config::Note;

const CHECK: &str = "settings";

impl Report {
    /// The report with the warnings that reading the settings gave, in front of everything else.
    #[must_use]
    pub fn with_notes(self, notes: &[Note]) -> Self {
        let mut report = Self::default();
        let warnings = notes.iter().filter(|note| note.is_warning);
        report.extend(warnings.map(|note| Finding::new(Severity::Warning, CHECK, note.message.clone())));
        report.extend(self.findings);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_about_settings_are_findings() {
        let note = |is_warning, message: &str| Note { is_warning, message: message.to_owned() };
        let notes = [note(true, "BATON_X is no setting"), note(false, "fine")];
        let report = Report { findings: vec![Finding::ok("clock", "right")] }.with_notes(&notes);
        assert_eq!(report.worst(), Severity::Warning);
        let told: Vec<_> = report.findings.iter().map(|one| (one.check, one.what.as_str())).collect();
        assert_eq!(told, [("settings", "BATON_X is no setting"), ("clock", "right")]);
    }
}
