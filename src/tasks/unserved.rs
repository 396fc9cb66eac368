//! The answers to tasks that this connector does not carry out. Every one is answered: a task without an answer
//! stays open on the control plane's side.

use crate::baton::Code;
use prost_types::Any;

use super::outcome::{Failure, Outcome};
use super::request::{malformed, provisioning_disabled};
use crate::baton::api::task::TaskType;

pub(super) fn answer(task: Option<TaskType>, provisioning: bool) -> Outcome {
    Outcome::Failed(match task {
        Some(TaskType::CreateResource(order)) => {
            let missing = order.resource.is_none().then_some("the resource is missing");
            unbuilt_change("create_resource", missing, provisioning)
        }
        // Not as one that is unknown: that may come again, and a repetition would issue nothing either.
        Some(TaskType::IssueTypedCredential(_)) => {
            Failure { non_retryable: true, ..unbuilt("issue_typed_credential") }
        }
        Some(TaskType::CreateTicketTask(order)) => no_tickets(order.annotations),
        Some(TaskType::GetTicket(order)) if order.ticket_id.is_empty() => {
            malformed("get_ticket", "the ticket id is missing")
        }
        Some(TaskType::GetTicket(order)) => no_tickets(order.annotations),
        Some(TaskType::BulkCreateTickets(order)) if order.ticket_requests.is_empty() => {
            malformed("bulk_create_tickets", "there is no request")
        }
        Some(TaskType::BulkGetTickets(order)) if order.ticket_requests.is_empty() => {
            malformed("bulk_get_tickets", "there is no request")
        }
        Some(
            TaskType::ListTicketSchemas(_) | TaskType::BulkCreateTickets(_) | TaskType::BulkGetTickets(_),
        ) => no_tickets(Vec::new()),
        None
        | Some(
            TaskType::None(_)
            | TaskType::EventFeed(_)
            | TaskType::CreateSyncDiff(_)
            | TaskType::CompactSyncs(_)
            // Those below are carried out elsewhere and do not come here.
            | TaskType::Hello(_)
            | TaskType::SyncFull(_)
            | TaskType::Grant(_)
            | TaskType::Revoke(_)
            | TaskType::CreateAccount(_)
            | TaskType::DeleteResource(_)
            | TaskType::RotateCredentials(_)
            | TaskType::IssueCredential(_)
            | TaskType::ActionListSchemas(_)
            | TaskType::ActionGetSchema(_)
            | TaskType::ActionInvoke(_)
            | TaskType::ActionStatus(_)
            | TaskType::ListEventFeeds(_)
            | TaskType::ListEvents(_),
        ) => Failure::retryable(Code::Unknown, "unsupported task type"),
    })
}

/// A change of AWS that is not built: refused for good, as any refusal of a change is.
fn unbuilt_change(kind: &str, missing: Option<&str>, provisioning: bool) -> Failure {
    match missing {
        Some(missing) => malformed(kind, missing),
        None if !provisioning => provisioning_disabled(),
        None => Failure { non_retryable: true, ..unbuilt(kind) },
    }
}

fn unbuilt(kind: &str) -> Failure {
    Failure::retryable(Code::Unimplemented, format!("this connector does not carry out {kind} tasks"))
}

fn no_tickets(annotations: Vec<Any>) -> Failure {
    Failure { annotations, ..Failure::retryable(Code::Unknown, "ticketing is not enabled") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::api::task;
    use crate::baton::v2;

    fn failure(task: Option<TaskType>, provisioning: bool) -> Failure {
        match answer(task, provisioning) {
            Outcome::Failed(failure) => failure,
            other => panic!("not a failure: {other:?}"),
        }
    }

    #[test]
    fn unknown_kinds_are_answered_as_unsupported_and_may_come_again() {
        for kind in [
            None,
            Some(TaskType::None(task::NoneTask::default())),
            Some(TaskType::EventFeed(task::EventFeedTask::default())),
            Some(TaskType::CreateSyncDiff(task::CreateSyncDiffTask::default())),
            Some(TaskType::CompactSyncs(task::CompactSyncs::default())),
        ] {
            let failure = failure(kind, true);
            assert_eq!(
                (failure.code(), failure.status.message.as_str(), failure.non_retryable),
                (Code::Unknown, "unsupported task type", false)
            );
        }
    }

    #[test]
    fn changes_that_are_not_built_are_refused_by_name_once_provisioning_is_on() {
        let whole = || {
            Some(TaskType::CreateResource(task::CreateResourceTask {
                resource: Some(v2::Resource::default()),
            }))
        };
        let refused = failure(whole(), true);
        assert_eq!((refused.code(), refused.non_retryable), (Code::Unimplemented, true));
        assert!(refused.status.message.contains("create_resource"), "{}", refused.status.message);
        let refused = failure(whole(), false);
        assert_eq!((refused.code(), refused.non_retryable), (Code::FailedPrecondition, true));
        assert!(refused.status.message.contains("provisioning is not enabled"));
    }

    #[test]
    fn a_typed_credential_is_refused_for_good_whatever_the_settings() {
        for provisioning in [true, false] {
            // What is asked for is not read: an unknown field of the order stands for it.
            let order = [0x0a, 0x02, 0x08, 0x01].as_slice();
            let task = TaskType::IssueTypedCredential(prost::Message::decode(order).unwrap());
            let refused = failure(Some(task), provisioning);
            assert_eq!((refused.code(), refused.non_retryable), (Code::Unimplemented, true));
            assert!(refused.status.message.contains("issue_typed_credential"), "{}", refused.status.message);
        }
    }

    #[test]
    fn malformed_changes_are_refused_for_good() {
        for kind in [
            TaskType::CreateResource(task::CreateResourceTask::default()),
            TaskType::GetTicket(task::GetTicketTask::default()),
            TaskType::BulkCreateTickets(task::BulkCreateTicketsTask::default()),
            TaskType::BulkGetTickets(task::BulkGetTicketsTask::default()),
        ] {
            let failure = failure(Some(kind), true);
            assert_eq!((failure.code(), failure.non_retryable), (Code::Unknown, true));
            assert!(failure.status.message.starts_with("malformed "), "{}", failure.status.message);
        }
    }

    #[test]
    fn tickets_are_not_enabled_and_their_annotations_come_back() {
        let annotations = vec![Any { type_url: "x".into(), value: vec![1] }];
        let create = task::CreateTicketTask { annotations: annotations.clone() };
        let answer = failure(Some(TaskType::CreateTicketTask(create)), true);
        assert_eq!(
            (answer.code(), answer.status.message.as_str()),
            (Code::Unknown, "ticketing is not enabled")
        );
        assert!(!answer.non_retryable);
        assert_eq!(answer.annotations, annotations);

        let list = task::ListTicketSchemasTask { annotations };
        let answer = failure(Some(TaskType::ListTicketSchemas(list)), true);
        assert_eq!(answer.status.message, "ticketing is not enabled");
        assert!(answer.annotations.is_empty());
    }
}
