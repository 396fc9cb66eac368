//! One-shot rotation of credentials.

use super::{Exit, answer, failure};
use crate::baton::resource;
use crate::baton::v2::credential_options::{Options, RandomPassword};
use crate::baton::v2::encryption_config::{AgeRecipientConfig, Config};
use crate::baton::v2::{CredentialOptions, EncryptionConfig, RotateCredentialRequest};
use crate::connector::{Connector, Provision, access_key};

/// Letters of a new password.
const LENGTH: i64 = 32;

/// Replaces the credential of a resource, and answers with the new one, encrypted for each recipient.
pub(super) async fn rotate(
    connector: &Connector,
    resource_type: &str,
    id: &str,
    recipients: &[String],
    provision: &Provision,
) -> Exit {
    if provision.rehearsal.is_none()
        && let Some(exit) = answer::refuse_to_discard()
    {
        return exit;
    }
    // AWS makes the secret of a key.
    let options = (resource_type != access_key::ID).then(|| CredentialOptions {
        options: Some(Options::RandomPassword(RandomPassword {
            length: LENGTH,
            ..RandomPassword::default()
        })),
        force_change_at_next_login: true,
    });
    let request = RotateCredentialRequest {
        resource_id: Some(resource::id(resource_type, id)),
        credential_options: options,
        encryption_configs: recipients.iter().map(|recipient| configuration(recipient)).collect(),
    };
    match connector.rotate_credential(&request, provision).await {
        Ok(done) => {
            let new = done.resource_id.as_ref().map_or(id, |new| new.resource.as_str());
            if provision.rehearsal.is_some() {
                return answer::change(provision, &done, "");
            }
            // What is encrypted is for a program to read, wherever it goes.
            let exit = answer::credential(connector, provision, &done).await;
            if exit == Exit::SUCCESS {
                tracing::info!(resource = id, new_resource = new, "credential rotated");
            }
            exit
        }
        Err(error) => failure::of_operation("rotate credentials", error),
    }
}

fn configuration(recipient: &str) -> EncryptionConfig {
    let config = AgeRecipientConfig { recipient: recipient.to_owned() };
    EncryptionConfig { config: Some(Config::AgeRecipientConfig(config)), ..EncryptionConfig::default() }
}
