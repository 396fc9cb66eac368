//! The environment of the process.

use std::collections::BTreeMap;
use std::ffi::OsString;

use secrecy::{ExposeSecret as _, SecretString};

use super::ambient::Ambient;
use super::unknown;
use crate::config::fault::{Fault, Note};
use crate::config::field::{Field, Reach, fields};

/// The variables that settings may come from, unchecked and unprinted.
#[derive(Debug, Default)]
pub struct Environment {
    /// Without `BATON_`, in lower case.
    own: BTreeMap<String, SecretString>,
    /// In lower case.
    foreign: BTreeMap<String, SecretString>,
    /// What is worth saying of variables that begin like ours and are none.
    unknown: Vec<Note>,
    /// Those of others that are looked over.
    ambient: Ambient,
}

impl Environment {
    /// Takes the environment of this process.
    ///
    /// An error means that a variable of ours is not Unicode.
    pub fn of_process() -> Result<Self, Fault> {
        Self::from_variables(std::env::vars_os())
    }

    /// Takes these variables; all that are not ours are left alone.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Fault> {
        let ours: Vec<String> = fields().map(Field::variable).collect();
        let mut texts = Vec::new();
        let (mut unknown, mut ambient) = (Vec::new(), Ambient::default());
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if let Some(text) = value.to_str() {
                ambient.take(name, text);
            }
            if !ours.iter().any(|ours| ours == name) {
                if name.starts_with(PREFIX) {
                    unknown.extend(unknown::variable(name, value.to_str().unwrap_or_default()));
                }
                continue;
            }
            match value.into_string() {
                Ok(value) => texts.push((name.to_owned(), value)),
                Err(_) => return Err(Fault::invalid(name.to_owned(), "must be Unicode text")),
            }
        }
        let (own, foreign): (Vec<_>, Vec<_>) =
            texts.into_iter().partition(|(name, _)| name.starts_with(PREFIX));
        // Every text deserializes into a text: there is no error to report.
        Ok(Self {
            own: envy::prefixed(PREFIX).from_iter(own).unwrap_or_default(),
            foreign: envy::from_iter(foreign).unwrap_or_default(),
            unknown,
            ambient,
        })
    }

    /// What is wrong with variables that are no settings, and what is worth saying of them.
    pub(super) fn check(&self, faults: &mut Vec<Fault>, notes: &mut Vec<Note>) {
        notes.extend(self.unknown.iter().cloned());
        self.ambient.check(faults, notes);
    }

    /// The value of a setting; an empty one counts as unset.
    pub(in crate::config) fn get(&self, field: &Field) -> Option<&SecretString> {
        let text = match field.reach {
            Reach::Foreign(variable) => self.foreign.get(&variable.to_ascii_lowercase()),
            Reach::Everywhere | Reach::Variable => self.own.get(&field.name.replace('-', "_")),
        };
        text.filter(|text| !text.expose_secret().is_empty())
    }
}

const PREFIX: &str = "BATON_";
