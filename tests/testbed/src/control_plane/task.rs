//! Tasks to hand out: their ids, the common kinds, and what kind a task is.

use prost_types::Duration as ProtoDuration;
use serde::Serialize;
use svix_ksuid::{Ksuid, KsuidLike as _};

use crate::proto::api::Task;
use crate::proto::api::task::{GrantTask, HelloTask, RevokeTask, SyncFullTask, TaskType};
use crate::proto::v2::{Entitlement, Grant, Resource, ResourceId};

/// The kind of a task, by the name of its member in the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names of the protocol")]
pub enum Kind {
    None,
    Hello,
    SyncFull,
    Grant,
    Revoke,
    CreateAccount,
    CreateResource,
    DeleteResource,
    RotateCredentials,
    IssueCredential,
    IssueTypedCredential,
    EventFeed,
    ListEventFeeds,
    ListEvents,
    ActionListSchemas,
    ActionGetSchema,
    ActionInvoke,
    ActionStatus,
    CreateTicketTask,
    ListTicketSchemas,
    GetTicket,
    BulkCreateTickets,
    BulkGetTickets,
    CreateSyncDiff,
    CompactSyncs,
    Unset,
}

impl Kind {
    /// The kind of `task`; a member that the protocol does not know reads as `Unset`.
    pub fn of(task: &Task) -> Self {
        let Some(member) = &task.task_type else { return Self::Unset };
        match member {
            TaskType::None(_) => Self::None,
            TaskType::Hello(_) => Self::Hello,
            TaskType::SyncFull(_) => Self::SyncFull,
            TaskType::Grant(_) => Self::Grant,
            TaskType::Revoke(_) => Self::Revoke,
            TaskType::CreateAccount(_) => Self::CreateAccount,
            TaskType::CreateResource(_) => Self::CreateResource,
            TaskType::DeleteResource(_) => Self::DeleteResource,
            TaskType::RotateCredentials(_) => Self::RotateCredentials,
            TaskType::IssueCredential(_) => Self::IssueCredential,
            TaskType::IssueTypedCredential(_) => Self::IssueTypedCredential,
            TaskType::EventFeed(_) => Self::EventFeed,
            TaskType::ListEventFeeds(_) => Self::ListEventFeeds,
            TaskType::ListEvents(_) => Self::ListEvents,
            TaskType::ActionListSchemas(_) => Self::ActionListSchemas,
            TaskType::ActionGetSchema(_) => Self::ActionGetSchema,
            TaskType::ActionInvoke(_) => Self::ActionInvoke,
            TaskType::ActionStatus(_) => Self::ActionStatus,
            TaskType::CreateTicketTask(_) => Self::CreateTicketTask,
            TaskType::ListTicketSchemas(_) => Self::ListTicketSchemas,
            TaskType::GetTicket(_) => Self::GetTicket,
            TaskType::BulkCreateTickets(_) => Self::BulkCreateTickets,
            TaskType::BulkGetTickets(_) => Self::BulkGetTickets,
            TaskType::CreateSyncDiff(_) => Self::CreateSyncDiff,
            TaskType::CompactSyncs(_) => Self::CompactSyncs,
        }
    }

    /// Full name of the message that a success of this kind carries; none where it carries none.
    pub(super) fn payload(self) -> Option<&'static str> {
        Some(match self {
            Self::Grant => "c1.connector.v2.GrantManagerServiceGrantResponse",
            Self::Revoke => "c1.connector.v2.GrantManagerServiceRevokeResponse",
            Self::CreateAccount => "c1.connector.v2.CreateAccountResponse",
            Self::CreateResource => "c1.connector.v2.CreateResourceResponse",
            Self::DeleteResource => "c1.connector.v2.DeleteResourceResponse",
            Self::RotateCredentials => "c1.connector.v2.RotateCredentialResponse",
            Self::IssueCredential | Self::IssueTypedCredential => "c1.connector.v2.IssueCredentialResponse",
            Self::ListEventFeeds => "c1.connector.v2.ListEventFeedsResponse",
            Self::ListEvents => "c1.connector.v2.ListEventsResponse",
            Self::ActionListSchemas => "c1.connector.v2.ListActionSchemasResponse",
            Self::ActionGetSchema => "c1.connector.v2.GetActionSchemaResponse",
            Self::ActionInvoke => "c1.connector.v2.InvokeActionResponse",
            Self::ActionStatus => "c1.connector.v2.GetActionStatusResponse",
            Self::CreateTicketTask => "c1.connector.v2.TicketsServiceCreateTicketResponse",
            Self::ListTicketSchemas => "c1.connector.v2.TicketsServiceListTicketSchemasResponse",
            Self::GetTicket => "c1.connector.v2.TicketsServiceGetTicketResponse",
            Self::BulkCreateTickets => "c1.connector.v2.TicketsServiceBulkCreateTicketsResponse",
            Self::BulkGetTickets => "c1.connector.v2.TicketsServiceBulkGetTicketsResponse",
            Self::None
            | Self::Hello
            | Self::SyncFull
            | Self::EventFeed
            | Self::CreateSyncDiff
            | Self::CompactSyncs
            | Self::Unset => return None,
        })
    }
}

/// A new task id: 27 alphanumeric characters.
pub fn new_id() -> String {
    Ksuid::from_seconds(None, None).to_string()
}

/// A task of any kind under a new id.
pub fn any(task_type: TaskType) -> Task {
    Task { id: new_id(), task_type: Some(task_type), ..Task::default() }
}

/// Asks the connector to say hello again.
pub fn hello() -> Task {
    any(TaskType::Hello(HelloTask::default()))
}

/// Asks for a full sync with default options.
pub fn sync_full() -> Task {
    sync(SyncFullTask::default())
}

/// Asks for a sync with options.
pub fn sync(options: SyncFullTask) -> Task {
    any(TaskType::SyncFull(options))
}

/// Asks for a grant of `entitlement` to `principal`.
pub fn grant(entitlement: Entitlement, principal: Resource) -> Task {
    let duration: Option<ProtoDuration> = None;
    let (entitlement, principal) = (Some(entitlement), Some(principal));
    any(TaskType::Grant(GrantTask { entitlement, principal, duration, ..GrantTask::default() }))
}

/// Asks to revoke `grant`.
pub fn revoke(grant: Grant) -> Task {
    any(TaskType::Revoke(RevokeTask { grant: Some(grant), ..RevokeTask::default() }))
}

/// A resource that carries its id alone.
pub fn resource(resource_type: &str, resource: &str) -> Resource {
    let id = ResourceId {
        resource_type: resource_type.to_owned(),
        resource: resource.to_owned(),
        ..ResourceId::default()
    };
    Resource { id: Some(id), ..Resource::default() }
}

/// An entitlement with the usual id, `<type>:<resource>:<slug>`.
pub fn entitlement(on: Resource, slug: &str) -> Entitlement {
    let id = on.id.clone().unwrap_or_default();
    let id = format!("{}:{}:{slug}", id.resource_type, id.resource);
    Entitlement { id, slug: slug.to_owned(), resource: Some(on), ..Entitlement::default() }
}

/// A grant with the usual id, `<entitlement id>:<principal type>:<principal id>`.
pub fn held(entitlement: Entitlement, principal: Resource) -> Grant {
    let holder = principal.id.clone().unwrap_or_default();
    let id = format!("{}:{}:{}", entitlement.id, holder.resource_type, holder.resource);
    Grant { id, entitlement: Some(entitlement), principal: Some(principal), ..Grant::default() }
}
