//! A new access key of an IAM user.

use super::ID;
use crate::aws::iam::EntityKind;
use crate::baton::encryption::Recipients;
use crate::baton::v2::credential_issue_options::Options;
use crate::baton::v2::{IssueCredentialRequest, IssueCredentialResponse};
use crate::connector::access_key::{LastUse, make};
use crate::connector::iam_entity::Entity;
use crate::connector::{Connector, Provision, ProvisionError, access_key, account_iam, with_request_id};

/// Makes an access key, whose secret goes to the recipients of the request alone.
///
/// Source: `iam:CreateAccessKey`, `GetUser`, `ListAccessKeys`. A process that is killed may leave a key whose secret
/// nobody has; a user has two at most.
pub(in crate::connector) async fn issue(
    connector: &Connector,
    request: &IssueCredentialRequest,
    provision: &Provision,
) -> Result<IssueCredentialResponse, ProvisionError> {
    let options = request.credential_options.as_ref();
    let wanted = options.map_or("", |options| options.secret_resource_type_id.as_str());
    if wanted != access_key::ID {
        return Err(ProvisionError::invalid(format!(
            "the credential options ask for a secret of type {:?}: an iam_user is issued one of type {:?}",
            wanted.chars().take(64).collect::<String>(),
            access_key::ID
        )));
    }
    match options.and_then(|options| options.options.as_ref()) {
        Some(Options::ApiKey(api_key)) if api_key.scopes.is_empty() => {}
        Some(Options::ApiKey(_)) => {
            return Err(ProvisionError::invalid("an access key has no scopes: it may what its user may"));
        }
        Some(_) => {
            return Err(ProvisionError::Unsupported(
                "of an iam_user access keys are issued: the only credential option is an API key".to_owned(),
            ));
        }
        None => return Err(ProvisionError::invalid("the credential options name no option")),
    }
    if request.expires_at.is_some() {
        return Err(ProvisionError::invalid("an access key does not expire: ask for one without expires_at"));
    }
    let recipients = Recipients::parse(&request.encryption_configs)?;
    recipients.check_for_issuing()?;
    let identity = request.identity_id.as_ref();
    let identity = identity.ok_or_else(|| ProvisionError::invalid("the identity is missing"))?;
    let user = Entity::parse(EntityKind::User, &identity.resource)?;
    connector.guard(provision).await?.identity(user.arn)?;
    let iam = user.enter(connector, provision).await?;
    let _turn = connector.turns.wait((user.arn.to_owned(), ID, user.arn.to_owned()), provision).await?;
    let is_own = user.account == connector.aws.caller().account;
    let parent = (!is_own).then(|| account_iam::parent(&user.account));
    let user = user.verify(connector, &iam, provision).await?;
    let made = make::make(&iam, &user, &recipients, provision).await?;
    let never = LastUse::Known(None);
    Ok(IssueCredentialResponse {
        secret: Some(access_key::resource(&made.key, user.arn(), user.name(), &never, parent)),
        encrypted_data: made.encrypted,
        annotations: with_request_id(vec![], made.request_id),
        resource_mode: access_key::mode(connector.settings.secrets).into(),
        request_id: request.request_id.clone(),
    })
}
