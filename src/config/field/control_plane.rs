//! Settings of the control plane.

use super::{Export, Mode, Support, duration, list, number, path, section, switch, text};

section! { "Control plane";
    CLIENT_ID = text("client-id", "Client id of this connector; setting it makes the process a daemon")
        .mode(Mode::Service);
    CLIENT_SECRET = text("client-secret", "Client secret that belongs to the client id").secret().mode(Mode::Service);
    PROVISIONING = switch("provisioning", "Let tasks change AWS").short('p');
    PROTECTED_PRINCIPALS = list("protected-principals",
        "Ids of users, groups and roles that no task may change, with * for any text; a comma in a name splits nothing");
    PROTECTED_POLICIES = list("protected-policies",
        "Ids of IAM policies that no task may attach, detach or delete, with * for any text");
    VEND_ROLES = list("vend-roles",
        "ARNs of the roles that the action assume_role_with_web_identity gives sessions of, with * for any text; unset, \
        any role whose trust allows it");
    VEND_FEDERATED_USERS = list("vend-federated-users",
        "ARNs of the federated users that the action issue_federation_token gives credentials to, with * for any text; \
        unset, there is no such action");
    VEND_FEDERATED_POLICIES = list("vend-federated-policies",
        "ARNs of the managed policies that issue_federation_token gives them under, with * for any text; a bare * also \
        lets a request bring its own policy; unset, none, so that the credentials may do nothing");
    TASK_CONCURRENCY = number("task-concurrency", "3", "Tasks at once, 1 to 100").mode(Mode::Service);
    SKIP_FULL_SYNC = switch("skip-full-sync", "Refuse sync tasks, with an error that says so").mode(Mode::Service);
    ALLOW_EMPTY_UPLOAD = switch(
        "allow-empty-upload",
        "Answer sync tasks under --skip-full-sync with an empty sync, which reads as if everyone had lost access",
    ).mode(Mode::Service);
    STATE_DIR = path("state-dir", "Existing directory that keeps the counts of the last uploaded sync, to judge the \
        next one by; unset, they last as long as the process");
    ALLOW_COLLAPSE = switch("allow-collapse",
        "Upload a sync even if it looks as if far too many had lost their access");
    COLLAPSE_PERCENT = number("collapse-percent", "30",
        "Hold an upload if more than this share of the rows of a type, of one account or all, is gone since the last \
        upload, 1 to 100");
    COLLAPSE_ROWS = number("collapse-rows", "50", "Never hold an upload for fewer rows than this that are gone, 1 or more");
    COLLAPSE_UNREADABLE_PERCENT = number("collapse-unreadable-percent", "50",
        "Hold the first upload if more than this share of the accounts cannot be entered, 0 to 100");
    COLLAPSE_CONFIRM_AFTER = duration("collapse-confirm-after", "15m",
        "Upload what was held if a later sync task, begun no sooner than this after it, finds the same");
    SYNC_MAX_AGE = duration(
        "sync-max-age", "0s",
        "Answer a sync task with the newest sync of the interval if it is younger than this; 0 always syncs anew",
    ).mode(Mode::Service);
    SHUTDOWN_GRACE_PERIOD = duration(
        "shutdown-grace-period", "25s", "Time that running tasks have to end after SIGTERM or SIGINT",
    );
    HEALTH_CHECK = switch("health-check", "Answer liveness and readiness probes over HTTP")
        .export(Export::Common("Enable the HTTP health check endpoint")).mode(Mode::Service);
    HEALTH_CHECK_PORT = number("health-check-port", "8081", "Port of the probes; 0 takes a free one")
        .export(Export::Common("Port for the HTTP health check endpoint"));
    HEALTH_CHECK_BIND_ADDRESS = text("health-check-bind-address", "IP address of the probes")
        .default("127.0.0.1").hidden().export(Export::Common("Bind address for health check server (127.0.0.1 for localhost-only)"));
    C1_API_HOST = text("c1-api-host", "Host, with optional port, to use in place of the one in the client id")
        .variable_only().mode(Mode::Service);
    HOST_ID = text("host-id", "Name of this process towards the control plane and in role session names, \
        1 to 256 characters; the host's name if unset").variable_only();
    GET_TASKS = switch("get-tasks", "Ask for tasks in batches").variable_only().mode(Mode::Service);
    TICKETING = switch("ticketing", "Allow ticket calls")
        .support(Support::Accepted("this connector has no ticket system"));
    KEEP_PREVIOUS_SYNC_C1Z = switch("keep-previous-sync-c1z", "Keep the file of the previous sync")
        .support(Support::Accepted("nothing reads such a file"));
    USERNAME = text("username", "Named in the vendor's example manifests")
        .variable_only().hidden().support(Support::Accepted("no part of this connector reads it"));
    SCIM_ENABLED = text("scim-enabled", "Reading of user status over SCIM")
        .variable_only().hidden().support(Support::Accepted(SCIM));
    SCIM_ENDPOINT = text("scim-endpoint", "Endpoint for reading user status over SCIM")
        .variable_only().hidden().support(Support::Accepted(SCIM));
    SCIM_TOKEN = text("scim-token", "Token for reading user status over SCIM")
        .secret().variable_only().hidden().support(Support::Accepted(SCIM));
}

const SCIM: &str = "the Identity Store tells the status of users";
