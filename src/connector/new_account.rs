//! The form of a new account, and what a request fills into it.

use super::ProvisionError;
use crate::baton::v2::connector_account_creation_schema::field::Field as FieldKind;
use crate::baton::v2::connector_account_creation_schema::{Field, StringField};
use crate::baton::v2::credential_options::{Options, RandomPassword};
use crate::baton::v2::{AccountInfo, ConnectorAccountCreationSchema, CreateAccountRequest};
use prost_types::value::Kind;

/// Longest value of a field.
const LONGEST: usize = 256;

/// One field of the form, a text.
pub(super) struct Entry {
    /// The key in the account's profile.
    pub(super) key: &'static str,
    /// What people see.
    pub(super) label: &'static str,
    /// What it is for, in the words of baton-aws.
    pub(super) description: &'static str,
    /// Whether the account cannot be made without it.
    pub(super) required: bool,
    /// An example.
    pub(super) placeholder: &'static str,
}

/// The form as the control plane shows it. Source: message `ConnectorAccountCreationSchema`.
pub(super) fn schema(entries: &[Entry]) -> ConnectorAccountCreationSchema {
    let field = |(entry, order): (&Entry, i32)| {
        let field = Field {
            display_name: entry.label.to_owned(),
            required: entry.required,
            description: entry.description.to_owned(),
            placeholder: entry.placeholder.to_owned(),
            order,
            field: Some(FieldKind::StringField(StringField::default())),
            ..Field::default()
        };
        (entry.key.to_owned(), field)
    };
    ConnectorAccountCreationSchema { field_map: entries.iter().zip(1..).map(field).collect() }
}

/// The value of a field of the form: a text without blanks around it; `None` where it is absent or blank.
pub(super) fn text<'a>(info: &'a AccountInfo, key: &str) -> Result<Option<&'a str>, ProvisionError> {
    let Some(value) = info.profile.as_ref().and_then(|profile| profile.fields.get(key)) else {
        return Ok(None);
    };
    let text = match &value.kind {
        None | Some(Kind::NullValue(_)) => return Ok(None),
        Some(Kind::StringValue(text)) => text.trim(),
        Some(_) => {
            return Err(ProvisionError::invalid(format!("{key:?} in the account's profile is no text")));
        }
    };
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(ProvisionError::invalid(format!(
            "{key:?} in the account's profile is longer than {LONGEST} bytes, or holds control characters"
        )));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The value of a field that must be there.
pub(super) fn required<'a>(info: &'a AccountInfo, key: &str) -> Result<&'a str, ProvisionError> {
    text(info, key)?
        .ok_or_else(|| ProvisionError::invalid(format!("{key:?} is missing in the account's profile")))
}

/// The address under `key`, in the shape of one.
pub(super) fn address<'a>(info: &'a AccountInfo, key: &str) -> Result<&'a str, ProvisionError> {
    let address = required(info, key)?;
    let is_one = address.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty() && !host.is_empty() && !host.contains('@') && !address.contains(char::is_whitespace)
    });
    if !is_one {
        return Err(ProvisionError::invalid(format!(
            "{key:?} in the account's profile is no e-mail address"
        )));
    }
    Ok(address)
}

/// The random password that a request asks for; `None` for an account without one.
pub(super) fn random_password(
    request: &CreateAccountRequest,
) -> Result<Option<&RandomPassword>, ProvisionError> {
    let options = request.credential_options.as_ref();
    match options.map(|options| &options.options) {
        None | Some(Some(Options::NoPassword(_))) => Ok(None),
        Some(Some(Options::RandomPassword(random))) => Ok(Some(random)),
        Some(None) => Err(ProvisionError::invalid("the credential options name no option")),
        Some(Some(Options::Sso(_) | Options::EncryptedPassword(_))) => Err(ProvisionError::Unsupported(
            "the credential options of an iam_user are NO_PASSWORD and RANDOM_PASSWORD".to_owned(),
        )),
    }
}

/// Refuses a request for a credential that is not made here.
pub(super) fn without_password(request: &CreateAccountRequest, kind: &str) -> Result<(), ProvisionError> {
    let options = request.credential_options.as_ref();
    match options.map(|options| &options.options) {
        None | Some(Some(Options::NoPassword(_))) => Ok(()),
        Some(None) => Err(ProvisionError::invalid("the credential options name no option")),
        Some(Some(Options::RandomPassword(_) | Options::Sso(_) | Options::EncryptedPassword(_))) => {
            Err(ProvisionError::Unsupported(format!(
                "{kind} accounts are made without a password: the only credential option is NO_PASSWORD"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::profile::Profile;

    fn info(profile: Profile) -> AccountInfo {
        AccountInfo { profile: Some(profile.build()), ..AccountInfo::default() }
    }

    #[test]
    fn a_text_is_trimmed_and_a_blank_one_is_none() {
        let account =
            info(Profile::new().string("a", " x ").string("b", " ").bool("c", true).string("d", "\u{7}"));
        assert_eq!(text(&account, "a").unwrap(), Some("x"));
        assert_eq!(text(&account, "b").unwrap(), None);
        assert_eq!(text(&account, "e").unwrap(), None);
        for key in ["c", "d"] {
            assert!(text(&account, key).unwrap_err().to_string().contains(key));
        }
        assert!(required(&account, "b").unwrap_err().to_string().contains("\"b\" is missing"));
        assert!(text(&info(Profile::new().string("a", "x".repeat(257))), "a").is_err());
    }

    #[test]
    fn an_address_has_the_shape_of_one() {
        for (text, is) in [
            ("a@b", true),
            ("a.b+c@example.com", true),
            ("a", false),
            ("@b", false),
            ("a@", false),
            ("a@b@c", false),
            ("a b@c", false),
        ] {
            assert_eq!(address(&info(Profile::new().string("email", text)), "email").is_ok(), is, "{text}");
        }
    }
}
