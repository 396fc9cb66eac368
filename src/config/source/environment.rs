//! The environment of the process.

use std::collections::BTreeMap;
use std::ffi::OsString;

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::fault::Fault;
use crate::config::field::{Field, Reach, fields};

/// The variables that settings may come from, unchecked and unprinted.
#[derive(Debug, Default)]
pub struct Environment {
    /// Without `BATON_`, in lower case.
    own: BTreeMap<String, SecretString>,
    /// In lower case.
    foreign: BTreeMap<String, SecretString>,
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
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| ours.iter().any(|ours| ours == name)) else {
                continue;
            };
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
        })
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
