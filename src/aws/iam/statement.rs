//! The statements of a policy document, read as IAM's reference has it.
//!
//! - Names of elements are literal in IAM's grammar. They are taken in any case here: IAM keeps documents from before it
//!   checked them strictly, and nobody's access may be lost over a letter. An element that is there twice, in whatever
//!   case, makes the document unreadable, as does what the grammar has no place for.
//! - Service prefix and name of an action mean the same in any case; `*` stands for any text in them, `?` for one letter.
//! - The effect is `Allow` or `Deny`, to the letter. Names of principals are as they are, and know no pattern: `*` alone
//!   is everybody.
//! - Numbers may stand without quotation marks, so that an account id can be one.
//!
//! Source: "Grammar of the IAM JSON policy language" and the pages of `Action`, `Effect`, `Principal` and
//! `NotPrincipal` in the IAM user guide.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use serde_json::error::Category;

/// One statement of a policy.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it does where it applies.
    pub effect: Effect,
    /// Whom it is about.
    pub principals: Principals,
    /// The conditions under which it applies, as they are written.
    pub condition: Option<Value>,
    actions: Actions,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
    /// It says neither, which IAM's grammar does not allow.
    Neither,
}

/// Whom a statement is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principals {
    /// Nobody is named, as in policies of identities.
    Unnamed,
    /// A text in place of names, of which `*` alone means something: everybody.
    Text(String),
    /// Those who are named.
    Named(Named),
    /// Everybody but those who are named.
    AllBut,
}

/// Names of principals by kind, as written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    /// ARNs, account ids, unique ids, or `*`.
    pub aws: Vec<String>,
    /// Services, such as `ec2.amazonaws.com`.
    pub services: Vec<String>,
    /// Identity providers.
    pub federated: Vec<String>,
}

#[derive(Clone, Debug)]
enum Actions {
    These(Vec<String>),
    AllBut(Vec<String>),
}

/// Why a text is no policy document. It quotes nothing of the text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is JSON and no policy.
    #[error("it does not follow the grammar of policies (line {line}, column {column})")]
    Grammar {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A statement has two elements of which it may have one.
    #[error("a statement has both {0} and Not{0}")]
    Both(&'static str),
}

/// Reads the statements of a document: one, or several.
///
/// # Errors
/// [`DocumentError`] for anything but a policy document.
pub fn statements(document: &str) -> Result<Vec<Statement>, DocumentError> {
    // The reader bounds how deep a document may be nested.
    let Elements(document): Elements<Document> = serde_json::from_str(document).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => DocumentError::Grammar { line, column },
            Category::Syntax | Category::Eof | Category::Io => DocumentError::NotJson { line, column },
        }
    })?;
    document.statement.0.into_iter().map(|Elements(written)| written.try_into()).collect()
}

impl Statement {
    /// Whether the statement is about this action, for example `sts:AssumeRole`.
    pub fn covers(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        match &self.actions {
            Actions::These(patterns) => any(patterns),
            Actions::AllBut(patterns) => !any(patterns),
        }
    }
}

/// Whether an action is what the pattern says.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let (mut at, mut in_action) = (0, 0);
    // Where the last star is, and how much of the action it has taken: each star is tried with more only while no later
    // one is met, so that the time is at most that of the two lengths multiplied.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = action.get(in_action) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_action));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(letter) => {
                at += 1;
                in_action += 1;
            }
            _ => {
                let Some((of_star, taken)) = star else { return false };
                star = Some((of_star, taken + 1));
                at = of_star + 1;
                in_action = taken + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[derive(serde::Deserialize)]
struct Document {
    statement: Several<Elements<Written>>,
}

/// A statement as it is written, by the names of its elements in small letters.
#[derive(serde::Deserialize)]
struct Written {
    effect: Option<String>,
    action: Option<Several<Name>>,
    notaction: Option<Several<Name>>,
    principal: Option<Whom>,
    notprincipal: Option<IgnoredAny>,
    condition: Option<Value>,
}

#[derive(serde::Deserialize)]
struct ByKind {
    aws: Option<Several<Name>>,
    service: Option<Several<Name>>,
    federated: Option<Several<Name>>,
}

impl TryFrom<Written> for Statement {
    type Error = DocumentError;

    fn try_from(written: Written) -> Result<Self, DocumentError> {
        Ok(Self {
            effect: match written.effect.as_deref() {
                Some("Allow") => Effect::Allow,
                Some("Deny") => Effect::Deny,
                _ => Effect::Neither,
            },
            actions: match (written.action, written.notaction) {
                (Some(_), Some(_)) => return Err(DocumentError::Both("Action")),
                (_, Some(but)) => Actions::AllBut(but.names()),
                (these, None) => Actions::These(these.map(Several::names).unwrap_or_default()),
            },
            principals: match (written.principal, written.notprincipal) {
                (Some(_), Some(_)) => return Err(DocumentError::Both("Principal")),
                (None, Some(_)) => Principals::AllBut,
                (None, None) => Principals::Unnamed,
                (Some(Whom(principals)), None) => principals,
            },
            condition: written.condition,
        })
    }
}

/// An object whose members are elements: their names in small letters.
struct Elements<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ElementsVisitor(PhantomData))
    }
}

struct ElementsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ElementsVisitor<T> {
    type Value = Elements<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of elements")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Elements<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(SmallLetters(map))).map(Elements)
    }
}

/// The members of an object, with their names in small letters.
struct SmallLetters<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for SmallLetters<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.0.next_key::<String>()? else { return Ok(None) };
        seed.deserialize(StringDeserializer::new(name.to_ascii_lowercase())).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

/// One, or several in an array.
struct Several<T>(Vec<T>);

impl Several<Name> {
    fn names(self) -> Vec<String> {
        self.0.into_iter().map(|Name(name)| name).collect()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeveralVisitor(PhantomData))
    }
}

struct SeveralVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SeveralVisitor<T> {
    type Value = Several<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one or several")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Several<T>, A::Error> {
        let mut several = Vec::new();
        while let Some(item) = items.next_element()? {
            several.push(item);
        }
        Ok(Several(several))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Several<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Several(vec![one]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Several<T>, E> {
        T::deserialize(StringDeserializer::new(text.to_owned())).map(|one| Several(vec![one]))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Several<T>, E> {
        self.visit_str(&number.to_string())
    }
}

/// A name, which is a text, or a number without quotation marks. Null is no name.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name, E> {
        Ok(Name(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Name, E> {
        Ok(Name(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Name, E> {
        Ok(Name(String::new()))
    }
}

/// Principals by kind, or a text in their place.
struct Whom(Principals);

impl<'de> Deserialize<'de> for Whom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhomVisitor)
    }
}

struct WhomVisitor;

impl<'de> Visitor<'de> for WhomVisitor {
    type Value = Whom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("principals by kind, or *")
    }

    fn visit_str<E>(self, text: &str) -> Result<Whom, E> {
        Ok(Whom(Principals::Text(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whom, A::Error> {
        let kinds = ByKind::deserialize(MapAccessDeserializer::new(SmallLetters(map)))?;
        let names = |given: Option<Several<Name>>| given.map(Several::names).unwrap_or_default();
        Ok(Whom(Principals::Named(Named {
            aws: names(kinds.aws),
            services: names(kinds.service),
            federated: names(kinds.federated),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSUME: &str = "sts:AssumeRole";

    #[test]
    fn actions_mean_the_same_in_any_case_and_know_two_wildcards() {
        for pattern in [
            "sts:AssumeRole",
            "STS:assumerole",
            "sts:*",
            "sts:Assume*",
            "s?s:AssumeRol?",
            "*",
            "**",
            "*:*",
            "*Role",
            "st*ss*ro*e*",
        ] {
            assert!(matches(pattern, ASSUME), "{pattern}");
        }
        for pattern in
            ["", "?", "sts:AssumeRole?", "sts:AssumeRole ", "sts", "sts:Assume", "iam:*", "sts:*With*", "*x*"]
        {
            assert!(!matches(pattern, ASSUME), "{pattern}");
        }
        // A pattern that fits many ways and then not at all takes no time to speak of.
        assert!(!matches(&"*a".repeat(2000), &"a".repeat(1999)));
    }

    #[test]
    fn a_statement_covers_what_it_names_or_all_that_it_does_not() {
        let of = |statement: &str| {
            statements(&format!(r#"{{"Statement":{statement}}}"#)).unwrap()[0].covers(ASSUME)
        };
        assert!(of(r#"{"Effect":"Allow","Action":["sts:TagSession","sts:Assume*"]}"#));
        assert!(of(r#"[{"Effect":"Allow","NotAction":"iam:*"}]"#));
        assert!(of(r#"{"Effect":"Allow","NotAction":[]}"#));
        assert!(!of(r#"{"Effect":"Allow","NotAction":["iam:*","STS:*"]}"#));
        assert!(!of(r#"{"Effect":"Allow"}"#), "without an action it is about none");
    }

    #[test]
    fn names_of_elements_are_taken_in_any_case() {
        let read = statements(
            r#"{"version":"2012-10-17","STATEMENT":[{"effect":"Allow","aCTION":"sts:AssumeRole",
                "principal":{"aws":[1234,"a",null],"SERVICE":"s"},"condition":{"X":{}}}]}"#,
        );
        let read = &read.unwrap()[0];
        let named = Named { aws: vec!["1234".into(), "a".into(), String::new()], ..Named::default() };
        assert_eq!(read.principals, Principals::Named(Named { services: vec!["s".into()], ..named }));
        assert_eq!(read.effect, Effect::Allow);
        assert!(read.covers(ASSUME) && read.condition.is_some());
    }

    #[test]
    fn the_effect_is_to_the_letter() {
        let of = |effect: &str| {
            statements(&format!(r#"{{"Statement":{{"Effect":{effect}}}}}"#)).unwrap()[0].effect
        };
        assert_eq!([of(r#""Allow""#), of(r#""Deny""#)], [Effect::Allow, Effect::Deny]);
        for effect in [r#""allow""#, r#""ALLOW""#, r#""""#, "null"] {
            assert_eq!(of(effect), Effect::Neither, "{effect}");
        }
    }

    #[test]
    fn what_is_no_document_is_told_by_its_place_alone() {
        let deep = format!(r#"{{"Statement":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for broken in ["", "{", "canary", "\u{feff}{}", r#"{"Statement":[]} x"#] {
            let error = statements(broken).unwrap_err();
            assert!(matches!(error, DocumentError::NotJson { .. }), "{error:?}");
        }
        let of = |statement: &str| format!(r#"{{"Statement":{statement}}}"#);
        for broken in [
            deep,
            "{}".to_owned(),
            "null".to_owned(),
            // by position, these would be documents
            r#"[{"Effect":"Allow"}]"#.to_owned(),
            r#"[["Allow","sts:AssumeRole",null,{"AWS":"canary"}]]"#.to_owned(),
            of(r#"["Allow","sts:AssumeRole",null,{"AWS":"canary"},null,null]"#),
            of(r#"[["Allow","sts:AssumeRole",null,{"AWS":"canary"},null,null]]"#),
            of(r#"{"Effect":"Allow","Principal":["canary",null,null]}"#),
            of(r#"{"Effect":"Allow","Principal":[{"AWS":"canary"}]}"#),
            of("1"),
            of(r#""canary""#),
            of("null"),
            of("[null]"),
            of(r#"{"Effect":["Allow"]}"#),
            of(r#"{"Effect":7}"#),
            of(r#"{"Action":{"canary":1}}"#),
            of(r#"{"Action":[["canary"]]}"#),
            of(r#"{"Principal":7}"#),
            of(r#"{"Principal":{"AWS":{"canary":1}}}"#),
            of(r#"{"Principal":{"AWS":true}}"#),
            of(r#"{"Action":"x","Action":"canary"}"#),
            of(r#"{"Action":"x","action":"canary"}"#),
            of(r#"{"Principal":{"AWS":"x","aws":"canary"}}"#),
            r#"{"Statement":[],"statement":[]}"#.to_owned(),
        ] {
            let error = statements(&broken).unwrap_err();
            assert!(matches!(error, DocumentError::Grammar { .. }), "{broken}: {error:?}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert_eq!(
            statements(&of(r#"{"Action":"a","NotAction":"b"}"#)).unwrap_err(),
            DocumentError::Both("Action")
        );
        let both = of(r#"{"Principal":"*","NotPrincipal":{"AWS":"a"}}"#);
        assert_eq!(statements(&both).unwrap_err(), DocumentError::Both("Principal"));
    }
}
