//! One-shot creation and deletion of accounts.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::{Exit, failure};
use crate::baton::any;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::create_account_response::Result as Created;
use crate::baton::v2::{AccountInfo, CreateAccountRequest, ResourceDoesNotExist};
use crate::connector::{Connector, Provision};

/// Makes an account of the kind that the settings choose, without a password.
pub(super) async fn create(
    connector: &Connector,
    profile: &BTreeMap<String, String>,
    cancel: CancellationToken,
) -> Exit {
    let profile = profile.iter().fold(Profile::new(), |profile, (key, value)| profile.string(key, value));
    let request = CreateAccountRequest {
        account_info: Some(AccountInfo { profile: Some(profile.build()), ..AccountInfo::default() }),
        ..CreateAccountRequest::default()
    };
    match connector.create_account(&request, &provision(cancel)).await {
        Ok(answer) => {
            let (resource, already) = match &answer.result {
                Some(Created::Success(made)) => (made.resource.as_ref(), false),
                Some(Created::AlreadyExists(known)) => (known.resource.as_ref(), true),
                Some(Created::ActionRequired(_) | Created::InProgress(_)) | None => (None, false),
            };
            let id = resource.map(ResourceExt::object_id).unwrap_or_default();
            tracing::info!(resource = id, already, "account created");
            Exit::SUCCESS
        }
        Err(error) => failure::of_operation("create account", error),
    }
}

/// Deletes an account for good.
pub(super) async fn delete(
    connector: &Connector,
    resource_type: &str,
    id: &str,
    cancel: CancellationToken,
) -> Exit {
    match connector.delete(&resource::id(resource_type, id), None, &provision(cancel)).await {
        Ok(answer) => {
            let already = any::has::<ResourceDoesNotExist>(&answer.annotations);
            tracing::info!(resource = id, already, "resource deleted");
            Exit::SUCCESS
        }
        Err(error) => failure::of_operation("delete resource", error),
    }
}

fn provision(cancel: CancellationToken) -> Provision {
    Provision { task_id: "one-shot".to_owned(), cancel }
}
