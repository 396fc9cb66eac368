//! What the token endpoint answers.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use super::token::TokenError;
use crate::json;

/// No token is kept longer, whatever its endpoint says.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// An answer of the token endpoint (RFC 6749, section 5.1) that can be used.
pub struct TokenAnswer {
    /// The value of the `authorization` metadata of a call: the kind of the token and the token. It is marked as
    /// sensitive.
    pub authorization: MetadataValue<Ascii>,
    /// How long the token lives from the moment it was asked for: a day at most, nothing where the answer does not say.
    pub life: Duration,
}

impl TokenAnswer {
    /// Reads the body of an answer with status 200. Members that it does not know do not matter.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], which quotes nothing of the answer, when it is not the JSON of such an answer, has
    /// no token or has one that cannot be sent in a header.
    pub fn read(body: &[u8]) -> Result<Self, TokenError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: Option<SecretString>,
            token_type: Option<String>,
            expires_in: Option<Seconds>,
        }

        /// Some servers write the number as a text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Seconds {
            Number(f64),
            Text(String),
        }

        // The parser's own message quotes the answer, which may hold a token.
        let answer: Answer = json::read(body)
            .map_err(|_| TokenError::Malformed { fault: "it is not the JSON of a token answer" })?;
        let token = answer.access_token.filter(|token| !token.expose_secret().is_empty());
        let token = token.ok_or(TokenError::Malformed { fault: "access_token is missing or empty" })?;
        let kind = normalise(answer.token_type.as_deref().unwrap_or_default().trim());
        let text = Zeroizing::new(format!("{kind} {}", token.expose_secret()));
        // A header takes other letters, too, as bytes that no service reads as this token.
        let value = text.is_ascii().then(|| text.parse().ok()).flatten();
        let mut authorization: MetadataValue<Ascii> = value.ok_or(TokenError::Malformed {
            fault: "access_token or token_type does not fit into a header",
        })?;
        authorization.set_sensitive(true);

        let life = match answer.expires_in {
            Some(Seconds::Number(seconds)) => seconds,
            Some(Seconds::Text(text)) => text.trim().parse().unwrap_or_default(),
            None => 0.0,
        };
        let life = life.max(0.0);
        let life = Duration::try_from_secs_f64(life).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE);
        Ok(Self { authorization, life })
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("life", &self.life).finish_non_exhaustive()
    }
}

/// Token types are case-insensitive; servers of calls often are not.
fn normalise(kind: &str) -> &str {
    match kind {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("mac") => "MAC",
        kind if kind.eq_ignore_ascii_case("basic") => "Basic",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_answer_is_refused_without_being_quoted() {
        for body in [
            r#"{"access_token":"\u1e30","expires_in":60}"#,
            "",
            "canary",
            "[]",
            r#"["canary","Bearer",60]"#,
            r#"{"access_token":"canary","access_token":"canary"}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":""}"#,
            r#"{"token_type":"canary"}"#,
            r#"{"access_token":"canary\nx"}"#,
            r#"{"access_token":"x","token_type":"canary\u0000"}"#,
        ] {
            let error =
                TokenAnswer::read(body.as_bytes()).err().unwrap_or_else(|| panic!("{body} was accepted"));
            assert!(!error.is_permanent(), "a page of a gateway passes");
            assert!(!format!("{error} {error:?}").contains("canary"), "{body}");
        }
    }

    #[test]
    fn a_life_is_a_number_or_a_text_of_one() {
        for (given, seconds) in
            [("3600", 3600), (r#""3600""#, 3600), (r#""soon""#, 0), (r#""NaN""#, 0), ("-1", 0), ("null", 0)]
        {
            let body = format!(r#"{{"access_token":"t","expires_in":{given}}}"#);
            assert_eq!(TokenAnswer::read(body.as_bytes()).unwrap().life.as_secs(), seconds, "{given}");
        }
    }

    #[test]
    fn the_token_type_is_normalised_and_the_header_is_redacted() {
        for (given, expected) in [
            ("", "Bearer"),
            (" ", "Bearer"),
            ("bEARER", "Bearer"),
            ("mac", "MAC"),
            ("BASIC", "Basic"),
            ("DPoP", "DPoP"),
        ] {
            let body = format!(r#"{{"access_token":"canary","token_type":"{given}","expires_in":60}}"#);
            let token = TokenAnswer::read(body.as_bytes()).unwrap().authorization;
            assert_eq!(token.to_str().unwrap(), format!("{expected} canary"));
            assert!(!format!("{token:?}").contains("canary"));
        }
    }
}
