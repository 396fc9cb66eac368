//! Gathers what the operator set, from all sources, before any of it is understood.

mod ambient;
mod environment;
mod file;
mod unknown;

pub use environment::Environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::fault::{Fault, Note};
use super::field::{Field, Kind, control_plane, fields, operating};
use super::pattern;

/// The values of flags, by the name of the flag; a list flag has one for each time it was given.
pub type Flags = BTreeMap<&'static str, Vec<SecretString>>;

/// What the operator set, by name: flag before environment before file. Values are unchecked and unprinted.
#[derive(Debug, Default)]
pub struct RawSettings {
    given: BTreeMap<&'static str, Given>,
    faults: Vec<Fault>,
    notes: Vec<Note>,
}

/// A value and where it came from.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) source: Source,
    /// One text, or the items of a list.
    pub(super) texts: Vec<SecretString>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Flag,
    Variable,
    File(PathBuf),
}

impl RawSettings {
    /// Gathers from `flags`, `environment` and the settings file that it names, else `.baton.yaml` in
    /// `directory`. An empty variable counts as unset. Items of a list flag follow those of the other sources.
    ///
    /// A file that cannot be read is a note, not an error; only a wrong extension is one.
    pub fn gather(mut flags: Flags, environment: &Environment, directory: &Path) -> Result<Self, Fault> {
        let mut raw = Self::default();
        environment.check(&mut raw.faults, &mut raw.notes);
        let path = file_path(environment, directory)?;
        let mut file = path.as_ref().map_or_else(file::Content::new, |path| file::read(path, &mut raw.notes));
        for field in fields() {
            let flag = flags.remove(field.name);
            let variable = environment.get(field).map(|text| vec![text.clone()]);
            let key = file.remove(field.name);
            let base = match (variable, key) {
                (Some(texts), _) => Some(Given { source: Source::Variable, texts }),
                (None, Some(texts)) => {
                    Some(Given { source: Source::File(path.clone().unwrap_or_default()), texts })
                }
                (None, None) => None,
            };
            let given = match (field.kind, base, flag) {
                (_, None, None) => continue,
                (_, Some(base), None) => split(field, base),
                (Kind::List, Some(base), Some(flag)) => {
                    let mut all = split(field, base);
                    all.texts.extend(split(field, Given { source: Source::Flag, texts: flag }).texts);
                    all
                }
                (_, _, Some(texts)) => split(field, Given { source: Source::Flag, texts }),
            };
            raw.given.insert(field.name, given);
        }
        Ok(raw)
    }

    pub(super) fn get(&self, field: &Field) -> Option<&Given> {
        self.given.get(field.name)
    }

    pub(super) fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    pub(super) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

/// The settings file that the environment names, else `.baton.yaml` where there is one.
fn file_path(environment: &Environment, directory: &Path) -> Result<Option<PathBuf>, Fault> {
    let Some(path) = environment.get(&operating::CONFIG_PATH) else {
        return Ok(Some(directory.join(".baton.yaml")).filter(|path| path.exists()));
    };
    let path = PathBuf::from(path.expose_secret());
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    if matches!(extension.as_deref(), Some("yaml" | "yml")) {
        return Ok(Some(path));
    }
    let message = format!("must end in .yaml or .yml, but got '{}'", path.display());
    Err(Fault::invalid(operating::CONFIG_PATH.variable(), message))
}

/// Whether its items are ids, whose names may hold commas.
fn is_of_ids(field: &Field) -> bool {
    let lists = [
        &control_plane::PROTECTED_PRINCIPALS,
        &control_plane::PROTECTED_POLICIES,
        &control_plane::VEND_ROLES,
        &control_plane::VEND_FEDERATED_USERS,
        &control_plane::VEND_FEDERATED_POLICIES,
    ];
    lists.iter().any(|list| list.name == field.name)
}

/// Splits the texts of a list at commas, as CSV does; other kinds stay as they are.
fn split(field: &Field, given: Given) -> Given {
    if field.kind != Kind::List {
        return given;
    }
    let mut texts = Vec::new();
    for text in &given.texts {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.expose_secret().as_bytes());
        for record in reader.records().flatten() {
            let items = record.iter().filter(|item| !item.is_empty()).map(str::to_owned);
            if is_of_ids(field) {
                texts.extend(pattern::join(items).into_iter().map(SecretString::from));
            } else {
                texts.extend(items.map(SecretString::from));
            }
        }
    }
    Given { source: given.source, texts }
}

#[cfg(test)]
mod tests {
    use super::super::field::{aws, control_plane, sync};
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_variables(variables.iter().map(|(k, v)| (k.into(), v.into()))).unwrap()
    }

    fn flags(given: &[(&'static str, &[&str])]) -> Flags {
        given.iter().map(|(k, v)| (*k, v.iter().map(|v| SecretString::from(*v)).collect())).collect()
    }

    fn shown(raw: &RawSettings, field: &Field) -> (Source, Vec<String>) {
        let given = raw.get(field).unwrap();
        (given.source.clone(), given.texts.iter().map(|t| t.expose_secret().to_owned()).collect())
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".baton.yaml");
        std::fs::write(&path, "Workers: 1\nGLOBAL-REGION: eu-west-1\nrole-arn: from-file\n").unwrap();
        let variables = environment(&[("BATON_WORKERS", "2"), ("BATON_GLOBAL_REGION", "eu-west-2")]);
        let raw = RawSettings::gather(flags(&[("workers", &["3"])]), &variables, dir.path()).unwrap();
        assert_eq!(shown(&raw, &aws::WORKERS), (Source::Flag, vec!["3".to_owned()]));
        assert_eq!(shown(&raw, &aws::GLOBAL_REGION), (Source::Variable, vec!["eu-west-2".to_owned()]));
        assert_eq!(shown(&raw, &aws::ROLE_ARN), (Source::File(path), vec!["from-file".to_owned()]));
        assert!(raw.get(&sync::FILE).is_none());
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".baton.yaml"), "workers: 7").unwrap();
        let raw =
            RawSettings::gather(Flags::new(), &environment(&[("BATON_WORKERS", "")]), dir.path()).unwrap();
        assert_eq!(shown(&raw, &aws::WORKERS).1, ["7"]);
    }

    #[test]
    fn list_flags_append_to_the_other_sources_and_lists_are_split_as_csv() {
        let dir = tempfile::tempdir().unwrap();
        let variables = environment(&[("BATON_SYNC_RESOURCE_TYPES", "account,\"sso,user\"")]);
        let given = flags(&[("sync-resource-types", &["sso_group,organization", "permission_set"])]);
        let raw = RawSettings::gather(given, &variables, dir.path()).unwrap();
        let all = ["account", "sso,user", "sso_group", "organization", "permission_set"];
        assert_eq!(shown(&raw, &sync::SYNC_RESOURCE_TYPES).1, all);
    }

    #[test]
    fn the_file_of_the_environment_must_be_yaml_by_name() {
        for name in ["settings.json", "settings", "settings.yaml.bak"] {
            let variables = environment(&[("BATON_CONFIG_PATH", name)]);
            let fault = RawSettings::gather(Flags::new(), &variables, Path::new("/nowhere")).unwrap_err();
            assert!(fault.to_string().starts_with("BATON_CONFIG_PATH: must end in .yaml or .yml"), "{fault}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_noted_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.yml");
        let variables = environment(&[("BATON_CONFIG_PATH", path.to_str().unwrap())]);
        for content in
            [None, Some("client-secret: [canary\nx: {"), Some("- canary"), Some("client-secret: {canary: 1}")]
        {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let mut raw = RawSettings::gather(Flags::new(), &variables, dir.path()).unwrap();
            let notes = raw.take_notes();
            assert_eq!(notes.len(), 1, "{content:?}");
            assert!(notes[0].message.contains("settings.yml"), "{notes:?}");
            assert!(!format!("{notes:?}").contains("canary"), "{notes:?}");
            assert!(raw.get(&control_plane::CLIENT_SECRET).is_none());
        }
    }

    #[test]
    fn the_file_keeps_texts_as_written_and_names_keys_that_it_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let content = "external-id: 000123\nsync-resource-types: [account, sso_user]\nrole_arm: x\nfile:\n";
        std::fs::write(dir.path().join(".baton.yaml"), content).unwrap();
        let mut raw = RawSettings::gather(Flags::new(), &environment(&[]), dir.path()).unwrap();
        assert_eq!(shown(&raw, &aws::EXTERNAL_ID).1, ["000123"]);
        assert_eq!(shown(&raw, &sync::SYNC_RESOURCE_TYPES).1, ["account", "sso_user"]);
        assert!(raw.get(&sync::FILE).is_none());
        assert!(raw.take_notes().iter().any(|note| note.message.contains("role_arm")));
    }

    #[test]
    fn values_never_show_in_debug() {
        let variables = environment(&[("BATON_CLIENT_SECRET", "canary"), ("AWS_CA_BUNDLE", "canary")]);
        let raw = RawSettings::gather(Flags::new(), &variables, Path::new("/nowhere")).unwrap();
        assert!(raw.get(&control_plane::CLIENT_SECRET).is_some());
        assert!(!format!("{variables:?}{raw:?}").contains("canary"));
    }
}
