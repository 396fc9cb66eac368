//! Rules over several settings.

use super::field::{Field, aws, control_plane, one_shot, sync};
use super::read::Reader;

/// Settings that must be set together or not at all.
static TOGETHER: &[&[&Field]] = &[
    &[&one_shot::GRANT_ENTITLEMENT, &one_shot::GRANT_PRINCIPAL],
    &[&control_plane::CLIENT_ID, &control_plane::CLIENT_SECRET],
    &[&one_shot::CREATE_TICKET, &one_shot::TICKET_TEMPLATE_PATH],
    &[&one_shot::BULK_CREATE_TICKET, &one_shot::BULK_TICKET_TEMPLATE_PATH],
    &[&one_shot::GET_TICKET, &one_shot::TICKET_ID],
    &[&one_shot::DIFF_SYNCS, &one_shot::BASE_SYNC_ID, &one_shot::APPLIED_SYNC_ID],
    &[
        &one_shot::COMPACT_SYNCS,
        &one_shot::COMPACT_SYNC_IDS,
        &one_shot::COMPACT_FILE_PATHS,
        &one_shot::COMPACT_OUTPUT_PATH,
    ],
    &[&aws::GLOBAL_ACCESS_KEY_ID, &aws::GLOBAL_SECRET_ACCESS_KEY],
];

/// Settings of which at most one may be set.
static EXCLUSIVE: &[&[&Field]] = &[
    &[
        &one_shot::GRANT_ENTITLEMENT,
        &one_shot::REVOKE_GRANT,
        &one_shot::CREATE_ACCOUNT_LOGIN,
        &one_shot::DELETE_RESOURCE,
        &one_shot::ROTATE_CREDENTIALS,
        &one_shot::EVENT_FEED,
        &one_shot::CREATE_TICKET,
        &one_shot::GET_TICKET,
        &one_shot::LIST_TICKET_SCHEMAS,
        &one_shot::BULK_CREATE_TICKET,
    ],
    &[
        &one_shot::GRANT_ENTITLEMENT,
        &one_shot::REVOKE_GRANT,
        &one_shot::CREATE_ACCOUNT_EMAIL,
        &one_shot::DELETE_RESOURCE_TYPE,
        &one_shot::ROTATE_CREDENTIALS_TYPE,
        &one_shot::EVENT_FEED,
        &one_shot::DIFF_SYNCS,
        &one_shot::COMPACT_SYNCS,
        &one_shot::LIST_TICKET_SCHEMAS,
    ],
];

/// A setting that needs others, with the order in which they are named.
pub struct Dependency {
    /// The setting.
    pub field: &'static Field,
    /// What it needs.
    pub needs: &'static [&'static Field],
}

/// The connector's own dependencies, which also appear in the form that `config` prints.
pub static DEPENDENCIES: &[Dependency] = &[
    Dependency { field: &aws::USE_ASSUME, needs: &[&aws::ROLE_ARN] },
    Dependency {
        field: &sync::GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED,
        needs: &[&sync::GLOBAL_AWS_ORGS_ENABLED, &sync::GLOBAL_AWS_SSO_ENABLED],
    },
];

/// Settings that need another.
static FURTHER_DEPENDENCIES: &[Dependency] = &[
    Dependency {
        field: &sync::EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER,
        needs: &[&sync::EXTERNAL_RESOURCE_C1Z],
    },
    Dependency { field: &sync::EXTERNAL_RESOURCE_TRAITS, needs: &[&sync::EXTERNAL_RESOURCE_C1Z] },
    Dependency { field: &one_shot::PRINT_CREDENTIALS, needs: &[&one_shot::INVOKE_ACTION] },
];

/// Records every rule that is broken.
pub(super) fn check(reader: &mut Reader) {
    for group in TOGETHER {
        let (set, missing): (Vec<&Field>, Vec<&Field>) = group.iter().partition(|field| reader.is_set(field));
        if let (Some(first), false) = (set.first(), missing.is_empty()) {
            let message = format!(
                "if any flags in the group [{}] are set they must all be set; missing [{}]",
                names(group),
                names(&missing)
            );
            reader.fault(first, message);
        }
    }
    for group in EXCLUSIVE {
        let mut set: Vec<&Field> = group.iter().copied().filter(|field| reader.is_set(field)).collect();
        set.sort_by_key(|field| field.name);
        if let [first, _, ..] = set.as_slice() {
            let message = format!(
                "if any flags in the group [{}] are set none of the others can be; [{}] were all set",
                names(group),
                names(&set)
            );
            reader.fault(first, message);
        }
    }
    for Dependency { field, needs } in DEPENDENCIES.iter().chain(FURTHER_DEPENDENCIES) {
        let is_set = match field.kind {
            super::field::Kind::Switch => reader.switch_if_set(field) == Some(true),
            _ => reader.is_set(field),
        };
        if !is_set {
            continue;
        }
        let missing: Vec<String> = needs
            .iter()
            .filter(|needed| !is_present(reader, needed))
            .map(|needed| format!("'{}'", needed.name))
            .collect();
        if !missing.is_empty() {
            let message =
                format!("set fields ('{}') are dependent on ({}) being set", field.name, missing.join(", "));
            reader.fault(field, message);
        }
    }
}

/// A text counts when it is not empty, a switch when it is on.
fn is_present(reader: &mut Reader, field: &Field) -> bool {
    match field.kind {
        super::field::Kind::Switch => {
            reader.text(field).as_deref().and_then(super::read::parse_switch) == Some(true)
        }
        _ => reader.text(field).is_some(),
    }
}

fn names(fields: &[&Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(" ")
}
