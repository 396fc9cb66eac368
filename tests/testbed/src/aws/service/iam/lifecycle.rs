//! Users that come and go: creation, and the deletion of all that a user may still have.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::render::{self, time};
use super::{missing, user};
use crate::aws::ids::random_hex;
use crate::aws::service::{ApiError, Call};
use crate::aws::world::iam::{Account, Key, User};

/// IAM of the caller's account for change.
fn account_mut<'c>(call: &'c mut Call<'_>) -> &'c mut Account {
    call.world.iam.account_mut(&call.caller.account)
}

/// The user that the request names, for change.
fn user_mut<'c>(call: &'c mut Call<'_>) -> Result<&'c mut User, ApiError> {
    let name = call.required("UserName")?;
    account_mut(call)
        .users
        .get_mut(name)
        .ok_or_else(|| missing(format!("The user with name {name} cannot be found.")))
}

fn exists(what: &str) -> ApiError {
    ApiError::with_status("EntityAlreadyExists", format!("{what} already exists."), 409)
}

pub(super) fn create_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let name = call.required("UserName")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if name.len() > 64 || !name.bytes().all(legal) {
        return Err(call.invalid("The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"));
    }
    let path = call.text("Path").unwrap_or("/");
    let tags = (1..)
        .map_while(|number| {
            let key = call.text(&format!("Tags.member.{number}.Key"))?;
            Some((
                key.to_owned(),
                call.text(&format!("Tags.member.{number}.Value")).unwrap_or_default().to_owned(),
            ))
        })
        .collect::<BTreeMap<_, _>>();
    let of = call.caller.account.clone();
    if !tags.is_empty() && !call.caller.may("iam:TagUser") {
        let resource = format!("arn:aws:iam::{of}:user{path}{name}");
        return Err(ApiError::denied(&super::SERVICE, call.caller, "iam:TagUser", &resource));
    }
    if !account_mut(call).add_user(&of, path, name, tags) {
        return Err(exists(&format!("User with name {name}")));
    }
    Ok(json!({"User": render::user(user(call)?)}))
}

pub(super) fn delete_user(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user_mut(call)?;
    let left = [
        ("login profile", user.has_password),
        ("access keys", !user.keys.is_empty()),
        ("signing certificates", !user.certificates.is_empty()),
        ("public keys", !user.ssh_keys.is_empty()),
        ("service specific credentials", !user.service_credentials.is_empty()),
        ("mfa devices", !user.mfa_devices.is_empty()),
        ("policies", !user.rights.inline.is_empty() || !user.rights.attached.is_empty()),
        ("groups", !user.groups.is_empty()),
    ];
    if let Some((what, _)) = left.into_iter().find(|(_, there)| *there) {
        let message = format!("Cannot delete entity, must delete {what} first.");
        return Err(ApiError::with_status("DeleteConflict", message, 409));
    }
    let name = call.required("UserName")?;
    account_mut(call).users.remove(name);
    Ok(json!({}))
}

pub(super) fn create_login_profile(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let (password, reset) = new_password(call)?;
    let user = user_mut(call)?;
    if user.has_password {
        return Err(exists(&format!("Login Profile for user {}", user.entity.name)));
    }
    user.has_password = true;
    user.password = Some((password, reset));
    Ok(json!({"LoginProfile": login_profile(user)}))
}

pub(super) fn get_login_profile(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    if !user.has_password {
        return Err(missing(format!("Login Profile for User {} cannot be found.", user.entity.name)));
    }
    Ok(json!({"LoginProfile": login_profile(user)}))
}

/// A password is as old as its user.
fn login_profile(user: &User) -> Value {
    json!({
        "UserName": user.entity.name,
        "CreateDate": time(user.entity.created),
        "PasswordResetRequired": user.password.as_ref().is_some_and(|(_, reset)| *reset),
    })
}

pub(super) fn update_login_profile(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let (password, reset) = new_password(call)?;
    let user = user_mut(call)?;
    if !user.has_password {
        return Err(missing(format!("Login Profile for User {} cannot be found.", user.entity.name)));
    }
    user.password = Some((password, reset));
    Ok(json!({}))
}

/// The password of a request, and whether it must be changed at the next sign-in. AWS's default policy: eight letters,
/// of three kinds.
fn new_password(call: &Call<'_>) -> Result<(String, bool), ApiError> {
    let password = call.required("Password")?;
    let kinds: [fn(char) -> bool; 4] = [
        |letter| letter.is_ascii_lowercase(),
        |letter| letter.is_ascii_uppercase(),
        |letter| letter.is_ascii_digit(),
        |letter| letter.is_ascii_punctuation(),
    ];
    let kinds = kinds.into_iter().filter(|kind| password.chars().any(kind)).count();
    if password.len() < 8 || kinds < 3 {
        let message = "Password does not conform to the account password policy.";
        return Err(ApiError::with_status("PasswordPolicyViolation", message, 400));
    }
    let reset = call.text("PasswordResetRequired").is_some_and(|text| text == "true");
    Ok((password.to_owned(), reset))
}

pub(super) fn create_access_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user_mut(call)?;
    if user.keys.len() >= 2 {
        let message = "Cannot exceed quota for AccessKeysPerUser: 2";
        return Err(ApiError::with_status("LimitExceeded", message, 409));
    }
    let key = Key {
        id: format!("AKIA{}", random_hex(16).to_uppercase()),
        secret: Some(random_hex(40)),
        active: true,
        created: Timestamp::now(),
        last_used: None,
    };
    let row = json!({
        "UserName": user.entity.name,
        "AccessKeyId": key.id,
        "Status": "Active",
        "SecretAccessKey": key.secret,
        "CreateDate": time(key.created),
    });
    user.keys.push(key);
    Ok(json!({"AccessKey": row}))
}

pub(super) fn delete_login_profile(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user_mut(call)?;
    if !std::mem::take(&mut user.has_password) {
        return Err(missing(format!("Login Profile for User {} cannot be found.", user.entity.name)));
    }
    Ok(json!({}))
}

pub(super) fn update_access_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.required("AccessKeyId")?;
    let status = call.required("Status")?;
    if !["Active", "Inactive"].contains(&status) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{status}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]"
        )));
    }
    let key = user_mut(call)?.keys.iter_mut().find(|key| key.id == id);
    let key = key.ok_or_else(|| missing(format!("The Access Key with id {id} cannot be found.")))?;
    key.active = status == "Active";
    Ok(json!({}))
}

pub(super) fn delete_access_key(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.required("AccessKeyId")?;
    let keys = &mut user_mut(call)?.keys;
    let before = keys.len();
    keys.retain(|key| key.id != id);
    if keys.len() == before {
        return Err(missing(format!("The Access Key with id {id} cannot be found.")));
    }
    account_mut(call).deleted_keys.insert(id.to_owned());
    Ok(json!({}))
}

/// Things of a user that have an id and nothing else.
pub(super) struct Things {
    /// The member of a request that names one.
    member: &'static str,
    word: &'static str,
    of: fn(&mut User) -> &mut Vec<String>,
}

pub(super) static CERTIFICATES: Things =
    Things { member: "CertificateId", word: "Certificate", of: |user| &mut user.certificates };
pub(super) static SSH_KEYS: Things =
    Things { member: "SSHPublicKeyId", word: "Public Key", of: |user| &mut user.ssh_keys };
pub(super) static SERVICE_CREDENTIALS: Things = Things {
    member: "ServiceSpecificCredentialId",
    word: "Service Specific Credential",
    of: |user| &mut user.service_credentials,
};
pub(super) static MFA_DEVICES: Things =
    Things { member: "SerialNumber", word: "MFA Device", of: |user| &mut user.mfa_devices };

pub(super) fn delete(call: &mut Call<'_>, things: &Things) -> Result<Value, ApiError> {
    let id = call.required(things.member)?;
    let held = (things.of)(user_mut(call)?);
    let before = held.len();
    held.retain(|one| one != id);
    if held.len() == before {
        return Err(missing(format!("The {} with id {id} cannot be found.", things.word)));
    }
    Ok(json!({}))
}

pub(super) fn delete_virtual_device(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let serial = call.required("SerialNumber")?;
    let account = account_mut(call);
    if account.users.values().any(|user| user.mfa_devices.iter().any(|one| one == serial)) {
        let message = "MFA VirtualDevice in use. Must deactivate first.";
        return Err(ApiError::with_status("DeleteConflict", message, 409));
    }
    if !account.virtual_devices.remove(serial) {
        return Err(missing(format!("VirtualMFADevice with serial number {serial} doesn't exist.")));
    }
    Ok(json!({}))
}

pub(super) fn list_certificates(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    call.page("Certificates", user.certificates.iter(), |id| {
        json!({
            "UserName": user.entity.name,
            "CertificateId": id,
            "CertificateBody": "-----BEGIN CERTIFICATE-----",
            "Status": "Active",
        })
    })
}

pub(super) fn list_ssh_keys(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    call.page("SSHPublicKeys", user.ssh_keys.iter(), |id| {
        json!({
            "UserName": user.entity.name,
            "SSHPublicKeyId": id,
            "Status": "Active",
            "UploadDate": time(user.entity.created),
        })
    })
}

pub(super) fn list_service_credentials(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    call.page("ServiceSpecificCredentials", user.service_credentials.iter(), |id| {
        json!({
            "UserName": user.entity.name,
            "ServiceSpecificCredentialId": id,
            "ServiceName": "codecommit.amazonaws.com",
            "ServiceUserName": format!("{}-at-{}", user.entity.name, call.caller.account),
            "Status": "Active",
            "CreateDate": time(user.entity.created),
        })
    })
}

pub(super) fn list_mfa_devices(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let user = user(call)?;
    call.page("MFADevices", user.mfa_devices.iter(), |serial| {
        json!({
            "UserName": user.entity.name,
            "SerialNumber": serial,
            "EnableDate": time(user.entity.created),
        })
    })
}
