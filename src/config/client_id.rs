//! The client id under which a connector registers at the control plane.

use std::fmt;
use std::str::FromStr;

use super::authority::{Authority, AuthorityError};

/// A client id `<name>@<host>[:port]/<rest>`. It is not a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientId {
    name: String,
    authority: Authority,
    full: String,
}

impl ClientId {
    /// The part before the first `@`; it appears in the `user-agent` of every call.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host of token endpoint and service, and the audience of the client assertion; without port.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port of token endpoint and service, where the id names one.
    pub fn port(&self) -> Option<u16> {
        self.authority.port()
    }

    /// `host[:port]` as the id names it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The entire id, as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The id becomes part of HTTP headers and of a JWT; anything but visible ASCII is a copying mistake.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientIdError::Characters);
        }
        let (name, rest) = text.split_once('@').ok_or(ClientIdError::Shape)?;
        let (authority, _) = rest.split_once('/').ok_or(ClientIdError::Shape)?;
        Ok(Self { name: name.to_owned(), authority: authority.parse()?, full: text.to_owned() })
    }
}

/// Why a text is not a client id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientIdError {
    /// The `@` or the `/` after it is missing.
    #[error("invalid client id: expected <name>@<host>[:port]/<rest>")]
    Shape,
    /// White space, control characters or letters outside ASCII.
    #[error("invalid client id: it may contain visible ASCII characters only")]
    Characters,
    /// The part between `@` and `/` is no host with an optional port.
    #[error("invalid client id: {0}")]
    Authority(#[from] AuthorityError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_client_id_is_refused() {
        for (text, error) in [
            ("", ClientIdError::Shape),
            ("name", ClientIdError::Shape),
            ("name@host", ClientIdError::Shape),
            ("host/pcc", ClientIdError::Shape),
            ("name@host /pcc", ClientIdError::Characters),
            ("name@host/pcc\n", ClientIdError::Characters),
            ("name@/pcc", ClientIdError::Authority(AuthorityError::Host)),
            ("name@host:x/pcc", ClientIdError::Authority(AuthorityError::Port)),
        ] {
            assert_eq!(text.parse::<ClientId>(), Err(error), "{text}");
            assert!(error.to_string().starts_with("invalid client id"));
        }
    }

    #[test]
    fn the_first_separators_count_and_the_rest_is_not_interpreted() {
        let id: ClientId = "brave-lion-1@example.test:8443/pcc/x@y".parse().unwrap();
        assert_eq!((id.name(), id.host(), id.port()), ("brave-lion-1", "example.test", Some(8443)));
        assert_eq!(id.as_str(), "brave-lion-1@example.test:8443/pcc/x@y");
    }
}
