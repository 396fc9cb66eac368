//! What is wrong, or merely worth saying, about the settings.

use std::fmt;

/// One wrong setting. Its text names the setting, its fault and what is accepted, and no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    setting: String,
    message: String,
    unbuilt: bool,
}

impl Fault {
    /// A value that is not accepted.
    pub(super) fn invalid(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into(), unbuilt: false }
    }

    /// A value that selects something that is not there.
    pub(super) fn unbuilt(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self { setting: setting.into(), message: message.into(), unbuilt: true }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

/// All that is wrong with the settings, together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    faults: Vec<Fault>,
}

impl SettingsError {
    /// The faults, in the order of the table of settings.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether a setting asks for something that this build does not have.
    pub fn is_unbuilt(&self) -> bool {
        self.faults.iter().any(|fault| fault.unbuilt)
    }

    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }
}

impl From<Fault> for SettingsError {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("errors found:")?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

/// Something about the settings that the log says at start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// Whether somebody should look at it.
    pub is_warning: bool,
    /// The text.
    pub message: String,
}

impl Note {
    pub(super) fn warning(message: String) -> Self {
        Self { is_warning: true, message }
    }

    pub(super) fn info(message: String) -> Self {
        Self { is_warning: false, message }
    }
}
