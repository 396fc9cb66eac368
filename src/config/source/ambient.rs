//! Variables that the AWS SDK reads by itself, looked over before it does: it panics over some values, and prints others.

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::ProxySettings;
use crate::config::fault::{Fault, Note};

/// How the variables of endpoints begin: one for all services, and one for each.
const ENDPOINTS: &str = "AWS_ENDPOINT_URL";
/// Further addresses that the SDK asks.
const OTHER_ADDRESSES: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
/// What goes into headers or host names, where a blank or a line end breaks it.
const WORDS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
/// Addresses that are not those of a service.
const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The variables of the SDK and of proxies that are set, unchecked and unprinted.
#[derive(Debug, Default)]
pub(super) struct Ambient(Vec<(String, SecretString)>);

impl Ambient {
    /// Keeps the variable if it is one of these.
    pub(super) fn take(&mut self, name: &str, value: &str) {
        let known = name.starts_with(ENDPOINTS)
            || name == FIPS
            || [&OTHER_ADDRESSES[..], &WORDS[..], &PROXIES[..]].concat().contains(&name);
        if known && !value.is_empty() {
            self.0.push((name.to_owned(), value.into()));
        }
    }

    /// What is wrong with them, and what is worth saying; no value is quoted. Values of whole accounts, keys and
    /// addresses among them, do not depend on what else is set.
    pub(super) fn check(&self, faults: &mut Vec<Fault>, notes: &mut Vec<Note>) {
        for (name, value) in &self.0 {
            let value = value.expose_secret();
            if name.starts_with(ENDPOINTS) || OTHER_ADDRESSES.contains(&name.as_str()) {
                if let Err(accepted) = address(value) {
                    faults.push(Fault::invalid(name.as_str(), accepted));
                }
            } else if WORDS.contains(&name.as_str()) && !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                let accepted =
                    "must hold visible ASCII characters only: there is a blank, a line end or another one";
                faults.push(Fault::invalid(name.as_str(), accepted));
            }
        }
        let endpoint = self.0.iter().find(|(name, _)| name.starts_with(ENDPOINTS)).map(|(name, _)| name);
        if let (Some(endpoint), Some("true")) =
            (endpoint, self.get(FIPS).map(str::to_ascii_lowercase).as_deref())
        {
            let message = format!(
                "and {endpoint} exclude each other: AWS's SDK knows no FIPS endpoint of your own; unset one"
            );
            faults.push(Fault::invalid(FIPS, message));
        }
        let unused = ProxySettings::unused(|name| self.get(name).map(str::to_owned));
        notes.extend(unused.into_iter().map(Note::warning));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.expose_secret())
    }
}

/// Whether it is the address of a service: scheme and host, and nobody's name or password.
fn address(text: &str) -> Result<(), &'static str> {
    const URL: &str = "must be a URL with scheme and host, such as https://sts.example.com";
    let uri: http::Uri = text.parse().map_err(|_| URL)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(URL);
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must hold no user name and no password");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut ambient = Ambient::default();
        for (name, value) in variables {
            ambient.take(name, value);
        }
        let (mut faults, mut notes) = (Vec::new(), Vec::new());
        ambient.check(&mut faults, &mut notes);
        assert!(!format!("{ambient:?}").contains("canary"));
        (
            faults.iter().map(ToString::to_string).collect(),
            notes.into_iter().map(|note| note.message).collect(),
        )
    }

    #[test]
    fn an_address_without_scheme_or_with_a_password_is_refused_and_not_quoted() {
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
            for value in [
                "canary.example.com",
                "canary:443",
                "//canary",
                "ftp://canary",
                "https://",
                "https://canary\n",
                "https://user:canary@host",
                "canary canary",
            ] {
                let (faults, _) = checked(&[(name, value)]);
                assert_eq!(faults.len(), 1, "{name}={value:?}");
                assert!(faults[0].starts_with(name) && !faults[0].contains("canary"), "{faults:?}");
            }
        }
        for value in
            ["https://sts.example.com", "http://127.0.0.1:4566/", "http://[fd00:ec2::23]/v1/credentials"]
        {
            assert_eq!(checked(&[("AWS_ENDPOINT_URL", value)]).0, Vec::<String>::new(), "{value}");
        }
    }

    #[test]
    fn a_line_end_in_a_key_is_refused_by_the_name_of_its_variable() {
        for name in WORDS {
            for value in ["canary\n", "canary ", "can\tary", "canary\u{e4}"] {
                let (faults, _) = checked(&[(name, value)]);
                assert_eq!(faults.len(), 1, "{name}={value:?}");
                assert!(faults[0].starts_with(name) && !faults[0].contains("canary"), "{faults:?}");
            }
        }
    }

    #[test]
    fn fips_beside_an_endpoint_of_ones_own_is_refused_by_both_names() {
        let (faults, _) =
            checked(&[("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_ENDPOINT_URL", "https://sts.example.com")]);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("AWS_USE_FIPS_ENDPOINT") && faults[0].contains("AWS_ENDPOINT_URL"),
            "{faults:?}"
        );
        assert!(checked(&[("AWS_USE_FIPS_ENDPOINT", "true")]).0.is_empty());
    }

    #[test]
    fn a_proxy_that_is_not_used_is_a_warning() {
        let (faults, notes) = checked(&[("HTTPS_PROXY", "http://127.0.0.1:3128\n")]);
        assert!(faults.is_empty() && notes[0].starts_with("HTTPS_PROXY is not used"), "{faults:?} {notes:?}");
    }
}
