//! As whom AWS is called: the base credentials, then no, one or two assumed roles.

mod ambient;
mod hop;
mod refreshing;

pub(super) use ambient::ambient_error;
pub(super) use refreshing::Refreshing;

use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tracing::warn;

use self::ambient::Ambient;
use self::hop::AssumedRole;
use super::call::{Calls, Lane};
use super::error::{AccessError, CallError, Step};
use super::http::Base;
use super::sts::{Caller, Sts};
use crate::config::{Assume, AwsSettings, RoleArn, Secret, TokenFile};

/// The credentials that the settings ask for, fetched once so that a wrong role shows at the start.
///
/// Roles are assumed when that is asked for, and also when a role is set without a word about assuming it, unless
/// the base credentials are that role already. The base credentials never stand in for a role that refuses.
///
/// Gives beside them what the process started with.
pub(super) async fn establish(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
) -> Result<(Refreshing, Foundation), AccessError> {
    let ambient = ambient(base).await?;
    let key = ambient.current().await.map_err(Arc::unwrap_or_clone)?.access_key_id().to_owned();
    let assumes = settings.role.is_some() && settings.assume != Assume::Never;
    let owner = assumes.then(|| Owner { sts: sts(base, calls, &ambient), told: OnceCell::new() });
    if let Some(owner) = &owner
        && let Err(error) = owner.caller().await
    {
        warn!(
            error = %error,
            "STS does not say whose the base credentials are; nothing is changed until it does"
        );
    }
    Ok((way_in(settings, base, calls, ambient).await?, Foundation { key, owner }))
}

/// What the process started with.
#[derive(Debug)]
pub(super) struct Foundation {
    /// The id of the key.
    pub(super) key: String,
    /// Whose it is; `None` where no role is assumed, since then it is that of the calls.
    pub(super) owner: Option<Owner>,
}

/// Whose the base credentials are.
#[derive(Debug)]
pub(super) struct Owner {
    sts: Sts,
    told: OnceCell<Caller>,
}

impl Owner {
    /// The answer of STS (`sts:GetCallerIdentity`), which is asked again as long as it gave none.
    pub(super) async fn caller(&self) -> Result<&Caller, CallError> {
        self.told.get_or_try_init(|| self.sts.caller_identity()).await
    }
}

async fn way_in(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
    ambient: Refreshing,
) -> Result<Refreshing, AccessError> {
    let role = match (&settings.role, settings.assume) {
        (None, _) | (_, Assume::Never) => return Ok(ambient),
        (Some(role), Assume::Always) => role,
        (Some(role), Assume::Unset) => {
            let caller = sts(base, calls, &ambient).caller_identity().await;
            let caller = caller.map_err(|error| AccessError::of_call(error, base.region()))?;
            if is_session_of(role, &caller) {
                return Ok(ambient);
            }
            role
        }
    };
    let caller = bound(settings, base, calls, ambient).await?;
    // After a binding hop the external id is part of the contract between vendor and customer: an empty one is
    // sent as it is, rather than to leave out what the trust policy is meant to check.
    let external_id = match &settings.binding_role {
        Some(_) => Some(settings.external_id.clone().unwrap_or_default()),
        None => settings.external_id.clone().filter(is_set),
    };
    assume(settings, base, calls, caller, role, external_id, Step::Role).await
}

/// The credentials of whoever takes this step on the way.
pub(super) async fn before(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
    step: Step,
) -> Result<Refreshing, AccessError> {
    match step {
        Step::Binding => ambient(base).await,
        Step::Role => bound(settings, base, calls, ambient(base).await?).await,
        Step::Member => way_in(settings, base, calls, ambient(base).await?).await,
    }
}

/// The base credentials.
pub(super) async fn ambient(base: &Base) -> Result<Refreshing, AccessError> {
    let source = base.credentials().ok_or_else(|| AccessError::NoCredentials {
        detail: "the SDK was built without a chain".to_owned(),
    })?;
    let source = Ambient { chain: source, token_files: TokenFile::of_process() };
    let ambient = Refreshing::new(SharedCredentialsProvider::new(source));
    ambient.current().await.map_err(Arc::unwrap_or_clone)?;
    Ok(ambient)
}

/// The session of the binding role, where there is one.
async fn bound(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
    ambient: Refreshing,
) -> Result<Refreshing, AccessError> {
    let Some(binding) = &settings.binding_role else { return Ok(ambient) };
    let external_id = settings.binding_external_id.clone().filter(is_set);
    assume(settings, base, calls, ambient, binding, external_id, Step::Binding).await
}

/// The credentials of the role of a member account, fetched once so that a refusal shows at the entry.
pub(super) async fn enter_member(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
    caller: &Refreshing,
    role: &RoleArn,
) -> Result<Refreshing, AccessError> {
    let external_id = settings.member_external_id.clone().filter(is_set);
    assume(settings, base, calls, caller.clone(), role, external_id, Step::Member).await
}

async fn assume(
    settings: &AwsSettings,
    base: &Base,
    calls: &Arc<Calls>,
    caller: Refreshing,
    role: &RoleArn,
    external_id: Option<Secret>,
    step: Step,
) -> Result<Refreshing, AccessError> {
    let assumed = AssumedRole {
        sts: sts(base, calls, &caller),
        region: base.region().to_owned(),
        role: role.clone(),
        external_id,
        session_name: settings.session_name.clone(),
        step,
        unasked: step != Step::Member && settings.assume == Assume::Unset,
    };
    let credentials = Refreshing::new(SharedCredentialsProvider::new(assumed));
    credentials.current().await.map_err(Arc::unwrap_or_clone)?;
    Ok(credentials)
}

fn sts(base: &Base, calls: &Arc<Calls>, credentials: &Refreshing) -> Sts {
    let client = aws_sdk_sts::Client::new(&base.client_config(base.region(), credentials));
    Sts::new(client, Lane::for_credentials(Arc::clone(calls), credentials.clone()))
}

fn is_set(secret: &Secret) -> bool {
    !secret.expose_secret().is_empty()
}

/// Whether the caller is a session of the role. Session ARNs carry the role's name without its path.
fn is_session_of(role: &RoleArn, caller: &Caller) -> bool {
    let session =
        caller.arn.splitn(6, ':').nth(5).and_then(|resource| resource.strip_prefix("assumed-role/"));
    let name = session.and_then(|rest| rest.split('/').next());
    caller.account.as_str() == role.account()
        && caller.partition == role.partition().as_str()
        && name == Some(role.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller::from_arn(arn, "111111111111").unwrap()
    }

    #[test]
    fn only_a_session_of_that_role_is_that_role() {
        let role: RoleArn = "arn:aws:iam::111111111111:role/team/baton".parse().unwrap();
        assert!(is_session_of(&role, &caller("arn:aws:sts::111111111111:assumed-role/baton/i-1")));
        for other in [
            "arn:aws:sts::111111111111:assumed-role/baton-2/i-1",
            "arn:aws-cn:sts::111111111111:assumed-role/baton/i-1",
            "arn:aws:iam::111111111111:user/baton",
            "arn:aws:iam::111111111111:role/baton",
            "arn:aws:iam::111111111111:root",
        ] {
            assert!(!is_session_of(&role, &caller(other)), "{other}");
        }
        let elsewhere =
            Caller::from_arn("arn:aws:sts::222222222222:assumed-role/baton/i-1", "222222222222").unwrap();
        assert!(!is_session_of(&role, &elsewhere));
    }
}
