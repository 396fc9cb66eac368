//! Managed policies of IAM, those of AWS and each account's own: rows, attachment, and its grant and revoke.

use super::holder::Holder;
use super::iam_change::{Change, Part};
use super::iam_entity::Entity;
use super::{
    Connector, Kind, Needs, Provision, ProvisionError, granted, group, iam_user, marker, permission_set,
    permission_set_assignment, principal_of, resource_of, revoked, role,
};
use crate::aws::Input;
use crate::aws::iam::{AttachedPolicy, EntityKind, Policy};
use crate::baton::id::Arn;
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, Entitlement, Grant, GrantAlreadyExists, GrantAlreadyRevoked,
    GrantManagerServiceGrantResponse, GrantManagerServiceRevokeResponse, Resource, ResourceId, ResourceType,
    RoleTrait, SkipGrants, V1Identifier,
};
use crate::baton::{any, entitlement as entitlements};

/// The id of the resource type.
pub const ID: &str = "iam_policy";

/// The slug of the entitlement of every policy.
pub const ATTACHED: &str = "attached";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Nothing };

/// The resource type. Source: `iam:ListPolicies`, `iam:GetPolicyVersion`, `iam:GetAccountAuthorizationDetails`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "IAM Managed Policy",
        &[Trait::Role],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListPolicies",
            "iam:GetPolicy",
            "iam:GetPolicyVersion",
            "iam:AttachUserPolicy",
            "iam:AttachRolePolicy",
            "iam:AttachGroupPolicy",
            "iam:DetachUserPolicy",
            "iam:DetachRolePolicy",
            "iam:DetachGroupPolicy",
        ],
    )
}

/// The resource of a policy. `parent` is the account of a member's own policy; AWS's policies have none.
pub fn resource(
    policy: &Policy,
    description: Option<&str>,
    document: Option<&str>,
    parent: Option<ResourceId>,
) -> Resource {
    let profile =
        Profile::new().string("aws_policy_name", &policy.name).string("aws_policy_arn", &policy.arn);
    let mut resource = resource::named(ID, &policy.arn, &policy.name)
        .with_parent(parent)
        .with_profile(super::with_document(profile, document).build())
        .with(&SkipGrants {})
        .with(&RoleTrait::default());
    description.unwrap_or_default().clone_into(&mut resource.description);
    resource
}

/// The entitlement of having the policy attached.
pub fn entitlement(policy: &Resource) -> Entitlement {
    let name = &policy.display_name;
    let grantable_to = vec![
        iam_user::resource_type(),
        role::resource_type(),
        group::resource_type(),
        permission_set::resource_type(),
        permission_set_assignment::resource_type(),
    ];
    Entitlement {
        display_name: format!("{name} Managed Policy"),
        description: format!("Has the {name} managed policy in AWS"),
        ..entitlements::assignment(policy, ATTACHED, grantable_to)
    }
}

/// The attachment of a policy to its holder. The policy may be one that is not synced itself: only its id and name
/// stand in the grant.
pub fn grant(policy: &AttachedPolicy, holder: &Holder) -> Grant {
    let policy = resource::named(ID, &policy.arn, &policy.name);
    Grant { annotations: holder.expansion(), ..super::plain_grant(&policy, ATTACHED, holder.principal()) }
}

/// Attaches a policy to a user, group or role. Attached already is success, with the protocol's annotation.
///
/// Source: `iam:Get{User,Group,Role}`, `ListAttached{User,Group,Role}Policies`, `Attach{User,Group,Role}Policy`.
/// Cancel-safe.
pub(super) async fn attach(
    connector: &Connector,
    entitlement: &Entitlement,
    principal: &Resource,
    provision: &Provision,
) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
    let policy = resource_of(entitlement)?;
    let change = attachment(policy, principal)?;
    let done = change.add(connector, provision).await?;
    let already = done.already.then(|| any::pack(&GrantAlreadyExists {}));
    let holder = match change.entity.kind {
        EntityKind::User => Holder::user(change.entity.arn),
        EntityKind::Group => Holder::group(change.entity.arn),
        EntityKind::Role => Holder::role(change.entity.arn),
    };
    let attached = AttachedPolicy { arn: policy.object_id().to_owned(), name: policy.display_name.clone() };
    Ok(granted(vec![grant(&attached, &holder)], already.into_iter().collect(), done.request_id))
}

/// Detaches a policy. Not attached (any more) is success, with the protocol's annotation.
///
/// Source: `iam:Get{User,Group,Role}`, `Detach{User,Group,Role}Policy`. Cancel-safe.
pub(super) async fn detach(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let done = attachment(resource_of(entitlement)?, principal)?.remove(connector, provision).await?;
    let already = done.already.then(|| any::pack(&GrantAlreadyRevoked {}));
    Ok(revoked(already.into_iter().collect(), done.request_id))
}

fn attachment<'a>(policy: &'a Resource, holder: &'a Resource) -> Result<Change<'a>, ProvisionError> {
    let entity = Entity::of(holder)?;
    let arn = policy.object_id();
    let Some(owner) = owner_of(arn) else {
        return Err(ProvisionError::invalid(format!(
            "invalid iam_policy id {:?}: expected arn:aws:iam::<account>:policy/<path><name>",
            arn.chars().take(256).collect::<String>()
        )));
    };
    if owner != "aws" && owner != entity.account.as_str() {
        return Err(ProvisionError::invalid(format!(
            "the policy is of account {owner}, and {} of account {}: a policy is attached in its own account",
            entity.arn, entity.account
        )));
    }
    Ok(Change { entity, part: Part::Policy(arn), target_type: ID, target: arn })
}

/// The account of a policy, or `aws`; `None` for what is no ARN of a policy.
fn owner_of(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "iam" && arn.region.is_empty())?;
    let path_and_name = arn.resource.strip_prefix("policy/")?;
    let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
    let is_path = path.len() <= 510 && path.bytes().all(|byte| byte.is_ascii_graphic());
    (Input::PolicyName.takes(name) && is_path).then_some(arn.account)
}
