//! Settings that select one operation for a run without a control plane.

use super::section;
use super::{Field, Kind, Mode, Support, list, path, switch, text};

section! { "One-shot operations";
    DRY_RUN = one(switch("dry-run", "Show what a one-shot change would write, and write nothing"));
    GRANT_ENTITLEMENT = one(text("grant-entitlement", "Grant the entitlement with this id"));
    GRANT_PRINCIPAL = one(text("grant-principal", "Resource id of the principal that receives the grant"));
    GRANT_PRINCIPAL_TYPE = one(text("grant-principal-type", "Resource type of that principal"));
    REVOKE_GRANT = one(text("revoke-grant", "Revoke the grant with this id"));
    CREATE_ACCOUNT_LOGIN = one(text("create-account-login", "Create an account with this login"));
    CREATE_ACCOUNT_EMAIL = one(text("create-account-email", "E-mail address of the account to create"));
    CREATE_ACCOUNT_PROFILE = one(text("create-account-profile", "Create an account with this profile (JSON)"));
    DELETE_RESOURCE = one(text("delete-resource", "Delete the resource with this id"));
    DELETE_RESOURCE_TYPE = one(text("delete-resource-type", "Type of the resource to delete"));
    ROTATE_CREDENTIALS = one(text("rotate-credentials", "Rotate the credentials of the resource with this id"));
    ROTATE_CREDENTIALS_TYPE = one(text("rotate-credentials-type", "Type of that resource"));
    CREDENTIAL_RECIPIENTS = one(list("credential-recipients", "age recipients (age1...) that may read the new credential"));
    EVENT_FEED = one(Field::new("event-feed", Kind::LooseSwitch, "Print the events of a feed"));
    EVENT_FEED_ID = one(text("event-feed-id", "Id of the feed"));
    EVENT_FEED_START_AT = one(text("event-feed-start-at", "Time of the first event (RFC 3339); a day ago if unset"));
    EVENT_FEED_CURSOR = one(text("event-feed-cursor", "Where to go on in the feed"));
    INVOKE_ACTION = one(text("invoke-action", "Invoke the action with this name"));
    INVOKE_ACTION_ARGS = one(text("invoke-action-args", "Arguments of the action (JSON)").secret());
    PRINT_CREDENTIALS = one(switch("print-credentials", "Print the secret results of the action, which is refused without"));
    INVOKE_ACTION_RESOURCE_TYPE = one(text("invoke-action-resource-type", "Resource type of the action"));
    LIST_ACTION_SCHEMAS = one(switch("list-action-schemas", "List the actions"));
    LIST_ACTION_SCHEMAS_RESOURCE_TYPE = one(text("list-action-schemas-resource-type",
        "Resource type of the actions to list"));
    LIST_RESOURCE_ACTIONS = companion(text("list-resource-actions", "Declared by the protocol's tools"), UNREAD);
    INVOKE_RESOURCE_ACTION = companion(text("invoke-resource-action", "Declared by the protocol's tools"), UNREAD);
    INVOKE_RESOURCE_ACTION_RESOURCE_TYPE = companion(text("invoke-resource-action-resource-type",
        "Declared by the protocol's tools"), UNREAD);
    INVOKE_RESOURCE_ACTION_ARGS = companion(text("invoke-resource-action-args", "Declared by the protocol's tools")
        .default("{}"), UNREAD);
    CREATE_TICKET = never(switch("create-ticket", "Create a ticket"), TICKETS);
    BULK_CREATE_TICKET = never(switch("bulk-create-ticket", "Create several tickets"), TICKETS);
    GET_TICKET = never(switch("get-ticket", "Show a ticket"), TICKETS);
    LIST_TICKET_SCHEMAS = never(switch("list-ticket-schemas", "List the kinds of ticket"), TICKETS);
    TICKET_TEMPLATE_PATH = companion(path("ticket-template-path", "Template of the ticket"), TICKETS);
    BULK_TICKET_TEMPLATE_PATH = companion(path("bulk-ticket-template-path", "Template of the tickets"), TICKETS);
    TICKET_ID = companion(text("ticket-id", "Id of the ticket"), TICKETS);
    DIFF_SYNCS = never(switch("diff-syncs", "Compare two syncs of the file"), FILES);
    COMPACT_SYNCS = never(switch("compact-syncs", "Merge several files"), FILES);
    BASE_SYNC_ID = companion(text("base-sync-id", "The older sync to compare"), FILES);
    APPLIED_SYNC_ID = companion(text("applied-sync-id", "The newer sync to compare"), FILES);
    COMPACT_OUTPUT_PATH = companion(path("compact-output-path", "The merged file"), FILES);
    COMPACT_FILE_PATHS = companion(list("compact-file-paths", "The files to merge"), FILES);
    COMPACT_SYNC_IDS = companion(list("compact-sync-ids", "The syncs to merge"), FILES);
}

const UNREAD: &str = "no connector reads it";
const TICKETS: &str = "AWS has no ticket system";
const FILES: &str = "the public baton command line does this with any .c1z file";

const fn one(field: Field) -> Field {
    field.hidden().mode(Mode::OneShot)
}

const fn never(field: Field, reason: &'static str) -> Field {
    one(field).support(Support::Never(reason))
}

const fn companion(field: Field, reason: &'static str) -> Field {
    one(field).support(Support::Accepted(reason))
}
