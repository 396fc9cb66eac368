//! The table of settings: each one once.
//!
//! From this table come the flags and their help, the names of the environment variables, the keys of the
//! settings file, the form that `config` prints and the table in the README.

pub(super) mod aws;
pub(super) mod control_plane;
mod form;
pub(super) mod one_shot;
pub(super) mod operating;
pub(super) mod sync;

pub use form::FORM;

/// All sections, in the order of the help.
pub static SECTIONS: &[&Section] =
    &[&control_plane::SECTION, &aws::SECTION, &sync::SECTION, &operating::SECTION, &one_shot::SECTION];

/// All settings, in the order of the help.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    SECTIONS.iter().flat_map(|section| section.fields.iter().copied())
}

/// Settings that belong together.
#[derive(Debug)]
pub struct Section {
    /// The heading in the help and in the README.
    pub title: &'static str,
    /// The settings, in the order of the help.
    pub fields: &'static [&'static Field],
}

/// One setting.
#[derive(Debug)]
pub struct Field {
    /// Name of the flag (`--<name>`) and key in the settings file.
    pub name: &'static str,
    /// The one-letter flag.
    pub short: Option<char>,
    /// The shape of its value.
    pub kind: Kind,
    /// The value when nothing is set; empty means none.
    pub default: &'static str,
    /// What it does: one sentence without full stop.
    pub help: &'static str,
    /// The least and the greatest number that it may be, where a form tells them.
    pub bounds: Option<(i64, i64)>,
    /// Where it can be set.
    pub reach: Reach,
    /// Whether the help leaves it out.
    pub hidden: bool,
    /// Whether its value may be printed.
    pub secrecy: Secrecy,
    /// Who sees it in the form that `config` prints.
    pub export: Export,
    /// In which runs it has a meaning.
    pub mode: Mode,
    /// What this build does with it.
    pub support: Support,
}

/// The shape of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// `true` or `false`, in the flag also as a word of its own; the flag alone is `true`.
    LooseSwitch,
    /// A whole number.
    Number,
    /// Any text.
    Text,
    /// A text that the control plane generates.
    RandomText,
    /// Texts, as CSV or by repeating the flag.
    List,
    /// A path in the file system.
    Path,
    /// A time with unit, such as `30s` or `1h 30m`.
    Duration,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// Where a setting can be set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Flag, environment variable `BATON_<NAME>` and settings file.
    Everywhere,
    /// The environment variable `BATON_<NAME>` alone.
    Variable,
    /// An environment variable of another owner alone.
    Foreign(&'static str),
}

/// Whether a value may be printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secrecy {
    /// Yes.
    Plain,
    /// Not by us; a form may show it to its owner.
    Redacted,
    /// Never.
    Secret,
}

/// Who sees a setting in the form that `config` prints. Names and descriptions are those of baton-aws, so that a form
/// looks the same after the swap; what a setting does here, its help says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Export {
    /// Nobody.
    None,
    /// The operator, as a setting that every connector has, with this description.
    Common(&'static str),
    /// The operator, under this name and with this description.
    Operator(&'static str, &'static str),
    /// The user of the web form, under this name and with this description.
    Form(&'static str, &'static str),
}

/// In which runs a setting has a meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// In all.
    Any,
    /// Only when a control plane is served.
    Service,
    /// Only without a control plane; ignored, and said so, with one.
    OneShot,
}

/// What this build does with a setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// What it says.
    Built,
    /// Nothing, harmlessly, for this reason; said at start when it is set.
    Accepted(&'static str),
    /// It ends the start when it is set: it never will be there, for this reason.
    Never(&'static str),
}

impl Field {
    /// The environment variable.
    pub fn variable(&self) -> String {
        match self.reach {
            Reach::Foreign(variable) => variable.to_owned(),
            Reach::Everywhere | Reach::Variable => {
                format!("BATON_{}", self.name.to_ascii_uppercase().replace('-', "_"))
            }
        }
    }

    /// Whether there is a flag for it.
    pub fn is_flag(&self) -> bool {
        self.reach == Reach::Everywhere
    }

    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            kind,
            default: "",
            help,
            bounds: None,
            reach: Reach::Everywhere,
            hidden: false,
            secrecy: Secrecy::Plain,
            export: Export::None,
            mode: Mode::Any,
            support: Support::Built,
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn within(mut self, least: i64, greatest: i64) -> Self {
        self.bounds = Some((least, greatest));
        self
    }

    const fn variable_only(mut self) -> Self {
        self.reach = Reach::Variable;
        self
    }

    const fn foreign(mut self, variable: &'static str) -> Self {
        self.reach = Reach::Foreign(variable);
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn redacted(mut self) -> Self {
        self.secrecy = Secrecy::Redacted;
        self
    }

    const fn secret(mut self) -> Self {
        self.secrecy = Secrecy::Secret;
        self
    }

    const fn export(mut self, export: Export) -> Self {
        self.export = export;
        self
    }

    const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    const fn support(mut self, support: Support) -> Self {
        self.support = support;
        self
    }
}

const fn switch(name: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::Switch, help).default("false")
}

const fn number(name: &'static str, default: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::Number, help).default(default)
}

const fn text(name: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::Text, help)
}

const fn list(name: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::List, help)
}

const fn path(name: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::Path, help)
}

const fn duration(name: &'static str, default: &'static str, help: &'static str) -> Field {
    Field::new(name, Kind::Duration, help).default(default)
}

/// Declares the settings of a section and lists them in the order of their declaration.
macro_rules! section {
    ($title:literal; $($name:ident = $field:expr;)*) => {
        $(pub(in crate::config) static $name: super::Field = $field;)*
        pub(super) static SECTION: super::Section = super::Section { title: $title, fields: &[$(&$name),*] };
    };
}
use section;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_variable_and_letter_is_declared_once() {
        let mut names = BTreeSet::new();
        let mut variables = BTreeSet::new();
        let mut letters = BTreeSet::from(['h', 'V']);
        for field in fields() {
            assert!(names.insert(field.name), "{} is declared twice", field.name);
            assert!(variables.insert(field.variable()), "{} is declared twice", field.variable());
            assert!(field.short.is_none_or(|short| letters.insert(short)), "-{:?} is taken", field.short);
        }
    }

    #[test]
    fn help_is_one_sentence_without_full_stop() {
        for field in fields() {
            assert!(!field.help.is_empty() && !field.help.ends_with('.'), "{}", field.name);
        }
    }
}
