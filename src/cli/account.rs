//! One-shot creation and deletion of accounts.

use std::collections::BTreeMap;

use super::{Exit, answer, failure};
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
    provision: &Provision,
) -> Exit {
    let profile = profile.iter().fold(Profile::new(), |profile, (key, value)| profile.string(key, value));
    let request = CreateAccountRequest {
        account_info: Some(AccountInfo { profile: Some(profile.build()), ..AccountInfo::default() }),
        ..CreateAccountRequest::default()
    };
    match connector.create_account(&request, provision).await {
        Ok(done) => {
            let (resource, already) = match &done.result {
                Some(Created::Success(made)) => (made.resource.as_ref(), false),
                Some(Created::AlreadyExists(known)) => (known.resource.as_ref(), true),
                Some(Created::ActionRequired(_) | Created::InProgress(_)) | None => (None, false),
            };
            let id = resource.map(ResourceExt::object_id).unwrap_or_default();
            if provision.rehearsal.is_none() {
                tracing::info!(resource = id, already, "account created");
            }
            let word = if already { "there already" } else { "created" };
            answer::change(provision, &done, &format!("{word}: {id}"))
        }
        Err(error) => failure::of_operation("create account", error),
    }
}

/// Deletes an account for good.
pub(super) async fn delete(
    connector: &Connector,
    resource_type: &str,
    id: &str,
    provision: &Provision,
) -> Exit {
    match connector.delete(&resource::id(resource_type, id), None, provision).await {
        Ok(done) => {
            let already = any::has::<ResourceDoesNotExist>(&done.annotations);
            if provision.rehearsal.is_none() {
                tracing::info!(resource = id, already, "resource deleted");
            }
            let word = if already { "gone already" } else { "deleted" };
            answer::change(provision, &done, &format!("{word}: {id}"))
        }
        Err(error) => failure::of_operation("delete resource", error),
    }
}
