//! A host with an optional port.

use std::fmt;
use std::str::FromStr;

/// `host[:port]` of a server, where an IPv6 address stands in brackets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// The host without port and without brackets: a DNS name or an IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Prints `host[:port]` as it belongs into a URL.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(AuthorityError::Host)?;
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(AuthorityError::Host);
                }
                match after {
                    "" => (address, None),
                    after => (address, Some(after.strip_prefix(':').ok_or(AuthorityError::Port)?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |host: &str| {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
        };
        if !is_name(host) {
            return Err(AuthorityError::Host);
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => return Err(AuthorityError::Port),
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Why a text is not `host[:port]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthorityError {
    /// The host is empty or has characters that no DNS name or address has.
    #[error("the host must be a DNS name or an address (IPv6 in brackets)")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_authority_is_refused() {
        for (text, error) in [
            ("", AuthorityError::Host),
            (":443", AuthorityError::Host),
            ("a b", AuthorityError::Host),
            ("host:", AuthorityError::Port),
            ("host:0", AuthorityError::Port),
            ("host:65536", AuthorityError::Port),
            ("host:https", AuthorityError::Port),
            ("https://host", AuthorityError::Port),
            ("[::1", AuthorityError::Host),
            ("[::1]8443", AuthorityError::Port),
            ("::1", AuthorityError::Host),
        ] {
            assert_eq!(text.parse::<Authority>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_authority_prints_as_it_was_written() {
        for (text, host, port) in [
            ("example.conductor.one", "example.conductor.one", None),
            ("127.0.0.1:8443", "127.0.0.1", Some(8443)),
            ("[::1]:8443", "::1", Some(8443)),
            ("[::1]", "::1", None),
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!((authority.host(), authority.port()), (host, port));
            assert_eq!(authority.to_string(), text);
        }
    }
}
