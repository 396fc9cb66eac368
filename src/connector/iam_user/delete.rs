//! The end of an IAM user: all that the user has, then the user.
//!
//! Begun again in the middle it goes on: what is gone already is no error.

use std::time::Duration;

use futures::TryStreamExt;

use super::ID;
use crate::aws::iam::{Belonging, EntityKind, Iam, Verified};
use crate::aws::{CallError, Class, Written};
use crate::baton::any;
use crate::baton::id::inline_policy_id;
use crate::baton::v2::{DeleteResourceResponse, ResourceDoesNotExist, ResourceId};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::guard::Guard;
use crate::connector::iam_change::CONFLICT;
use crate::connector::iam_entity::Entity;
use crate::connector::{
    Connector, Provision, ProvisionError, group, iam_policy, inline_policy, with_request_id,
};

/// How often all of it is done again when AWS says that something is still there: its reads lag behind, and somebody
/// may give the user something meanwhile.
const SWEEPS: u32 = 4;
const BETWEEN_SWEEPS: Duration = Duration::from_secs(2);
/// How long after a first look a user that AWS does not show is looked for again.
const BEFORE_GONE: Duration = Duration::from_secs(3);

/// Deletes a user with all that the user has: password, keys, certificates, MFA devices with those that are virtual,
/// policies, places in groups. A user that is gone is success, with the protocol's annotation. `parent`, where the
/// request has one, must be the user's account.
///
/// Source: `iam:GetUser`, `DeleteUser`, and the listing and deletion of each kind of belongings. Cancelled in the
/// middle, the user has less than before; a repetition goes on.
pub(in crate::connector) async fn delete(
    connector: &Connector,
    id: &ResourceId,
    parent: Option<&ResourceId>,
    provision: &Provision,
) -> Result<DeleteResourceResponse, ProvisionError> {
    let user = Entity::parse(EntityKind::User, &id.resource)?;
    if let Some(parent) = parent.filter(|parent| parent.resource != user.account.as_str()) {
        return Err(ProvisionError::invalid(format!(
            "the user is of account {}, and the request names {} {:?} as its parent",
            user.account,
            parent.resource_type.chars().take(64).collect::<String>(),
            parent.resource.chars().take(64).collect::<String>(),
        )));
    }
    let guard = connector.guard(provision).await?;
    guard.identity(user.arn)?;
    let iam = user.enter(connector, provision).await?;
    let key = (user.arn.to_owned(), ID, user.arn.to_owned());
    let _turn = connector.turns.wait(key, provision).await?;
    let gone = || DeleteResourceResponse { annotations: vec![any::pack(&ResourceDoesNotExist {})] };
    let mut seen = user.verify(connector, &iam, provision).await;
    // A user who was made a moment ago may not show yet, and would be left behind as gone.
    if matches!(&seen, Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound)) {
        provision.pause(BEFORE_GONE).await?;
        seen = user.verify(connector, &iam, provision).await;
    }
    let user = match seen {
        Ok(user) => user,
        Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => return Ok(gone()),
        Err(error) => return Err(error),
    };
    let deletion = Deletion { iam: &iam, user: &user, guard: &guard, provision };
    deletion.guarded().await?;
    for sweep in 1.. {
        deletion.belongings().await?;
        deletion.policies_and_groups().await?;
        match deletion.user().await {
            Err(ProvisionError::Call(error))
                if matches!(error.class(), Class::Conflict { .. }) && sweep < SWEEPS =>
            {
                provision.pause(BETWEEN_SWEEPS).await?;
            }
            Ok(Some(request_id)) => {
                return Ok(DeleteResourceResponse { annotations: with_request_id(vec![], request_id) });
            }
            Ok(None) => return Ok(gone()),
            Err(error) => return Err(error),
        }
    }
    Ok(gone())
}

struct Deletion<'a> {
    iam: &'a Iam,
    user: &'a Verified,
    guard: &'a Guard<'a>,
    provision: &'a Provision,
}

impl Deletion<'_> {
    /// Refuses, before the first write, to take what is protected from the user. AWS showed the user just now: where it
    /// finds nobody to list for, nothing is known of what the user has.
    async fn guarded(&self) -> Result<(), ProvisionError> {
        let (iam, name) = (self.iam, self.user.name());
        if !self.guard.protects_what_is_held() {
            return Ok(());
        }
        for group in known(iam.groups_of(name).try_concat().await)? {
            self.guard.held(group::ID, &group.arn)?;
        }
        for policy in known(iam.attached_policies(EntityKind::User, name).try_concat().await)? {
            self.guard.held(iam_policy::ID, &policy.arn)?;
        }
        for policy in known(iam.inline_policy_names(EntityKind::User, name).try_concat().await)? {
            self.guard.held(inline_policy::ID, &inline_policy_id(self.user.arn(), &policy))?;
        }
        Ok(())
    }

    /// Password, keys, certificates, devices.
    async fn belongings(&self) -> Result<(), ProvisionError> {
        let (iam, user, name) = (self.iam, self.user, self.user.name());
        self.step("iam:DeleteLoginProfile", "login_profile", name, None, || iam.delete_login_profile(user))
            .await?;
        for (of, operation, word) in [
            (Belonging::AccessKey, "iam:DeleteAccessKey", "access-key"),
            (Belonging::SigningCertificate, "iam:DeleteSigningCertificate", "signing_certificate"),
            (Belonging::SshPublicKey, "iam:DeleteSSHPublicKey", "ssh_public_key"),
            (Belonging::ServiceCredential, "iam:DeleteServiceSpecificCredential", "service_credential"),
            (Belonging::MfaDevice, "iam:DeactivateMFADevice", "mfa_device"),
        ] {
            for id in listed(iam.belongings(name, of).try_concat().await)? {
                self.step(operation, word, &id, None, || iam.remove_belonging(user, of, &id)).await?;
                // The device of an application is an object of its own, which nobody else can use any more.
                if of == Belonging::MfaDevice && id.starts_with("arn:") && id.contains(":mfa/") {
                    let delete = || iam.delete_virtual_mfa_device(&id);
                    self.step("iam:DeleteVirtualMFADevice", word, &id, None, delete).await?;
                }
            }
        }
        Ok(())
    }

    async fn policies_and_groups(&self) -> Result<(), ProvisionError> {
        let (iam, user, name) = (self.iam, self.user, self.user.name());
        for policy in listed(iam.inline_policy_names(EntityKind::User, name).try_concat().await)? {
            let document = match iam.inline_policy(EntityKind::User, name, &policy).await {
                Ok(document) => document,
                Err(error) if matches!(error.class(), Class::NotFound) => continue,
                Err(error) => return Err(error.into()),
            };
            // It may show only now: the listings of the first look may have been behind.
            self.guard.held(inline_policy::ID, &inline_policy_id(user.arn(), &policy))?;
            let delete = || iam.delete_inline_policy(user, &policy);
            self.step("iam:DeleteUserPolicy", inline_policy::ID, &policy, Some(document), delete).await?;
        }
        for policy in listed(iam.attached_policies(EntityKind::User, name).try_concat().await)? {
            self.guard.held(iam_policy::ID, &policy.arn)?;
            let detach = || iam.detach_policy(user, &policy.arn);
            self.step("iam:DetachUserPolicy", iam_policy::ID, &policy.arn, None, detach).await?;
        }
        for group in listed(iam.groups_of(name).try_concat().await)? {
            self.guard.held(group::ID, &group.arn)?;
            let group = Verified::from(&group);
            let leave = || iam.remove_user_from_group(&group, user);
            self.step("iam:RemoveUserFromGroup", group::ID, group.arn(), None, leave).await?;
        }
        Ok(())
    }

    /// The user itself; `None` when somebody else deleted it meanwhile.
    async fn user(&self) -> Result<Option<Option<String>>, ProvisionError> {
        let delete = || self.iam.delete_user(self.user);
        self.step("iam:DeleteUser", ID, self.user.arn(), None, delete).await
    }

    /// One write and its audit line; gives AWS's id of the request, or `None` for what was gone already.
    async fn step<F>(
        &self,
        operation: &'static str,
        target_type: &'static str,
        target: &str,
        document: Option<String>,
        write: impl Fn() -> F,
    ) -> Result<Option<Option<String>>, ProvisionError>
    where
        F: Future<Output = Result<Written<()>, CallError>>,
    {
        let mut audit = Audit::begin(
            self.provision,
            Write {
                operation,
                target_type,
                target,
                principal_type: ID,
                principal: self.user.arn(),
                wanted: State::NotHeld,
            },
        );
        if let Some(document) = document {
            audit.keep(document);
        }
        match CONFLICT.send(&mut audit, self.provision, write).await {
            Ok(written) => {
                audit.changed(written.request_id.as_deref());
                Ok(Some(written.request_id))
            }
            Err(ProvisionError::Call(error)) if matches!(error.class(), Class::NotFound) => {
                audit.already(&error);
                Ok(None)
            }
            Err(error) => Err(audit.failed(error)),
        }
    }
}

/// What a listing shows; a user that is gone has nothing.
fn listed<T>(rows: Result<Vec<T>, CallError>) -> Result<Vec<T>, ProvisionError> {
    match rows {
        Err(error) if matches!(error.class(), Class::NotFound) => Ok(Vec::new()),
        rows => Ok(rows?),
    }
}

/// What a listing shows of a user who is there.
fn known<T>(rows: Result<Vec<T>, CallError>) -> Result<Vec<T>, ProvisionError> {
    rows.map_err(|error| {
        if !matches!(error.class(), Class::NotFound) {
            return error.into();
        }
        let what = "AWS does not show what the user has, some of which may be protected";
        ProvisionError::GuardBlind { what, error }
    })
}
