//! The kinds of task, as logs name them.

use crate::baton::api::Task;
use crate::baton::api::task::TaskType;

/// What a task asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    name: &'static str,
    class: Class,
}

/// What the kind means for how a task is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// Long, reads alone, kept leased by heartbeats.
    Sync,
    /// Changes AWS.
    Provisioning,
    /// Changes AWS, and makes what a person or a program signs in with.
    Credential,
    /// Short and harmless.
    Other,
}

impl Kind {
    /// The kind of `task`; a kind that this build does not know is `unknown`.
    pub fn of(task: &Task) -> Self {
        use Class::{Credential, Other, Provisioning, Sync};
        let (name, class) = match &task.task_type {
            None => ("unknown", Other),
            Some(kind) => match kind {
                TaskType::None(_) => ("none", Other),
                TaskType::Hello(_) => ("hello", Other),
                TaskType::SyncFull(_) => ("sync_full", Sync),
                TaskType::Grant(_) => ("grant", Provisioning),
                TaskType::Revoke(_) => ("revoke", Provisioning),
                TaskType::CreateAccount(_) => ("create_account", Credential),
                TaskType::CreateResource(_) => ("create_resource", Provisioning),
                TaskType::DeleteResource(_) => ("delete_resource", Provisioning),
                TaskType::RotateCredentials(_) => ("rotate_credential", Credential),
                TaskType::IssueCredential(_) => ("issue_credential", Credential),
                TaskType::IssueTypedCredential(_) => ("issue_typed_credential", Provisioning),
                TaskType::EventFeed(_) => ("event_feed", Other),
                TaskType::ListEventFeeds(_) => ("list_event_feeds", Other),
                TaskType::ListEvents(_) => ("list_events", Other),
                TaskType::CreateTicketTask(_) => ("create_ticket", Other),
                TaskType::ListTicketSchemas(_) => ("list_ticket_schemas", Other),
                TaskType::GetTicket(_) => ("get_ticket", Other),
                TaskType::BulkCreateTickets(_) => ("bulk_create_tickets", Other),
                TaskType::BulkGetTickets(_) => ("bulk_get_tickets", Other),
                TaskType::ActionListSchemas(_) => ("list_action_schemas", Other),
                TaskType::ActionGetSchema(_) => ("get_action_schema", Other),
                TaskType::ActionInvoke(_) => ("invoke_action", Other),
                TaskType::ActionStatus(_) => ("action_status", Other),
                TaskType::CreateSyncDiff(_) => ("create_sync_diff", Other),
                TaskType::CompactSyncs(_) => ("compact_syncs", Other),
            },
        };
        Self { name, class }
    }

    /// The name of the kind in logs.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether such a task takes so long that it must be kept leased by heartbeats.
    pub fn needs_heartbeats(self) -> bool {
        self.class == Class::Sync
    }

    /// Whether such a task makes a sync.
    pub fn is_sync(self) -> bool {
        self.class == Class::Sync
    }

    /// Whether such a task may change AWS.
    pub fn is_provisioning(self) -> bool {
        matches!(self.class, Class::Provisioning | Class::Credential)
    }

    /// Whether such a task may make a credential that is told nobody but its recipients.
    pub fn makes_credentials(self) -> bool {
        self.class == Class::Credential
    }
}
