//! What an answer must hold beyond what the SDK checks.

use std::collections::HashSet;
use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::bound::{Bound, bound_of};
use crate::json;
use crate::network::told;

/// Values in one JSON answer at most: a hundred entries of a thousand values. The SDK makes a struct of each object,
/// however short it is written, so the bound of the bytes is none of the memory.
const MOST_VALUES: usize = 100_000;
/// XML tags in one answer at most: a thousand entities with a hundred tags or policies of three elements each.
const MOST_TAGS: usize = 600_000;

/// Refuses successful answers that are cut off or lack a member.
///
/// The SDK reads an empty body as an empty object and fills absent required lists with nothing; a listing that was
/// cut off would look like one without entries, and absence here means lost access.
#[derive(Clone, Copy, Debug)]
pub(in crate::aws) struct Answer {
    shape: Shape,
    required: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One JSON object.
    Object,
    /// One XML element, named after the operation.
    Xml(&'static str),
}

impl Answer {
    /// An answer that must be one JSON object.
    pub(in crate::aws) const OBJECT: Self = Self { shape: Shape::Object, required: None };

    /// An answer that must be one JSON object with this member: one that AWS's model calls required, or the list of a
    /// listing, which AWS sends empty too. The model calls the lists of SSO Admin and Organizations optional, but an
    /// answer without one says nothing of what there is.
    pub(in crate::aws) const fn with(member: &'static str) -> Self {
        Self { shape: Shape::Object, required: Some(member) }
    }

    /// An answer to an operation of a query service: an XML element `<operation>Response`.
    pub(in crate::aws) const fn xml(operation: &'static str) -> Self {
        Self { shape: Shape::Xml(operation), required: None }
    }

    /// The same, with an element that AWS always sends, empty or not.
    pub(in crate::aws) const fn holding(self, element: &'static str) -> Self {
        Self { required: Some(element), ..self }
    }

    fn check(self, body: &[u8]) -> Result<(), AnswerFault> {
        match self.shape {
            Shape::Object => {
                within_bound(values(body), MOST_VALUES)?;
                self.check_object(body)
            }
            Shape::Xml(operation) => {
                within_bound(body.split(|byte| *byte == b'<').skip(1).count(), MOST_TAGS)?;
                self.check_element(operation, body)
            }
        }
    }

    /// The SDK parses the element itself; what it does not see is that the end is missing, or that a list is.
    fn check_element(self, operation: &str, body: &[u8]) -> Result<(), AnswerFault> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_end();
        if !text.ends_with(&format!("</{operation}Response>")) {
            return Err(if text.contains("</html>") || !text.is_empty() && !text.starts_with('<') {
                AnswerFault::NotAnAnswer(operation.to_owned())
            } else {
                AnswerFault::CutOff
            });
        }
        match self.required {
            Some(element)
                if !["<E>", "<E/>", "<E />"].iter().any(|tag| text.contains(&tag.replace('E', element))) =>
            {
                Err(AnswerFault::Lacks(element))
            }
            _ => Ok(()),
        }
    }

    fn check_object(self, body: &[u8]) -> Result<(), AnswerFault> {
        let Members(members) = json::read(body).map_err(|error| {
            if error.is_eof() {
                AnswerFault::CutOff
            } else {
                AnswerFault::NotAnObject(told("no JSON", &error))
            }
        })?;
        match self.required {
            Some(member) if !members.contains(member) => Err(AnswerFault::Lacks(member)),
            _ => Ok(()),
        }
    }
}

/// The values of a JSON text, about: the commas and brackets that open something, outside of its texts.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'{' | b'[' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

fn within_bound(count: usize, most: usize) -> Result<(), AnswerFault> {
    if count > most { Err(AnswerFault::TooMany { most }) } else { Ok(()) }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = settings.load::<Metadata>().map(Metadata::name).unwrap_or_default();
        context.request_mut().add_extension(Bound(bound_of(operation)));
        Ok(())
    }

    // Before the SDK makes anything of it. The body is whole: the HTTP client gathers it.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_success() {
            return Ok(());
        }
        let body = response.body().bytes().unwrap_or_default();
        self.check(body).map_err(BoxError::from)
    }
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum AnswerFault {
    #[error("the answer is cut off")]
    CutOff,
    #[error("the answer is not a JSON object: {0}")]
    NotAnObject(String),
    #[error("the answer is no answer to {0}")]
    NotAnAnswer(String),
    #[error("the answer has no member {0}")]
    Lacks(&'static str),
    #[error("the answer has more than {most} parts, more than any page of AWS")]
    TooMany { most: usize },
}

/// The names of an object's members.
struct Members(HashSet<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            // A member that is null is absent.
            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                members.insert(name);
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_or_empty_answer_is_not_an_empty_listing() {
        for body in ["", " ", "{", "{\"Users\":[", "{\"Users\":[{\"UserId\":\"1\""] {
            assert_eq!(Answer::with("Users").check(body.as_bytes()), Err(AnswerFault::CutOff), "{body}");
        }
    }

    #[test]
    fn an_answer_without_its_required_member_is_refused() {
        for body in ["{}", "{\"Users\":null}", "{\"Groups\":[]}"] {
            assert_eq!(
                Answer::with("Users").check(body.as_bytes()),
                Err(AnswerFault::Lacks("Users")),
                "{body}"
            );
        }
        assert_eq!(Answer::with("Users").check(b"{\"Users\":[]}"), Ok(()));
        assert_eq!(Answer::OBJECT.check(b"{}"), Ok(()));
    }

    #[test]
    fn a_cut_off_or_empty_element_is_not_an_empty_listing() {
        let answer = Answer::xml("ListUsers").holding("Users");
        let whole = "<ListUsersResponse><ListUsersResult><Users/></ListUsersResult></ListUsersResponse>\n";
        assert_eq!(answer.check(whole.as_bytes()), Ok(()));
        let listed = whole.replace("<Users/>", "<Users><member/></Users>");
        assert_eq!(answer.check(listed.as_bytes()), Ok(()));
        for end in [0, 1, 19, whole.len() - 3] {
            assert_eq!(answer.check(&whole.as_bytes()[..end]), Err(AnswerFault::CutOff), "{end}");
        }
        let without = whole.replace("<Users/>", "");
        assert_eq!(answer.check(without.as_bytes()), Err(AnswerFault::Lacks("Users")));
        for other in ["{}", "<html></html>", "hello"] {
            let fault = answer.check(other.as_bytes());
            assert!(matches!(fault, Err(AnswerFault::NotAnAnswer(_))), "{other}: {fault:?}");
        }
    }

    #[test]
    fn an_answer_of_countless_empty_parts_is_refused_before_they_are_made() {
        for empty in ["{},", "[],", "\"\",", "0,"] {
            let body = format!("{{\"Users\":[{}0]}}", empty.repeat(MOST_VALUES));
            let fault = Answer::with("Users").check(body.as_bytes());
            assert_eq!(fault, Err(AnswerFault::TooMany { most: MOST_VALUES }), "{empty}");
        }
        let body = format!("<ListUsersResponse>{}</ListUsersResponse>", "<member/>".repeat(MOST_TAGS));
        let fault = Answer::xml("ListUsers").check(body.as_bytes());
        assert_eq!(fault, Err(AnswerFault::TooMany { most: MOST_TAGS }));
    }

    #[test]
    fn what_stands_in_a_text_is_no_part_of_the_answer() {
        let document = r#"{\"a\":[{},{},\\]}"#.repeat(MOST_VALUES);
        let body = format!("{{\"Users\":[\"{document}\"]}}");
        assert_eq!(Answer::with("Users").check(body.as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["[]", "<html></html>", "{\"Users\":[]} trailing", "null", "{]"] {
            let fault = Answer::OBJECT.check(body.as_bytes());
            assert!(matches!(fault, Err(AnswerFault::NotAnObject(_))), "{body}: {fault:?}");
        }
    }
}
