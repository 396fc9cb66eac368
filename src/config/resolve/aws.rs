//! Settings of the AWS side.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::partition;
use crate::config::field::{Field, aws, control_plane, sync};
use crate::config::pattern::{self, Listed};
use crate::config::read::Reader;
use crate::config::{Assume, AwsSettings, QuotaSetting, RoleArn, Secret, StaticKeys, session_name};
use crate::grammar;
use crate::text::{NAME, printable};

pub(super) fn resolve(reader: &mut Reader, host_id: &str) -> AwsSettings {
    let assume = match reader.switch_if_set(&aws::USE_ASSUME) {
        None => Assume::Unset,
        Some(true) => Assume::Always,
        Some(false) => Assume::Never,
    };
    let role = role_arn(reader, &aws::ROLE_ARN);
    let binding_role = role_arn(reader, &aws::GLOBAL_ROLE_ARN);
    let assumes = assume != Assume::Never && reader.is_set(&aws::ROLE_ARN);
    let two_hops = assumes && reader.is_set(&aws::GLOBAL_ROLE_ARN);
    if reader.is_set(&aws::GLOBAL_ROLE_ARN) && !assumes {
        reader
            .warn(&aws::GLOBAL_ROLE_ARN, "has no effect: BATON_ROLE_ARN, the role behind it, is not assumed");
    }
    let organizations = reader.switch(&sync::GLOBAL_AWS_ORGS_ENABLED);
    let identity_center = reader.switch(&sync::GLOBAL_AWS_SSO_ENABLED);
    if identity_center && !organizations {
        let message = "baton-aws: SSO Support requires Org support to also be enabled. Please enable both";
        reader.fault(&sync::GLOBAL_AWS_SSO_ENABLED, message);
    }
    let last_login_events = reader.switch(&sync::SYNC_SSO_USER_LAST_LOGIN);
    if last_login_events && !identity_center {
        reader.warn(&sync::SYNC_SSO_USER_LAST_LOGIN, "has no effect: Identity Center is not read");
    }
    let settings = AwsSettings {
        region: region(reader, &aws::GLOBAL_REGION),
        role,
        external_id: external_id(reader, &aws::EXTERNAL_ID, two_hops),
        binding_role,
        binding_external_id: external_id(reader, &aws::GLOBAL_BINDING_EXTERNAL_ID, false),
        static_keys: static_keys(reader),
        assume,
        organizations,
        identity_center,
        identity_center_region: region(reader, &sync::GLOBAL_AWS_SSO_REGION).unwrap_or_default(),
        instance_arn: instance_arn(reader),
        cross_account_iam: reader.switch(&sync::GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED),
        member_role_name: member_role_name(reader),
        member_external_id: external_id(reader, &aws::IAM_ASSUME_ROLE_EXTERNAL_ID, false),
        secrets: reader.switch(&sync::SYNC_SECRETS),
        iam_tags: reader.switch(&sync::SYNC_IAM_TAGS),
        resource_tags: reader.switch(&sync::SYNC_RESOURCE_TAGS),
        console_access: reader.switch(&sync::SYNC_IAM_USER_CONSOLE_ACCESS),
        last_login_events,
        only_attached_policies: reader.switch(&sync::SYNC_ONLY_ATTACHED_POLICIES),
        account_kind: super::work::create_account_type(reader),
        protected_principals: patterns(reader, &control_plane::PROTECTED_PRINCIPALS, Listed::Principals),
        protected_policies: patterns(reader, &control_plane::PROTECTED_POLICIES, Listed::Policies),
        vend_roles: patterns(reader, &control_plane::VEND_ROLES, Listed::Roles),
        vend_federated_users: patterns(reader, &control_plane::VEND_FEDERATED_USERS, Listed::FederatedUsers),
        vend_federated_policies: federated_policies(reader),
        quotas: quotas(reader),
        workers: workers(reader),
        http_timeout: Duration::from_secs(
            reader.number(&aws::HTTP_TIMEOUT_SECONDS, 1..=1800, "must be 1 to 1800 seconds").unsigned_abs(),
        ),
        ca_bundle: ca_bundle(reader),
        session_name: session_name(host_id),
        ..AwsSettings::default()
    };
    partition::check(reader, &settings, two_hops);
    settings
}

/// Ids, some with a `*`. One that no id can match is a slip of the pen that would protect nothing, or all.
fn patterns(reader: &mut Reader, field: &'static Field, listed: Listed) -> Vec<String> {
    let patterns = reader.list(field);
    for item in &patterns {
        let shown = printable(item, NAME);
        if !pattern::can_match(listed, item) {
            reader.fault(
                field,
                format!(
                    "'{shown}' is no id, and no pattern that an id can match: items are separated by commas and begin \
                     with arn: or *, as arn:aws:iam::123456789012:user/name and *:role/name do"
                ),
            );
        } else if item.contains(',') {
            reader.inform(field, &format!("holds '{shown}', which is taken as one name with a comma in it"));
        }
    }
    patterns
}

fn federated_policies(reader: &mut Reader) -> Vec<String> {
    let listed = patterns(reader, &control_plane::VEND_FEDERATED_POLICIES, Listed::Policies);
    if !listed.is_empty() && !reader.is_set(&control_plane::VEND_FEDERATED_USERS) {
        reader.warn(
            &control_plane::VEND_FEDERATED_POLICIES,
            "has no effect: BATON_VEND_FEDERATED_USERS lists nobody",
        );
    }
    listed
}

/// Keys as they go into headers and signatures.
fn static_keys(reader: &mut Reader) -> Option<StaticKeys> {
    let access_key_id = reader.text(&aws::GLOBAL_ACCESS_KEY_ID);
    let is_id = |id: &String| id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if access_key_id.as_ref().is_some_and(|id| !is_id(id)) {
        reader.fault(
            &aws::GLOBAL_ACCESS_KEY_ID,
            "must be letters and digits, as AKIAIOSFODNN7EXAMPLE is; there is a blank, a line end or another character",
        );
    }
    let secret_access_key = reader.secret(&aws::GLOBAL_SECRET_ACCESS_KEY);
    let is_secret = |secret: &Secret| secret.expose_secret().bytes().all(|b| b.is_ascii_graphic());
    if secret_access_key.as_ref().is_some_and(|secret| !is_secret(secret)) {
        reader.fault(
            &aws::GLOBAL_SECRET_ACCESS_KEY,
            "must hold visible ASCII characters only: there is a blank, a line end or another one",
        );
    }
    Some(StaticKeys { access_key_id: access_key_id?, secret_access_key: secret_access_key? })
}

fn role_arn(reader: &mut Reader, field: &'static Field) -> Option<RoleArn> {
    match reader.text(field)?.parse() {
        Ok(arn) => Some(arn),
        Err(error) => {
            reader.refuse(field, &format!("baton-aws: invalid role ARN: {error}"));
            None
        }
    }
}

/// The name of a role, with its path where it has one.
fn member_role_name(reader: &mut Reader) -> String {
    let field = &aws::IAM_ASSUME_ROLE_NAME;
    let name = reader.text(field).unwrap_or_default();
    let arn = format!("arn:aws:iam::000000000000:role/{name}");
    // A path may hold a colon, but what does is most often a whole ARN.
    if name.contains(':') || arn.parse::<RoleArn>().is_err() {
        reader.refuse(field, "must be the name of a role, with its path if it has one: operations/reader");
    }
    name
}

/// An external id: by AWS's rules, and of the incumbent's length where there are two hops.
fn external_id(reader: &mut Reader, field: &'static Field, two_hops: bool) -> Option<Secret> {
    let Some(id) = reader.secret(field) else {
        if two_hops {
            reader.fault(field, "baton-aws: external id is missing");
        }
        return None;
    };
    let bytes = id.expose_secret().as_bytes();
    if two_hops && !(32..=65).contains(&bytes.len()) {
        reader.fault(field, "baton-aws: aws_external_id must be between 32 and 64 bytes");
    } else if !(2..=1224).contains(&bytes.len())
        || !bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(b))
    {
        reader.fault(field, "must be 2 to 1224 letters, digits and characters of _+=,.@:/-");
    }
    Some(id)
}

fn region(reader: &mut Reader, field: &'static Field) -> Option<String> {
    let region = reader.text(field)?;
    if is_region(&region) {
        return Some(region);
    }
    reader.refuse(field, &format!("field {}: value must be a region of AWS, such as us-east-1", field.name));
    None
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-5`: words, then a number.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let parts: Vec<&str> = words.split('-').collect();
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (2..=4).contains(&parts.len())
        && parts.iter().all(|part| is_word(part))
        && text.len() <= 32
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn instance_arn(reader: &mut Reader) -> Option<String> {
    let arn = reader.text(&aws::SSO_INSTANCE_ARN)?;
    if grammar::is_instance(&arn) {
        return Some(arn);
    }
    reader.refuse(&aws::SSO_INSTANCE_ARN, "must look like arn:aws:sso:::instance/ssoins-0123456789abcdef");
    None
}

fn quotas(reader: &mut Reader) -> QuotaSetting {
    match reader.text(&aws::AWS_QUOTAS).as_deref() {
        None | Some("documented") => QuotaSetting::Documented,
        Some("off") => QuotaSetting::Off,
        Some(path) => {
            if !Path::new(path).is_file() {
                reader.refuse(&aws::AWS_QUOTAS, "must be documented, off, or the path of a file");
            }
            QuotaSetting::File(path.into())
        }
    }
}

fn workers(reader: &mut Reader) -> Option<NonZeroUsize> {
    let accepted = "must be the most calls in flight, or 0 or -1 for no bound";
    let workers = reader.number(&aws::WORKERS, -1..=i64::from(u32::MAX), accepted);
    usize::try_from(workers).ok().and_then(NonZeroUsize::new)
}

fn ca_bundle(reader: &mut Reader) -> Option<std::path::PathBuf> {
    let path = reader.path(&aws::CA_BUNDLE)?;
    if !path.is_file() {
        reader.refuse(&aws::CA_BUNDLE, "must be the path of a file of certificates (PEM)");
    }
    Some(path)
}
