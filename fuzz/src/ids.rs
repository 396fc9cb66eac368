//! The grammars of ids and names: what they accept comes out as it went in, what they refuse is not repeated at
//! length.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use batond::aws::AccountId;
use batond::baton::id::{
    Arn, Binding, Directory, IdError, inline_policy_id, inline_policy_of, sso_group_of, sso_user_of,
};
use batond::config::{Authority, ClientId, ClientSecret, RoleArn, session_name};

/// Bytes of a message about any text: 256 characters of it, each escaped, and some words around them.
const LONGEST_MESSAGE: usize = 4096;

/// Panics where something of this does not hold.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    members(text);
    bindings(text);
    inline_policies(text);
    arns(text);
    faithful::<RoleArn>(text);
    faithful::<ClientId>(text);
    faithful::<AccountId>(text);
    stable::<Authority>(text);
    secret(text);
    let session = session_name(text);
    assert!(
        session.len() <= 64 && session.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
    );
}

fn members(text: &str) {
    let directory = Directory { region: "eu-central-1".to_owned(), store: "d-9067f2a1b3".to_owned() };
    let (user, group) = (sso_user_of(text), sso_group_of(text));
    assert!(user.is_err() || group.is_err(), "both a user and a group");
    if let Some(user) = bounded(user) {
        assert!(text.ends_with(&format!("/user/{user}")));
        assert_eq!(sso_user_of(&directory.user(user)), Ok(user));
    }
    if let Some(group) = bounded(group) {
        assert!(text.ends_with(&format!("/group/{group}")));
        assert_eq!(sso_group_of(&directory.group(group)), Ok(group));
    }
}

fn bindings(text: &str) {
    if let Some(binding) = bounded(Binding::from_account_entitlement(text)) {
        assert_eq!(binding.account_entitlement(), text);
        assert!(binding.account.parse::<AccountId>().is_ok());
        assert_eq!(Binding::new(&binding.account, &binding.permission_set), Ok(binding));
    }
}

fn inline_policies(text: &str) {
    if let Some((holder, name)) = bounded(inline_policy_of(text)) {
        assert!(!holder.is_empty() && !name.is_empty());
        assert_eq!(inline_policy_id(holder, name), text);
    }
}

fn arns(text: &str) {
    let arn = Arn::parse(text);
    if let Some(Arn { partition, service, region, account, resource }) = arn {
        assert_eq!(format!("arn:{partition}:{service}:{region}:{account}:{resource}"), text);
    }
    assert!(arn.is_some() || text.parse::<RoleArn>().is_err(), "an ARN of a role that is none");
}

/// What is accepted prints as it was written.
fn faithful<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

/// What is accepted prints as something that means the same.
fn stable<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("what was printed is accepted"), value);
    }
}

fn secret(text: &str) {
    if let Ok(secret) = text.parse::<ClientSecret>() {
        assert_eq!(format!("{secret:?}"), "ClientSecret([redacted])");
    }
}

fn bounded<T>(result: Result<T, IdError>) -> Option<T> {
    result.map_err(|error| assert!(error.to_string().len() <= LONGEST_MESSAGE)).ok()
}
