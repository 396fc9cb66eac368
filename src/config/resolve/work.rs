//! Settings of the work itself: what is synced, and the one operation of a run without a control plane.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use crate::config::field::{control_plane, one_shot, operating, sync as fields};
use crate::config::read::Reader;
use crate::config::{
    AccountKind, Arguments, BreakerSettings, EXTERNAL_TRAITS, EventsQuery, ExternalSettings, Field,
    Operation, ResourceBid, SyncSettings,
};
use crate::json;

pub(super) fn sync(reader: &mut Reader, serves: bool) -> SyncSettings {
    let types = reader.list(&fields::SYNC_RESOURCE_TYPES);
    let resources = if serves { Vec::new() } else { resources(reader) };
    if reader.switch(&fields::SKIP_GRANTS) && (serves || reader.list(&fields::SYNC_RESOURCES).is_empty()) {
        reader.fault(&fields::SKIP_GRANTS, "skip-grants can only be used together with sync-resources");
    }
    storage_engine(reader);
    let interval = reader.duration(&fields::SYNC_INTERVAL).filter(|interval| !interval.is_zero());
    if interval.is_some_and(|interval| interval < Duration::from_secs(1)) {
        reader.refuse(&fields::SYNC_INTERVAL, "must be 1s or longer, or 0 for none");
    }
    SyncSettings {
        types,
        external: external(reader),
        skip_grants: !resources.is_empty() && reader.switch(&fields::SKIP_GRANTS),
        resources,
        skip_entitlements_and_grants: !serves && reader.switch(&fields::SKIP_ENTITLEMENTS_AND_GRANTS),
        work_dir: work_dir(reader),
        interval,
        max_age: reader.duration(&control_plane::SYNC_MAX_AGE).unwrap_or_default(),
        skip_full_sync: reader.switch(&control_plane::SKIP_FULL_SYNC),
        allow_empty_upload: reader.switch(&control_plane::ALLOW_EMPTY_UPLOAD),
        breaker: breaker(reader),
    }
}

/// The resources of a targeted sync. One of them that cannot be read must not make it a sync of everything.
fn resources(reader: &mut Reader) -> Vec<ResourceBid> {
    let mut resources = Vec::new();
    for text in reader.list(&fields::SYNC_RESOURCES) {
        match text.trim().parse::<ResourceBid>() {
            Ok(bid) => resources.push(bid),
            Err(error) => reader.fault(&fields::SYNC_RESOURCES, error.to_string()),
        }
    }
    resources
}

fn external(reader: &mut Reader) -> Option<ExternalSettings> {
    let mut traits = Vec::new();
    for name in reader.list(&fields::EXTERNAL_RESOURCE_TRAITS) {
        let wanted = name.trim().to_ascii_lowercase();
        let wanted = wanted.strip_prefix("trait_").unwrap_or(&wanted);
        match EXTERNAL_TRAITS.into_iter().find(|known| *known == wanted) {
            Some(known) => traits.push(known),
            None if wanted.is_empty() => {}
            None => {
                let message = format!("must be of {}", EXTERNAL_TRAITS.join(", "));
                reader.refuse(&fields::EXTERNAL_RESOURCE_TRAITS, &message);
            }
        }
    }
    if traits.is_empty() {
        traits.extend(["user", "group"]);
    }
    let file = reader.path(&fields::EXTERNAL_RESOURCE_C1Z)?;
    if !file.is_file() {
        reader.refuse(&fields::EXTERNAL_RESOURCE_C1Z, "must be an existing file");
    }
    let entitlement = reader.text(&fields::EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER);
    Some(ExternalSettings { file, entitlement, traits })
}

fn breaker(reader: &mut Reader) -> BreakerSettings {
    let percent = "must be a share in percent";
    BreakerSettings {
        state_dir: directory(reader, &control_plane::STATE_DIR),
        allow: reader.switch(&control_plane::ALLOW_COLLAPSE),
        shrinkage_percent: reader.number(&control_plane::COLLAPSE_PERCENT, 1..=100, percent).unsigned_abs(),
        shrinkage_rows: reader
            .number(&control_plane::COLLAPSE_ROWS, 1..=i64::MAX, "must be 1 or more rows")
            .unsigned_abs(),
        unreadable_percent: reader
            .number(&control_plane::COLLAPSE_UNREADABLE_PERCENT, 0..=100, percent)
            .unsigned_abs(),
        confirm_after: reader.duration(&control_plane::COLLAPSE_CONFIRM_AFTER).unwrap_or_default(),
    }
}

pub(super) fn file(reader: &Reader) -> PathBuf {
    reader.path(&fields::FILE).unwrap_or_default()
}

pub(super) fn create_account_type(reader: &mut Reader) -> AccountKind {
    if reader.choice(&fields::CREATE_ACCOUNT_RESOURCE_TYPE) != Some("sso_user") {
        return AccountKind::IamUser;
    }
    if !reader.switch(&fields::GLOBAL_AWS_SSO_ENABLED) {
        let message = "baton-aws: BATON_CREATE_ACCOUNT_RESOURCE_TYPE=sso_user requires \
                       BATON_GLOBAL_AWS_SSO_ENABLED=true";
        reader.fault(&fields::CREATE_ACCOUNT_RESOURCE_TYPE, message);
    }
    AccountKind::SsoUser
}

pub(super) fn operation(reader: &mut Reader, serves: bool) -> Operation {
    if serves {
        return Operation::Sync;
    }
    let text = |field| reader.text(field);
    if let Some(entitlement) = text(&one_shot::GRANT_ENTITLEMENT) {
        let principal = text(&one_shot::GRANT_PRINCIPAL);
        let Some(principal_type) = text(&one_shot::GRANT_PRINCIPAL_TYPE) else {
            let message = "unknown provisioning action: a grant needs grant-principal-type too";
            reader.fault(&one_shot::GRANT_PRINCIPAL_TYPE, message);
            return Operation::Sync;
        };
        return Operation::Grant { entitlement, principal: principal.unwrap_or_default(), principal_type };
    }
    if let Some(grant) = text(&one_shot::REVOKE_GRANT) {
        return Operation::Revoke { grant };
    }
    if let Some(id) = reader.text(&one_shot::DELETE_RESOURCE) {
        let Some(resource_type) = reader.text(&one_shot::DELETE_RESOURCE_TYPE) else {
            let message = "unknown provisioning action: a deletion needs delete-resource-type too";
            reader.fault(&one_shot::DELETE_RESOURCE_TYPE, message);
            return Operation::Sync;
        };
        return Operation::DeleteResource { resource_type, id };
    }
    if let Some(id) = reader.text(&one_shot::ROTATE_CREDENTIALS) {
        return rotation(reader, id);
    }
    if let Some(profile) = new_account(reader) {
        return Operation::CreateAccount { profile };
    }
    if let Some(query) = events(reader) {
        return Operation::Events(query);
    }
    if let Some(name) = reader.text(&one_shot::INVOKE_ACTION) {
        let resource_type = reader.text(&one_shot::INVOKE_ACTION_RESOURCE_TYPE).unwrap_or_default();
        let print_credentials = reader.switch(&one_shot::PRINT_CREDENTIALS);
        return Operation::InvokeAction {
            name,
            resource_type,
            arguments: arguments(reader),
            print_credentials,
        };
    }
    if reader.switch(&one_shot::LIST_ACTION_SCHEMAS) {
        let resource_type = reader.text(&one_shot::LIST_ACTION_SCHEMAS_RESOURCE_TYPE).unwrap_or_default();
        return Operation::ListActions { resource_type };
    }
    Operation::Sync
}

fn rotation(reader: &mut Reader, id: String) -> Operation {
    let recipients = reader.list(&one_shot::CREDENTIAL_RECIPIENTS);
    let Some(resource_type) = reader.text(&one_shot::ROTATE_CREDENTIALS_TYPE) else {
        let message = "unknown provisioning action: a rotation needs rotate-credentials-type too";
        reader.fault(&one_shot::ROTATE_CREDENTIALS_TYPE, message);
        return Operation::Sync;
    };
    if recipients.is_empty() {
        let message =
            "a rotation needs credential-recipients too: without one, nobody could read the new credential";
        reader.fault(&one_shot::CREDENTIAL_RECIPIENTS, message);
    }
    Operation::RotateCredentials { resource_type, id, recipients }
}

/// Whether nothing is to be written. What this has no meaning for must not seem to obey it.
pub(super) fn dry_run(reader: &mut Reader, serves: bool, operation: &Operation) -> bool {
    let wanted = reader.switch(&one_shot::DRY_RUN);
    let changes = match operation {
        Operation::Grant { .. }
        | Operation::Revoke { .. }
        | Operation::CreateAccount { .. }
        | Operation::DeleteResource { .. }
        | Operation::RotateCredentials { .. } => true,
        Operation::Sync
        | Operation::Events(_)
        | Operation::InvokeAction { .. }
        | Operation::ListActions { .. } => false,
    };
    if wanted && (serves || !changes) {
        reader.fault(
            &one_shot::DRY_RUN,
            "dry-run goes with a one-shot grant, revoke, creation, deletion or rotation alone",
        );
    }
    wanted
}

/// The arguments of an action; none where none are given. What is wrong with them is not quoted.
fn arguments(reader: &mut Reader) -> Arguments {
    let Some(text) = reader.secret(&one_shot::INVOKE_ACTION_ARGS) else { return Arguments::default() };
    if let Ok(object) = json::read(text.expose_secret().as_bytes()) {
        return Arguments(object);
    }
    reader.refuse(&one_shot::INVOKE_ACTION_ARGS, "must be a JSON object");
    Arguments::default()
}

/// The form of an account to be made; login and address fill in what the profile leaves open.
fn new_account(reader: &mut Reader) -> Option<BTreeMap<String, String>> {
    let (login, email) =
        (reader.text(&one_shot::CREATE_ACCOUNT_LOGIN), reader.text(&one_shot::CREATE_ACCOUNT_EMAIL));
    let written = reader.text(&one_shot::CREATE_ACCOUNT_PROFILE);
    if login.is_none() && written.is_none() {
        if email.is_some() {
            let message = "needs create-account-login or create-account-profile too";
            reader.fault(&one_shot::CREATE_ACCOUNT_EMAIL, message);
        }
        return None;
    }
    let mut profile = BTreeMap::new();
    if let Some(text) = written {
        match json::read(text.as_bytes()) {
            Ok(read) => profile = read,
            Err(_) => {
                reader.refuse(
                    &one_shot::CREATE_ACCOUNT_PROFILE,
                    "must be a JSON object whose values are texts",
                );
            }
        }
    }
    for (key, value) in [("username", &login), ("login", &login), ("email", &email)] {
        if let Some(value) = value {
            profile.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
    }
    Some(profile)
}

/// The feed is switched on by a word that reads as true.
fn events(reader: &mut Reader) -> Option<EventsQuery> {
    if reader.switch_if_set(&one_shot::EVENT_FEED) != Some(true) {
        return None;
    }
    let start_at = match reader.text(&one_shot::EVENT_FEED_START_AT).map(|text| text.parse()) {
        None => Timestamp::now() - SignedDuration::from_hours(24),
        Some(Ok(time)) => time,
        Some(Err(_)) => {
            reader.refuse(&one_shot::EVENT_FEED_START_AT, "must be a time such as 2026-01-02T03:04:05Z");
            Timestamp::UNIX_EPOCH
        }
    };
    let text = |field| reader.text(field).unwrap_or_default();
    Some(EventsQuery {
        feed: text(&one_shot::EVENT_FEED_ID),
        cursor: text(&one_shot::EVENT_FEED_CURSOR),
        start_at,
    })
}

fn storage_engine(reader: &mut Reader) {
    let field = &fields::STORAGE_ENGINE;
    if reader.choice(field) == Some("pebble") {
        reader
            .unbuilt(field, "storage-engine pebble is no part of batond: no library outside Go writes it; sqlite, which every \
                       reader takes, is written");
    }
}

pub(super) fn work_dir(reader: &mut Reader) -> Option<PathBuf> {
    let field =
        [&operating::C1Z_TEMP_DIR, &operating::TMPDIR].into_iter().find(|field| reader.is_set(field))?;
    directory(reader, field)
}

fn directory(reader: &mut Reader, field: &Field) -> Option<PathBuf> {
    let directory = reader.path(field)?;
    if !directory.is_dir() {
        reader.refuse(field, "must be an existing directory");
    }
    Some(directory)
}
