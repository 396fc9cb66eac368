//! Inline policies, which are part of one user, group, role or permission set: rows, and their deletion.

use super::audit::{Audit, State, Write};
use super::holder::Holder;
use super::iam_change::{CONFLICT, taken};
use super::iam_entity::Entity;
use super::{
    Connector, Kind, Needs, Provision, ProvisionError, iam_policy, marker, permission_set, principal_of,
    resource_of, revoked,
};
use crate::aws::Input;
use crate::aws::iam::EntityKind;
use crate::baton::id::{inline_policy_id, inline_policy_of};
use crate::baton::profile::Profile;
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    Capability, Entitlement, Grant, GrantAlreadyRevoked, GrantManagerServiceRevokeResponse, Resource,
    ResourceType, RoleTrait, V1Identifier,
};
use crate::baton::{any, entitlement as entitlements};

/// The id of the resource type.
pub const ID: &str = "inline_policy";

/// What the one inline policy of a permission set is called.
pub const OF_PERMISSION_SET: &str = "inline";

pub(super) const KIND: Kind =
    Kind { resource_type, capabilities: &[Capability::Sync, Capability::Provision], needs: Needs::Nothing };

/// The resource type. Source: `iam:GetAccountAuthorizationDetails`, `iam:List{User,Role,Group}Policies`,
/// `iam:Get{User,Role,Group}Policy`, `sso:GetInlinePolicyForPermissionSet`.
pub fn resource_type() -> ResourceType {
    resource::resource_type(
        ID,
        "Inline Policy",
        &[Trait::Role],
        vec![marker(&V1Identifier { id: ID.to_owned() })],
        &[
            "iam:ListUserPolicies",
            "iam:ListRolePolicies",
            "iam:ListGroupPolicies",
            "sso:GetInlinePolicyForPermissionSet",
            "iam:GetUserPolicy",
            "iam:GetRolePolicy",
            "iam:GetGroupPolicy",
            "iam:DeleteUserPolicy",
            "iam:DeleteRolePolicy",
            "iam:DeleteGroupPolicy",
        ],
    )
}

/// The resource of a policy that is part of `holder`.
pub fn resource(holder: &Holder, name: &str, document: Option<&str>) -> Resource {
    let parent = holder.id();
    let profile = Profile::new().string("aws_policy_name", name).string("aws_parent_arn", parent);
    let mut resource = resource::named(ID, &inline_policy_id(parent, name), name)
        .with_parent(Some(holder.resource_id()))
        .with_profile(super::with_document(profile, document).build())
        .with(&RoleTrait::default());
    resource.description = match holder.resource_type() {
        permission_set::ID => format!("Inline policy attached to permission set {parent}"),
        kind => format!("Inline policy {name} attached to {kind} IAM {parent}"),
    };
    resource
}

/// The entitlement of having the policy, which nobody but its holder can.
pub fn entitlement(policy: &Resource) -> Entitlement {
    let name = &policy.display_name;
    let of_holder = policy.parent_resource_id.as_ref().and_then(|id| super::type_of(&id.resource_type));
    Entitlement {
        display_name: format!("{name} Inline Policy"),
        description: format!("Has the {name} inline policy in AWS"),
        ..entitlements::assignment(policy, iam_policy::ATTACHED, of_holder.into_iter().collect())
    }
}

/// The holder's own policy.
pub fn grant(policy: &Resource, holder: &Holder) -> Grant {
    Grant {
        annotations: holder.expansion(),
        ..super::plain_grant(policy, iam_policy::ATTACHED, holder.principal())
    }
}

/// Deletes an inline policy of a user, group or role for good; its text stays in the audit trail. Gone already is
/// success, with the protocol's annotation.
///
/// Source: `iam:Get{User,Group,Role}`, `Get{User,Group,Role}Policy`, `Delete{User,Group,Role}Policy`. Cancel-safe.
pub(super) async fn delete(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let target = Target::parse(resource_of(entitlement)?, principal)?;
    let mut audit = Audit::begin(provision, target.write());
    let deleted = target.delete(connector, provision, &mut audit).await;
    let done = taken(audit, deleted)?;
    let already = done.already.then(|| any::pack(&GrantAlreadyRevoked {}));
    Ok(revoked(already.into_iter().collect(), done.request_id))
}

/// What a deletion is about.
struct Target<'a> {
    id: &'a str,
    holder: Entity<'a>,
    name: &'a str,
}

impl<'a> Target<'a> {
    fn parse(policy: &'a Resource, principal: &'a Resource) -> Result<Self, ProvisionError> {
        let id = policy.object_id();
        let (holder, name) = inline_policy_of(id)?;
        if principal.type_id() == permission_set::ID {
            return Err(ProvisionError::Unsupported(
                "the inline policy of a permission set cannot be revoked: change the permission set"
                    .to_owned(),
            ));
        }
        if principal.object_id() != holder {
            return Err(ProvisionError::invalid(format!(
                "the policy is part of {holder:?}, and its principal is another: {:?}",
                principal.object_id().chars().take(256).collect::<String>()
            )));
        }
        if !Input::PolicyName.takes(name) {
            return Err(ProvisionError::invalid("the name of the inline policy is not one that AWS takes"));
        }
        Ok(Self { id, holder: Entity::of(principal)?, name })
    }

    async fn delete(
        &self,
        connector: &Connector,
        provision: &Provision,
        audit: &mut Audit<'_>,
    ) -> Result<Option<String>, ProvisionError> {
        let iam = self.holder.enter(connector, provision).await?;
        let key = (self.id.to_owned(), self.holder.resource_type(), self.holder.arn.to_owned());
        let _turn = connector.turns.wait(key, provision).await?;
        let holder = self.holder.verify(connector, &iam, provision).await?;
        // It exists nowhere else: what cannot be kept is not deleted.
        audit.keep(iam.inline_policy(holder.kind(), holder.name(), self.name).await?);
        audit.found(State::Held);
        let delete = || iam.delete_inline_policy(&holder, self.name);
        Ok(CONFLICT.send(audit, provision, delete).await?.request_id)
    }

    fn write(&self) -> Write<'_> {
        let operation = match self.holder.kind {
            EntityKind::User => "iam:DeleteUserPolicy",
            EntityKind::Group => "iam:DeleteGroupPolicy",
            EntityKind::Role => "iam:DeleteRolePolicy",
        };
        Write {
            operation,
            target_type: ID,
            target: self.id,
            principal_type: self.holder.resource_type(),
            principal: self.holder.arn,
            wanted: State::NotHeld,
        }
    }
}
