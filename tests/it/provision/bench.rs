//! An AWS, a connector that reaches it, and the messages that a control plane would send.

use std::time::Duration;

use batond::aws::organizations::{Account, AccountState};
use batond::aws::sso_admin::PermissionSet;
use batond::baton::any;
use batond::baton::resource;
use batond::baton::v2::{
    Entitlement, Grant, GrantAlreadyExists, GrantAlreadyRevoked, GrantManagerServiceGrantResponse,
    GrantManagerServiceRevokeResponse, RequestId, Resource,
};
use batond::config::AwsSettings;
use batond::connector::{
    Connector, Provision, ProvisionError, account, permission_set_assignment, sso_group, sso_user,
};
use prost_types::Any;
use testbed::aws::{Fixture, PrincipalType, Server};
use tokio_util::sync::CancellationToken;

use crate::support;

/// The id that a revoke carries when only entitlement and principal are known.
pub(super) const UNKNOWN: &str = "🧸_UNKNOWN_GRANT_ID";

pub(super) const CREATE: &str = "sso:CreateAccountAssignment";
pub(super) const DELETE: &str = "sso:DeleteAccountAssignment";
pub(super) const LIST: &str = "sso:ListAccountAssignments";
pub(super) const CREATED: &str = "sso:DescribeAccountAssignmentCreationStatus";
pub(super) const DELETED: &str = "sso:DescribeAccountAssignmentDeletionStatus";
pub(super) const JOIN: &str = "identitystore:CreateGroupMembership";
pub(super) const LEAVE: &str = "identitystore:DeleteGroupMembership";
pub(super) const FIND: &str = "identitystore:GetGroupMembershipId";

/// An account and a permission set that nobody holds there.
pub(super) const SHOP: &str = "Shop (staging)";
pub(super) const ADMIN: &str = "AdministratorAccess";

pub(super) struct Bench {
    pub(super) aws: Server,
    pub(super) connector: Connector,
}

/// The resource type whose entitlement assigns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Through {
    Account,
    Binding,
}

impl Bench {
    /// The example organization; calls are counted from here on.
    pub(super) async fn start() -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let connector = support::connector(&aws).await;
        aws.reset_counters();
        Self { aws, connector }
    }

    /// The same with IAM of members, which may be changed, too.
    pub(super) async fn with_members(change: impl FnOnce(&mut AwsSettings)) -> Self {
        let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
        let mut settings = AwsSettings { cross_account_iam: true, ..support::aws_settings(&aws) };
        change(&mut settings);
        let connector = Connector::open(&settings).await.unwrap();
        aws.reset_counters();
        Self { aws, connector }
    }

    pub(super) async fn settling_in(settle: Duration) -> Self {
        let bench = Self::start().await;
        bench.aws.set(|knobs| knobs.settle = settle);
        bench
    }

    pub(super) fn user(&self, name: &str) -> Resource {
        let id = self.aws.user_id(name).unwrap();
        resource::reference(sso_user::ID, &self.connector.directory().user(&id))
    }

    pub(super) fn group(&self, name: &str) -> Resource {
        let id = self.aws.group_id(name).unwrap();
        resource::reference(sso_group::ID, &self.connector.directory().group(&id))
    }

    /// The membership entitlement of a group, as a sync writes it.
    pub(super) fn membership(&self, group: &str) -> Entitlement {
        let fact = batond::aws::identity_store::Group {
            id: self.aws.group_id(group).unwrap(),
            display_name: Some(group.into()),
            external_ids: Vec::new(),
        };
        sso_group::entitlement(&sso_group::resource(&self.connector.directory(), &fact))
    }

    /// The entitlement to a permission set on an account, as a sync writes it.
    pub(super) fn access(&self, through: Through, account: &str, set: &str) -> Entitlement {
        let id = self.aws.account_id(account).unwrap();
        let fact = Account {
            id: id.parse().unwrap(),
            arn: None,
            name: Some(account.into()),
            state: AccountState::Active,
            paths: Vec::new(),
        };
        let set = PermissionSet {
            arn: self.aws.permission_set_arn(set).unwrap(),
            name: set.into(),
            description: None,
        };
        let resource = account::resource(&fact, None, None);
        match through {
            Through::Account => account::entitlement(&resource, &set),
            Through::Binding => {
                permission_set_assignment::entitlement(&permission_set_assignment::resource(&resource, &set))
            }
        }
    }

    pub(super) async fn grant(
        &self,
        task: &str,
        entitlement: &Entitlement,
        principal: &Resource,
    ) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
        self.connector.grant(entitlement, principal, &provision(task, &CancellationToken::new())).await
    }

    pub(super) async fn revoke(
        &self,
        task: &str,
        entitlement: &Entitlement,
        principal: &Resource,
    ) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
        let grant = held(UNKNOWN, entitlement, principal);
        self.connector.revoke(&grant, &provision(task, &CancellationToken::new())).await
    }

    pub(super) fn bob_is_admin(&self) -> bool {
        self.aws.is_assigned(SHOP, ADMIN, PrincipalType::User, "bob")
    }

    /// Puts bob into force as administrator, as if somebody else had done it.
    pub(super) fn make_bob_admin(&self) {
        let assignment = self.aws.assignment(SHOP, ADMIN, PrincipalType::User, "bob").unwrap();
        assert!(self.aws.assign(assignment));
    }

    pub(super) fn calls(&self, action: &str) -> u64 {
        self.aws.counters().calls(action)
    }
}

pub(super) fn provision(task: &str, cancel: &CancellationToken) -> Provision {
    Provision::new(task, cancel.clone())
}

/// A grant as a revoke carries it.
pub(super) fn held(id: &str, entitlement: &Entitlement, principal: &Resource) -> Grant {
    Grant {
        id: id.into(),
        entitlement: Some(entitlement.clone()),
        principal: Some(principal.clone()),
        ..Grant::default()
    }
}

pub(super) fn existed(answer: &GrantManagerServiceGrantResponse) -> bool {
    any::has::<GrantAlreadyExists>(&answer.annotations)
}

pub(super) fn was_gone(answer: &GrantManagerServiceRevokeResponse) -> bool {
    any::has::<GrantAlreadyRevoked>(&answer.annotations)
}

/// The request id that an answer carries.
pub(super) fn request_id(annotations: &[Any]) -> String {
    any::find::<RequestId>(annotations).expect("a request id").request_id
}
