//! Account assignments: the grants of `account` and `permission_set_assignment`, and how they are changed.
//!
//! AWS carries an assignment out asynchronously. Success here is AWS's terminal status, never the accepted request.

mod change;

use tracing::info;

use self::change::Change;
use super::audit::{Audit, State, Write, WriteError};
use super::turns::Key;
use super::{
    Connector, Provision, ProvisionError, account, granted, marker, permission_set_assignment, principal_of,
    resource_of, revoked, sso_group, sso_user,
};
use crate::aws::organizations::AccountState;
use crate::aws::sso_admin::{AssignmentTarget, Direction, PrincipalKind};
use crate::aws::{AccountId, AccountIdError, Class};
use crate::baton::any;
use crate::baton::id::{self, Binding, Directory};
use crate::baton::resource::{self, ResourceExt};
use crate::baton::v2::{
    Entitlement, Grant, GrantAlreadyExists, GrantAlreadyRevoked, GrantExpandable,
    GrantManagerServiceGrantResponse, GrantManagerServiceRevokeResponse, Resource, ScopeBindingTrait,
    V1Identifier,
};

/// Who holds an assignment, as ids of our resources.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Principal {
    /// `sso_user` or `sso_group`.
    pub resource_type: &'static str,
    /// The object id.
    pub id: String,
}

impl Principal {
    /// The principal of an assignment; `None` for a kind that Identity Center does not have today.
    pub fn new(directory: &Directory, kind: &PrincipalKind, id: &str) -> Option<Self> {
        match kind {
            PrincipalKind::User => Some(Self { resource_type: sso_user::ID, id: directory.user(id) }),
            PrincipalKind::Group => Some(Self { resource_type: sso_group::ID, id: directory.group(id) }),
            PrincipalKind::Other(_) => None,
        }
    }
}

/// The grant of `entitlement` (of an account or a binding) to a principal. A group's grant is inherited by its members.
pub fn grant(entitlement: &Entitlement, principal: &Principal) -> Grant {
    let mut annotations = vec![marker(&V1Identifier { id: id::v1_grant_id(&entitlement.id, &principal.id) })];
    if principal.resource_type == sso_group::ID {
        let members = id::entitlement_id(sso_group::ID, &principal.id, sso_group::MEMBER);
        annotations
            .push(marker(&GrantExpandable { entitlement_ids: vec![members], ..GrantExpandable::default() }));
    }
    Grant {
        id: id::assignment_grant_id(principal.resource_type, &principal.id, &entitlement.id),
        entitlement: Some(entitlement.clone()),
        principal: Some(resource::reference(principal.resource_type, &principal.id)),
        annotations,
        ..Grant::default()
    }
}

/// What an assignment task is about.
struct Target {
    resource_type: &'static str,
    id: String,
    principal: Principal,
    aws: AssignmentTarget,
}

impl Target {
    fn parse(entitlement: &Entitlement, principal: &Resource) -> Result<Self, ProvisionError> {
        let resource = resource_of(entitlement)?;
        let (resource_type, binding) = match resource.type_id() {
            account::ID => (account::ID, binding_on(resource, &entitlement.id)?),
            permission_set_assignment::ID => (permission_set_assignment::ID, binding_of(resource)?),
            other => return Err(ProvisionError::invalid(format!("{other} has no account assignments"))),
        };
        let object = principal.object_id();
        let (resource_type_of_principal, kind, principal_id) = match principal.type_id() {
            sso_user::ID => (sso_user::ID, PrincipalKind::User, id::sso_user_of(object)?),
            sso_group::ID => (sso_group::ID, PrincipalKind::Group, id::sso_group_of(object)?),
            other => {
                return Err(ProvisionError::invalid(format!(
                    "invalid principal resource type: {other}: an account assignment takes sso_user or sso_group"
                )));
            }
        };
        let aws = AssignmentTarget {
            account: binding
                .account
                .parse()
                .map_err(|error: AccountIdError| ProvisionError::invalid(error.to_string()))?,
            permission_set: binding.permission_set.clone(),
            principal: kind,
            principal_id: principal_id.to_owned(),
        };
        let principal = Principal { resource_type: resource_type_of_principal, id: object.to_owned() };
        Ok(Self { resource_type, id: binding.account_entitlement(), principal, aws })
    }

    fn change<'a>(
        &'a self,
        connector: &Connector,
        provision: &'a Provision,
        direction: Direction,
    ) -> Change<'a> {
        let sso_admin = connector.api(provision).sso_admin();
        Change { sso_admin, under_way: connector.under_way.clone(), provision, target: &self.aws, direction }
    }

    fn key(&self) -> Key {
        (self.id.clone(), self.principal.resource_type, self.aws.principal_id.clone())
    }

    fn write(&self, operation: &'static str, wanted: State) -> Write<'_> {
        Write {
            operation,
            target_type: self.resource_type,
            target: &self.id,
            principal_type: self.principal.resource_type,
            principal: &self.principal.id,
            wanted,
        }
    }
}

/// The id of an account's entitlement names the account once more.
fn binding_on(account: &Resource, entitlement: &str) -> Result<Binding, ProvisionError> {
    let binding = Binding::from_account_entitlement(entitlement)?;
    if binding.account == account.object_id() {
        return Ok(binding);
    }
    Err(ProvisionError::invalid(format!(
        "the entitlement is about account {}, but its resource is another account",
        binding.account
    )))
}

/// A binding's account and set come from its trait; a control plane that provisions just in time fabricates the
/// resource, so the id alone is not proof of either.
fn binding_of(resource: &Resource) -> Result<Binding, ProvisionError> {
    let scope: ScopeBindingTrait = any::find(&resource.annotations).ok_or_else(|| {
        ProvisionError::invalid("the entitlement's resource carries no scope binding trait")
    })?;
    let account = scope.scope_resource_id.unwrap_or_default();
    let set = scope.role_id.unwrap_or_default();
    if account.resource_type != account::ID {
        return Err(ProvisionError::invalid(format!(
            "a binding's scope is an account, not a {}",
            account.resource_type
        )));
    }
    Ok(Binding::new(&account.resource, &set.resource)?)
}

/// Assigns; an assignment that exists is success with the protocol's annotation.
///
/// Source: `sso:ListAccountAssignments`, `CreateAccountAssignment`, `DescribeAccountAssignmentCreationStatus`.
/// Cancelled in between, the outcome is unconfirmed: a repetition assigns again, which AWS does not mind.
pub(super) async fn assign(
    connector: &Connector,
    entitlement: &Entitlement,
    principal: &Resource,
    provision: &Provision,
) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
    let target = Target::parse(entitlement, principal)?;
    let change = target.change(connector, provision, Direction::Create);
    let mut audit = Audit::begin(provision, target.write("sso:CreateAccountAssignment", State::Held));
    let grant = grant(entitlement, &target.principal);
    let outcome = async {
        let _turn = connector.turns.wait(target.key(), provision).await?;
        // What the list shows may be out of date, or about to change: it chooses the annotation and nothing else.
        let existed = change.exists().await?;
        Ok((existed, change.carry_out(&mut audit).await?))
    };
    match outcome.await {
        Ok((true, request_id)) => {
            audit.unchanged(request_id.as_deref());
            Ok(granted(vec![grant], vec![any::pack(&GrantAlreadyExists {})], request_id))
        }
        Ok((false, request_id)) => {
            audit.changed(request_id.as_deref());
            Ok(granted(vec![grant], vec![], request_id))
        }
        Err(error) if may_be_of_the_account(&error) => {
            let standing = change.standing(connector).await;
            Err(audit.failed(explained(error, &target.aws.account, standing.as_ref())))
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// Unassigns; an assignment that is gone already is success with the protocol's annotation.
///
/// Source: `sso:DeleteAccountAssignment`, `DescribeAccountAssignmentDeletionStatus`, `ListAccountAssignments`.
/// Cancelled in between, the outcome is unconfirmed: a repetition deletes again and finds out.
pub(super) async fn unassign(
    connector: &Connector,
    grant: &Grant,
    provision: &Provision,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    let (entitlement, principal) = principal_of(grant)?;
    let target = Target::parse(entitlement, principal)?;
    let change = target.change(connector, provision, Direction::Delete);
    let mut audit = Audit::begin(provision, target.write("sso:DeleteAccountAssignment", State::NotHeld));
    let _turn = match connector.turns.wait(target.key(), provision).await {
        Ok(turn) => turn,
        Err(error) => return Err(audit.failed(error)),
    };
    match change.carry_out(&mut audit).await {
        Ok(request_id) => {
            audit.changed(request_id.as_deref());
            Ok(revoked(vec![], request_id))
        }
        Err(error) => {
            // AWS's texts do not tell a vanished assignment from a vanished principal: the assignment list does.
            if is_refusal(&error) && matches!(change.is_gone().await, Ok(true)) {
                let request_id = error.aws_request_id().map(str::to_owned);
                audit.unchanged(request_id.as_deref());
                return Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], request_id));
            }
            if !may_be_of_the_account(&error) {
                return Err(audit.failed(error));
            }
            let standing = change.standing(connector).await;
            unassigned_by_departure(audit, error, &target.aws.account, standing.as_ref())
        }
    }
}

/// How an account stands in the organization.
#[derive(Debug)]
enum Standing {
    /// It is not in it (any more).
    Departed,
    /// It is in it.
    In(AccountState),
}

/// The answer to a revoke that AWS refuses: nobody has access through the Identity Center of an organization to an
/// account that has left it.
fn unassigned_by_departure(
    audit: Audit<'_>,
    error: ProvisionError,
    account: &AccountId,
    standing: Option<&Standing>,
) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
    if !matches!(standing, Some(Standing::Departed)) {
        return Err(audit.failed(explained(error, account, standing)));
    }
    info!(
        account = %account,
        error = %error,
        "the account is not in the organization: nobody has access to it through its Identity Center"
    );
    let request_id = error.aws_request_id().map(str::to_owned);
    audit.unchanged(request_id.as_deref());
    Ok(revoked(vec![any::pack(&GrantAlreadyRevoked {})], request_id))
}

/// Whether the state of the account may be why AWS refused or failed a change.
fn may_be_of_the_account(error: &ProvisionError) -> bool {
    match error {
        ProvisionError::Failed { .. } => true,
        ProvisionError::Call(error) => {
            let refused = matches!(
                error.class(),
                Class::NotFound | Class::Invalid | Class::Denied | Class::Conflict { .. }
            );
            refused && !error.may_have_happened()
        }
        _ => false,
    }
}

/// The error, with what is wrong with the account where that is known.
fn explained(error: ProvisionError, account: &AccountId, standing: Option<&Standing>) -> ProvisionError {
    let what = match standing {
        None | Some(Standing::In(AccountState::Active)) => return error,
        Some(Standing::In(state)) => format!("account {account} is {state}"),
        Some(Standing::Departed) => format!("account {account} is not in the organization"),
    };
    ProvisionError::Account { what, error: Box::new(error) }
}

/// Whether AWS ended a deletion, or did not begin it, in a way that may mean that there is nothing to delete.
fn is_refusal(error: &ProvisionError) -> bool {
    match error {
        ProvisionError::Failed { .. } => true,
        ProvisionError::Call(error) => matches!(error.class(), Class::NotFound) && !error.may_have_happened(),
        _ => false,
    }
}
