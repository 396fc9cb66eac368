//! Paging: opaque tokens, page sizes, and pages that misbehave on request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::{ApiError, Call, Protocol};
use crate::aws::fault::Effect;
use crate::aws::ids::{random_hex, to_hex};

impl Call<'_> {
    /// Answers the page of a listing that the request asks for. Only the rows of that page are made.
    pub(super) fn page<T>(
        &self,
        member: &str,
        rows: impl Iterator<Item = T>,
        mut render: impl FnMut(T) -> Value,
    ) -> Result<Value, ApiError> {
        let window = self.window(rows)?;
        let mut answer = Map::new();
        answer.insert(member.to_owned(), window.rows.into_iter().map(&mut render).collect());
        Ok(self.finish(answer, window.next))
    }

    /// The rows of the page that the request asks for, and the token of the next one.
    pub(super) fn window<T>(&self, rows: impl Iterator<Item = T>) -> Result<Window<T>, ApiError> {
        let names = Names::of(self);
        let token = self.text(names.token);
        let offset = token.map_or(Ok(0), |token| self.offset(token))?;
        let (default, documented) = self.operation.page.unwrap_or((100, 100));
        let asked = self.number(names.size)?;
        if let Some(refused) = asked.filter(|asked| *asked == 0 || *asked > documented) {
            return Err(self.invalid(format!(
                "1 validation error detected: Value '{refused}' at '{}' failed to satisfy constraint: Member must have value between 1 and {documented}",
                names.size
            )));
        }
        let size = asked.unwrap_or(default).min(self.knobs.page_cap(self.action, documented));
        let empty = self.quirk == Some(&Effect::EmptyPage) || (self.knobs.empty_pages && token.is_none());
        let wanted = if empty { 0 } else { size };
        let mut rest = rows.skip(offset);
        let rows: Vec<T> = rest.by_ref().take(wanted).collect();
        let more = empty || rest.next().is_some();
        let next = match (self.quirk, token) {
            (Some(Effect::RepeatedToken), Some(token)) => Some(token.to_owned()),
            (Some(Effect::RepeatedToken), None) => Some(self.token(offset + rows.len())),
            _ if more => Some(self.token(offset + rows.len())),
            _ => None,
        };
        Ok(Window { rows, next })
    }

    /// The answer of a listing with what says whether there is more.
    pub(super) fn finish(&self, mut answer: Map<String, Value>, next: Option<String>) -> Value {
        let names = Names::of(self);
        if let Some(truncated) = names.truncated {
            answer.insert(truncated.to_owned(), Value::Bool(next.is_some()));
        }
        if let Some(next) = next {
            answer.insert(names.token.to_owned(), Value::String(next));
        }
        Value::Object(answer)
    }

    /// A token that only fits this listing with these arguments.
    fn token(&self, offset: usize) -> String {
        STANDARD.encode(format!("{offset}.{}.{}", self.fingerprint(), random_hex(16)))
    }

    fn offset(&self, token: &str) -> Result<usize, ApiError> {
        let refuse = || self.invalid("The provided pagination token is not valid for this request.");
        let text =
            STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(refuse)?;
        let (offset, rest) = text.split_once('.').ok_or_else(refuse)?;
        if rest.split_once('.').is_none_or(|(fingerprint, _)| fingerprint != self.fingerprint()) {
            return Err(refuse());
        }
        offset.parse().map_err(|_| refuse())
    }

    fn fingerprint(&self) -> String {
        let names = Names::of(self);
        let mut arguments = self.input.as_object().cloned().unwrap_or_default();
        arguments.remove(names.token);
        arguments.remove(names.size);
        let hash = digest(&SHA256, format!("{} {}", self.action, Value::Object(arguments)).as_bytes());
        to_hex(hash.as_ref()).chars().take(12).collect()
    }
}

/// One page of rows.
pub(super) struct Window<T> {
    pub(super) rows: Vec<T>,
    /// The token of the next page; `None` on the last one.
    pub(super) next: Option<String>,
}

/// What the members of paging are called.
struct Names {
    token: &'static str,
    size: &'static str,
    truncated: Option<&'static str>,
}

impl Names {
    fn of(call: &Call<'_>) -> Self {
        match call.service.protocol {
            Protocol::Json { .. } => Self { token: "NextToken", size: "MaxResults", truncated: None },
            Protocol::Query { .. } => {
                Self { token: "Marker", size: "MaxItems", truncated: Some("IsTruncated") }
            }
        }
    }
}
