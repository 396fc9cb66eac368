//! The proxies that the environment names.

use super::Secret;

/// Which proxies to use, and for which hosts none. It prints no address: one may hold a password.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// The URL of the proxy for hosts that are spoken to without TLS.
    pub http: Option<Secret>,
    /// The URL of the proxy for hosts that are spoken to with TLS.
    pub https: Option<Secret>,
    /// Where no proxy is used.
    pub bypass: Vec<Bypass>,
}

/// Hosts that are spoken to directly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bypass {
    /// A host, a domain, an address, a network, or `*` for all.
    pub host: String,
    /// The one port that it holds for; `None` means all.
    pub port: Option<u16>,
}

/// The variables of proxies; each in small letters as well.
const VARIABLES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];

impl ProxySettings {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process say, in either case.
    pub fn of_process() -> Self {
        // Where a web server starts us, a client of it could set HTTP_PROXY.
        if std::env::var_os("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        Self::read(|name| std::env::var(name).ok())
    }

    /// The same out of what `variable` gives for a name. A value that is no address of a proxy counts as none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| {
            [name.to_owned(), name.to_ascii_lowercase()].iter().find_map(|name| set(variable(name)))
        };
        let proxy = |name: &str| given(name).and_then(|text| address(&text));
        let all = proxy("ALL_PROXY");
        Self {
            http: proxy("HTTP_PROXY").or_else(|| all.clone()),
            https: proxy("HTTPS_PROXY").or(all),
            bypass: given("NO_PROXY").map(|text| exceptions(&text)).unwrap_or_default(),
        }
    }

    /// What is set and not used, with the reason. No value is quoted.
    pub(super) fn unused(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let names = VARIABLES.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
        let wrong = names.filter(|name| set(variable(name)).is_some_and(|text| address(&text).is_none()));
        wrong
            .map(|name| format!("{name} is not used: it must be the URL of a proxy, such as http://proxy:3128, without spaces or line ends, and with @ / ? # of a password escaped (%40 %2F %3F %23)"))
            .collect()
    }
}

fn set(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The URL of an HTTP proxy; without a scheme it is one that is spoken to without TLS.
fn address(text: &str) -> Option<Secret> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: http::Uri = url.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && names_host(&url, &uri)).then(|| url.into())
}

/// Whether it is certain which part is the host: a password with one of `@ / ? #` in it, not escaped, moves the bounds,
/// and part of it would be taken for a host and be told.
fn names_host(url: &str, uri: &http::Uri) -> bool {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (user, host) = behind_scheme.rsplit_once('@').unwrap_or(("", behind_scheme));
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    let named = host.get(..end).unwrap_or_default();
    let behind_host = uri.host().filter(|host| !host.is_empty()).and_then(|host| named.strip_prefix(host));
    let port = behind_host.map(|port| port.strip_prefix(':').unwrap_or(port));
    let has_port = port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    has_port && !user.contains(['@', '/', '?', '#'])
}

/// The items of `NO_PROXY`, as Go reads them: `*.x` is `.x`, and an item may name a port.
fn exceptions(text: &str) -> Vec<Bypass> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| exception(&item.to_ascii_lowercase())).collect()
}

fn exception(item: &str) -> Bypass {
    let (host, port) = match item.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        // More than one colon is an IPv6 address.
        None => match item.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (item, None),
        },
    };
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    Bypass { host: host.to_owned(), port: port.and_then(|port| port.parse().ok()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_value_that_is_no_proxy_is_said_and_not_quoted() {
        for wrong in [
            "http://user:canary@127.0.0.1:3128\n",
            "socks5://canary:1080",
            "http://",
            " canary",
            "http://user:canary#1@127.0.0.1:3128",
            "http://user:canary/1@127.0.0.1:3128",
            "http://user:canary?1@127.0.0.1:3128",
            "http://user:1@canary@127.0.0.1:3128",
            "user:canary#1@127.0.0.1:3128",
            "http://proxy:canary",
        ] {
            let read = |name: &str| (name == "https_proxy").then(|| wrong.to_owned());
            assert!(ProxySettings::read(read).https.is_none(), "{wrong}");
            let unused = ProxySettings::unused(read);
            assert_eq!(unused.len(), 1, "{wrong}");
            assert!(
                unused[0].starts_with("https_proxy is not used") && !unused[0].contains("canary"),
                "{unused:?}"
            );
        }
        assert!(
            ProxySettings::unused(|name| (name == "HTTP_PROXY").then(|| "proxy:3128".to_owned())).is_empty()
        );
    }

    #[test]
    fn a_password_whose_signs_are_escaped_and_an_address_of_six_are_used() {
        for right in [
            "http://user:a%40b%23c%2Fd%3F@127.0.0.1:3128/",
            "https://user:a:b@proxy.example.com",
            "http://[2001:db8::1]:3128",
            "http://user@[2001:db8::1]",
            "proxy:3128",
        ] {
            let read = |name: &str| (name == "HTTPS_PROXY").then(|| right.to_owned());
            assert!(ProxySettings::read(read).https.is_some(), "{right}");
        }
    }

    #[test]
    fn capital_letters_go_before_small_ones_and_a_proxy_of_its_own_before_that_for_all() {
        let read = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://one:1".to_owned()),
            "https_proxy" => Some("http://two:2".to_owned()),
            "ALL_PROXY" => Some("three:3".to_owned()),
            _ => None,
        };
        let settings = ProxySettings::read(read);
        assert_eq!(settings.https.unwrap().expose_secret(), "http://one:1");
        assert_eq!(settings.http.unwrap().expose_secret(), "http://three:3");
    }
}
