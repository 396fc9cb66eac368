//! SSO Admin: instances, permission sets and account assignments of Identity Center.

use aws_sdk_ssoadmin::Client;
use aws_sdk_ssoadmin::types::{
    self, AccountAssignmentOperationStatus, OperationStatusFilter, StatusValues, TargetType,
};
use aws_types::request_id::RequestId;
use futures::stream::BoxStream;

use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::iam::AttachedPolicy;
use super::operation::{Operation, Service};
use super::pages::pages;
use crate::grammar;

const LIST_INSTANCES: Operation = Operation::safe(Service::SsoAdmin, "ListInstances");
const DESCRIBE_INSTANCE: Operation = Operation::safe(Service::SsoAdmin, "DescribeInstance");
const LIST_PERMISSION_SETS: Operation = Operation::safe(Service::SsoAdmin, "ListPermissionSets");
const DESCRIBE_PERMISSION_SET: Operation = Operation::safe(Service::SsoAdmin, "DescribePermissionSet");
const LIST_PROVISIONED: Operation =
    Operation::safe(Service::SsoAdmin, "ListPermissionSetsProvisionedToAccount");
const LIST_ASSIGNMENTS: Operation = Operation::safe(Service::SsoAdmin, "ListAccountAssignments");
const CREATION_STATUS: Operation =
    Operation::safe(Service::SsoAdmin, "DescribeAccountAssignmentCreationStatus");
const DELETION_STATUS: Operation =
    Operation::safe(Service::SsoAdmin, "DescribeAccountAssignmentDeletionStatus");
const LIST_CREATIONS: Operation = Operation::safe(Service::SsoAdmin, "ListAccountAssignmentCreationStatus");
const LIST_DELETIONS: Operation = Operation::safe(Service::SsoAdmin, "ListAccountAssignmentDeletionStatus");
const LIST_ASSIGNMENTS_OF_PRINCIPAL: Operation =
    Operation::safe(Service::SsoAdmin, "ListAccountAssignmentsForPrincipal");
const LIST_MANAGED_POLICIES: Operation =
    Operation::safe(Service::SsoAdmin, "ListManagedPoliciesInPermissionSet");
const LIST_CUSTOMER_POLICIES: Operation =
    Operation::safe(Service::SsoAdmin, "ListCustomerManagedPolicyReferencesInPermissionSet");
const GET_INLINE_POLICY: Operation = Operation::safe(Service::SsoAdmin, "GetInlinePolicyForPermissionSet");
// These start work that goes on in AWS: a second one contradicts the first.
const CREATE_ASSIGNMENT: Operation = Operation::once(Service::SsoAdmin, "CreateAccountAssignment");
const DELETE_ASSIGNMENT: Operation = Operation::once(Service::SsoAdmin, "DeleteAccountAssignment");

/// AWS's largest page.
const PAGE: i32 = 100;

/// The longest id of an identity store, which may be an ARN.
const LONGEST_STORE_ID: usize = 93;

/// Calls of SSO Admin about one Identity Center instance.
#[derive(Clone, Debug)]
pub struct SsoAdmin {
    client: Client,
    lane: Lane,
    instance: String,
}

/// What a change of an assignment leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The assignment is there.
    Create,
    /// It is gone.
    Delete,
}

impl SsoAdmin {
    pub(super) fn new(client: Client, lane: Lane, instance: String) -> Self {
        Self { client, lane, instance }
    }

    /// Whether a permission set with this ARN would be one of this instance.
    pub fn has_arn_of(&self, permission_set: &str) -> bool {
        let own = self.instance.rsplit('/').next();
        own.is_some_and(|own| permission_set.split('/').nth(1) == Some(own))
    }

    /// Whether the instance has permission sets (`sso:DescribeInstance`); `None` where AWS does not say.
    pub async fn permission_sets_enabled(&self) -> Result<Option<bool>, CallError> {
        let request = self.client.describe_instance().instance_arn(&self.instance);
        let answer = self
            .lane
            .send(DESCRIBE_INSTANCE, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        Ok(answer.permission_sets_enabled)
    }

    /// ARNs of all permission sets, by pages (`sso:ListPermissionSets`).
    pub fn permission_sets(&self) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        let (client, instance) = (self.client.clone(), self.instance.clone());
        pages(self.lane.clone(), LIST_PERMISSION_SETS, move |lane, token| {
            let request =
                client.list_permission_sets().instance_arn(&instance).max_results(PAGE).set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_PERMISSION_SETS, || {
                        request.clone().customize().interceptor(Answer::with("PermissionSets")).send()
                    })
                    .await?;
                Ok((page.permission_sets.unwrap_or_default(), page.next_token))
            }
        })
    }

    /// Name and description of a permission set (`sso:DescribePermissionSet`).
    pub async fn describe_permission_set(&self, arn: &str) -> Result<PermissionSet, CallError> {
        let request =
            self.client.describe_permission_set().instance_arn(&self.instance).permission_set_arn(arn);
        let answer = self
            .lane
            .send(DESCRIBE_PERMISSION_SET, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let name = answer.permission_set.as_ref().and_then(|set| set.name.clone());
        let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
            self.lane.malformed(DESCRIBE_PERMISSION_SET, format!("{arn} is described without a name"))
        })?;
        let description = answer.permission_set.and_then(|set| set.description);
        Ok(PermissionSet { arn: arn.to_owned(), name, description })
    }

    /// ARNs of the permission sets that are provisioned to an account, by pages
    /// (`sso:ListPermissionSetsProvisionedToAccount`).
    pub fn provisioned_permission_sets(
        &self,
        account: &AccountId,
    ) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        let (client, instance, account) = (self.client.clone(), self.instance.clone(), account.clone());
        pages(self.lane.clone(), LIST_PROVISIONED, move |lane, token| {
            let request = client
                .list_permission_sets_provisioned_to_account()
                .instance_arn(&instance)
                .account_id(account.as_str())
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                // The one listing that AWS sends without its list where there is nothing in it.
                let page = lane
                    .send(LIST_PROVISIONED, || request.clone().customize().interceptor(Answer::OBJECT).send())
                    .await?;
                Ok((page.permission_sets.unwrap_or_default(), page.next_token))
            }
        })
    }

    /// Who is assigned a permission set in an account, by pages (`sso:ListAccountAssignments`).
    pub fn assignments(
        &self,
        account: &AccountId,
        permission_set: &str,
    ) -> BoxStream<'static, Result<Vec<Assignment>, CallError>> {
        let (client, instance) = (self.client.clone(), self.instance.clone());
        let (account, permission_set) = (account.clone(), permission_set.to_owned());
        pages(self.lane.clone(), LIST_ASSIGNMENTS, move |lane, token| {
            let request = client
                .list_account_assignments()
                .instance_arn(&instance)
                .account_id(account.as_str())
                .permission_set_arn(&permission_set)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_ASSIGNMENTS, || {
                        request.clone().customize().interceptor(Answer::with("AccountAssignments")).send()
                    })
                    .await?;
                let rows = page.account_assignments.unwrap_or_default().into_iter();
                let rows = rows.map(|row| Assignment::read(row, &lane)).collect::<Result<_, _>>()?;
                Ok((rows, page.next_token))
            }
        })
    }

    /// What a principal is assigned, by pages (`sso:ListAccountAssignmentsForPrincipal`, in the management account
    /// alone). With a user AWS also lists what is inherited from its groups; those rows name the group.
    pub fn assignments_of(
        &self,
        kind: &PrincipalKind,
        id: &str,
    ) -> BoxStream<'static, Result<Vec<HeldAssignment>, CallError>> {
        let (client, instance) = (self.client.clone(), self.instance.clone());
        let (kind, id) = (kind.to_sdk(), id.to_owned());
        pages(self.lane.clone(), LIST_ASSIGNMENTS_OF_PRINCIPAL, move |lane, token| {
            let request = client
                .list_account_assignments_for_principal()
                .instance_arn(&instance)
                .principal_type(kind.clone())
                .principal_id(&id)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_ASSIGNMENTS_OF_PRINCIPAL, || {
                        request.clone().customize().interceptor(Answer::with("AccountAssignments")).send()
                    })
                    .await?;
                let rows = page.account_assignments.unwrap_or_default().into_iter();
                let rows = rows.map(|row| HeldAssignment::read(row, &lane)).collect::<Result<_, _>>()?;
                Ok((rows, page.next_token))
            }
        })
    }

    /// The AWS-managed policies of a permission set, by pages (`sso:ListManagedPoliciesInPermissionSet`).
    pub fn managed_policies(
        &self,
        permission_set: &str,
    ) -> BoxStream<'static, Result<Vec<AttachedPolicy>, CallError>> {
        let (client, instance) = (self.client.clone(), self.instance.clone());
        let permission_set = permission_set.to_owned();
        pages(self.lane.clone(), LIST_MANAGED_POLICIES, move |lane, token| {
            let request = client
                .list_managed_policies_in_permission_set()
                .instance_arn(&instance)
                .permission_set_arn(&permission_set)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_MANAGED_POLICIES, || {
                        request
                            .clone()
                            .customize()
                            .interceptor(Answer::with("AttachedManagedPolicies"))
                            .send()
                    })
                    .await?;
                let policies = page.attached_managed_policies.unwrap_or_default().into_iter().map(|policy| {
                    let arn = policy.arn.filter(|arn| !arn.is_empty()).ok_or_else(|| {
                        lane.malformed(LIST_MANAGED_POLICIES, "an attached policy has no Arn")
                    })?;
                    Ok(AttachedPolicy { arn, name: policy.name.unwrap_or_default() })
                });
                Ok((policies.collect::<Result<_, _>>()?, page.next_token))
            }
        })
    }

    /// The references of a permission set to policies that each account has itself, by pages
    /// (`sso:ListCustomerManagedPolicyReferencesInPermissionSet`).
    pub fn customer_policies(
        &self,
        permission_set: &str,
    ) -> BoxStream<'static, Result<Vec<CustomerPolicy>, CallError>> {
        let (client, instance) = (self.client.clone(), self.instance.clone());
        let permission_set = permission_set.to_owned();
        pages(self.lane.clone(), LIST_CUSTOMER_POLICIES, move |lane, token| {
            let request = client
                .list_customer_managed_policy_references_in_permission_set()
                .instance_arn(&instance)
                .permission_set_arn(&permission_set)
                .max_results(PAGE)
                .set_next_token(token);
            async move {
                let page = lane
                    .send(LIST_CUSTOMER_POLICIES, || {
                        request
                            .clone()
                            .customize()
                            .interceptor(Answer::with("CustomerManagedPolicyReferences"))
                            .send()
                    })
                    .await?;
                let references = page.customer_managed_policy_references.unwrap_or_default().into_iter();
                let references = references.map(|reference| {
                    if reference.name.is_empty() {
                        return Err(lane.malformed(LIST_CUSTOMER_POLICIES, "a reference has no Name"));
                    }
                    let path = reference.path.filter(|path| !path.is_empty());
                    Ok(CustomerPolicy { name: reference.name, path: path.unwrap_or_else(|| "/".to_owned()) })
                });
                Ok((references.collect::<Result<_, _>>()?, page.next_token))
            }
        })
    }

    /// The inline policy of a permission set, as JSON text (`sso:GetInlinePolicyForPermissionSet`); `None` if it has
    /// none.
    pub async fn inline_policy(&self, permission_set: &str) -> Result<Option<String>, CallError> {
        let request = self
            .client
            .get_inline_policy_for_permission_set()
            .instance_arn(&self.instance)
            .permission_set_arn(permission_set);
        let answer = self
            .lane
            .send(GET_INLINE_POLICY, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        Ok(answer.inline_policy.filter(|document| !document.is_empty()))
    }

    /// Asks for an assignment (`sso:CreateAccountAssignment`), which AWS then carries out by itself; its state is
    /// asked for with [`creation_status`](Self::creation_status). Never sent twice blindly: where
    /// [`CallError::may_have_happened`] is true, the assignments tell what came of it.
    pub async fn create_assignment(&self, target: &AssignmentTarget) -> Result<AssignmentRequest, CallError> {
        if self.lane.rehearses() {
            return Ok(AssignmentRequest::REHEARSED);
        }
        let request = self
            .client
            .create_account_assignment()
            .instance_arn(&self.instance)
            .target_id(target.account.as_str())
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(&target.permission_set)
            .principal_type(target.principal.to_sdk())
            .principal_id(&target.principal_id);
        let answer = self
            .lane
            .send(CREATE_ASSIGNMENT, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let aws_request_id = answer.request_id().map(str::to_owned);
        self.read_status(CREATE_ASSIGNMENT, answer.account_assignment_creation_status, aws_request_id)
    }

    /// Asks for the end of an assignment (`sso:DeleteAccountAssignment`), as
    /// [`create_assignment`](Self::create_assignment) does for its begin.
    pub async fn delete_assignment(&self, target: &AssignmentTarget) -> Result<AssignmentRequest, CallError> {
        if self.lane.rehearses() {
            return Ok(AssignmentRequest::REHEARSED);
        }
        let request = self
            .client
            .delete_account_assignment()
            .instance_arn(&self.instance)
            .target_id(target.account.as_str())
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(&target.permission_set)
            .principal_type(target.principal.to_sdk())
            .principal_id(&target.principal_id);
        let answer = self
            .lane
            .send(DELETE_ASSIGNMENT, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let aws_request_id = answer.request_id().map(str::to_owned);
        self.read_status(DELETE_ASSIGNMENT, answer.account_assignment_deletion_status, aws_request_id)
    }

    /// How far a creation is (`sso:DescribeAccountAssignmentCreationStatus`).
    pub async fn creation_status(&self, request_id: &str) -> Result<AssignmentRequest, CallError> {
        let request = self
            .client
            .describe_account_assignment_creation_status()
            .instance_arn(&self.instance)
            .account_assignment_creation_request_id(request_id);
        let answer = self
            .lane
            .send(CREATION_STATUS, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let aws_request_id = answer.request_id().map(str::to_owned);
        self.read_status(CREATION_STATUS, answer.account_assignment_creation_status, aws_request_id)
    }

    /// How far a deletion is (`sso:DescribeAccountAssignmentDeletionStatus`).
    pub async fn deletion_status(&self, request_id: &str) -> Result<AssignmentRequest, CallError> {
        let request = self
            .client
            .describe_account_assignment_deletion_status()
            .instance_arn(&self.instance)
            .account_assignment_deletion_request_id(request_id);
        let answer = self
            .lane
            .send(DELETION_STATUS, || request.clone().customize().interceptor(Answer::OBJECT).send())
            .await?;
        let aws_request_id = answer.request_id().map(str::to_owned);
        self.read_status(DELETION_STATUS, answer.account_assignment_deletion_status, aws_request_id)
    }

    /// Ids of the creations or deletions that AWS has in progress, by pages
    /// (`sso:ListAccountAssignmentCreationStatus`, `ListAccountAssignmentDeletionStatus`). Those of others are among
    /// them.
    pub fn in_progress(&self, direction: Direction) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        /// One listing; the two differ in their operation and in the member that holds the rows.
        macro_rules! list {
            ($operation:expr, $method:ident, $rows:ident, $member:literal) => {{
                let (client, instance) = (self.client.clone(), self.instance.clone());
                pages(self.lane.clone(), $operation, move |lane, token| {
                    let only = OperationStatusFilter::builder().status(StatusValues::InProgress).build();
                    let request = client
                        .$method()
                        .instance_arn(&instance)
                        .filter(only)
                        .max_results(PAGE)
                        .set_next_token(token);
                    async move {
                        let page = lane
                            .send($operation, || {
                                request.clone().customize().interceptor(Answer::with($member)).send()
                            })
                            .await?;
                        let rows = page.$rows.unwrap_or_default().into_iter();
                        Ok((rows.filter_map(|row| row.request_id).collect(), page.next_token))
                    }
                })
            }};
        }
        match direction {
            Direction::Create => list!(
                LIST_CREATIONS,
                list_account_assignment_creation_status,
                account_assignments_creation_status,
                "AccountAssignmentsCreationStatus"
            ),
            Direction::Delete => list!(
                LIST_DELETIONS,
                list_account_assignment_deletion_status,
                account_assignments_deletion_status,
                "AccountAssignmentsDeletionStatus"
            ),
        }
    }

    fn read_status(
        &self,
        operation: Operation,
        status: Option<AccountAssignmentOperationStatus>,
        aws_request_id: Option<String>,
    ) -> Result<AssignmentRequest, CallError> {
        let malformed = |message: String| self.lane.malformed(operation, message);
        let status = status.ok_or_else(|| malformed("it has no status".to_owned()))?;
        let target = AssignmentTarget::read(&status);
        let value = match status.status {
            Some(StatusValues::InProgress) => AssignmentStatus::InProgress,
            Some(StatusValues::Succeeded) => AssignmentStatus::Succeeded,
            Some(StatusValues::Failed) => {
                let reason = status.failure_reason.unwrap_or_else(|| "AWS gives no reason".to_owned());
                AssignmentStatus::Failed { reason }
            }
            Some(other) => return Err(malformed(format!("unknown status {}", other.as_str()))),
            None => return Err(malformed("its status has no value".to_owned())),
        };
        Ok(AssignmentRequest { request_id: status.request_id, target, status: value, aws_request_id })
    }
}

/// The Identity Center instances that are visible to the caller, by pages (`sso:ListInstances`): those of the client's
/// region, or those of `all_regions`. An endpoint that does not know the difference may list those of its region.
pub(super) fn instances(
    client: Client,
    lane: Lane,
    all_regions: bool,
) -> BoxStream<'static, Result<Vec<Instance>, CallError>> {
    let scope = all_regions.then_some(types::RegionScope::AllRegions);
    pages(lane, LIST_INSTANCES, move |lane, token| {
        let request =
            client.list_instances().max_results(PAGE).set_region_scope(scope.clone()).set_next_token(token);
        async move {
            let page = lane
                .send(LIST_INSTANCES, || {
                    request.clone().customize().interceptor(Answer::with("Instances")).send()
                })
                .await?;
            let instances = page.instances.unwrap_or_default().into_iter();
            let instances =
                instances.map(|instance| Instance::read(instance, &lane)).collect::<Result<_, _>>()?;
            Ok((instances, page.next_token))
        }
    })
}

/// An instance of Identity Center.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    /// Its ARN.
    pub arn: String,
    /// The id of its identity store.
    pub identity_store_id: String,
    /// The account that owns it: the organization's management account for the organization's instance.
    pub owner_account_id: Option<String>,
    /// Where it stands in its life, in AWS's word, such as `ACTIVE`; `None` where AWS does not say.
    pub status: Option<String>,
    /// Why it stands there.
    pub status_reason: Option<String>,
    /// The region that it was made in; `None` where AWS does not say.
    pub primary_region: Option<String>,
}

/// A permission set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PermissionSet {
    /// Its ARN.
    pub arn: String,
    /// Its name, never empty.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// One principal's assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assignment {
    /// What the principal is.
    pub principal: PrincipalKind,
    /// Its id in the identity store, never empty.
    pub principal_id: String,
}

/// What a principal is assigned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldAssignment {
    /// The account.
    pub account: AccountId,
    /// ARN of the permission set.
    pub permission_set: String,
    /// What the principal is that holds it itself: the one that was asked about, or one of its groups.
    pub principal: PrincipalKind,
    /// The id of that principal, never empty.
    pub principal_id: String,
}

/// A policy that a permission set refers to, and that each account has itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustomerPolicy {
    /// Its name, never empty.
    pub name: String,
    /// Its path, `/` or `/.../`.
    pub path: String,
}

/// What a principal is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PrincipalKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A kind newer than this program, as AWS writes it.
    Other(String),
}

/// Which permission set in which account for whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssignmentTarget {
    /// The account.
    pub account: AccountId,
    /// ARN of the permission set.
    pub permission_set: String,
    /// What the principal is.
    pub principal: PrincipalKind,
    /// The principal's id in the identity store.
    pub principal_id: String,
}

/// A change of an assignment that AWS carries out by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssignmentRequest {
    /// The id to ask for its state with.
    pub request_id: Option<String>,
    /// What it changes, where AWS says.
    pub target: Option<AssignmentTarget>,
    /// How far it is.
    pub status: AssignmentStatus,
    /// AWS's id of the HTTP request, as `CloudTrail` shows it.
    pub aws_request_id: Option<String>,
}

/// How far a change of an assignment is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AssignmentStatus {
    /// AWS works on it.
    InProgress,
    /// It is done.
    Succeeded,
    /// It was not done.
    Failed {
        /// AWS's reason.
        reason: String,
    },
}

impl Instance {
    fn read(instance: types::InstanceMetadata, lane: &Lane) -> Result<Self, CallError> {
        let lacks = |member: &str| lane.malformed(LIST_INSTANCES, format!("an instance has no {member}"));
        let store = instance.identity_store_id.ok_or_else(|| lacks("IdentityStoreId"))?;
        Ok(Self {
            arn: instance.instance_arn.ok_or_else(|| lacks("InstanceArn"))?,
            identity_store_id: grammar::id_in_identity_store(&store, LONGEST_STORE_ID)
                .ok_or_else(|| lacks("usable IdentityStoreId"))?
                .to_owned(),
            owner_account_id: instance.owner_account_id,
            status: instance.status.map(|status| status.as_str().to_owned()),
            status_reason: instance.status_reason,
            primary_region: instance.primary_region,
        })
    }
}

impl Assignment {
    fn read(row: types::AccountAssignment, lane: &Lane) -> Result<Self, CallError> {
        let lacks = |member: &str| lane.malformed(LIST_ASSIGNMENTS, format!("an assignment has no {member}"));
        let principal = PrincipalKind::read(&row.principal_type.ok_or_else(|| lacks("PrincipalType"))?);
        let id = row.principal_id.filter(|id| !id.is_empty()).ok_or_else(|| lacks("PrincipalId"))?;
        Ok(Self { principal, principal_id: id })
    }
}

impl HeldAssignment {
    fn read(row: types::AccountAssignmentForPrincipal, lane: &Lane) -> Result<Self, CallError> {
        let lacks = |member: &str| {
            lane.malformed(LIST_ASSIGNMENTS_OF_PRINCIPAL, format!("an assignment has no {member}"))
        };
        let text =
            |text: Option<String>, member| text.filter(|text| !text.is_empty()).ok_or_else(|| lacks(member));
        Ok(Self {
            account: text(row.account_id, "AccountId")?.parse().map_err(|_| lacks("valid AccountId"))?,
            permission_set: text(row.permission_set_arn, "PermissionSetArn")?,
            principal: PrincipalKind::read(&row.principal_type.ok_or_else(|| lacks("PrincipalType"))?),
            principal_id: text(row.principal_id, "PrincipalId")?,
        })
    }
}

impl AssignmentRequest {
    /// What a request that is not sent comes to.
    const REHEARSED: Self =
        Self { request_id: None, target: None, status: AssignmentStatus::Succeeded, aws_request_id: None };

    /// A request that AWS works on.
    pub fn in_progress(request_id: String) -> Self {
        let status = AssignmentStatus::InProgress;
        Self { request_id: Some(request_id), target: None, status, aws_request_id: None }
    }
}

impl AssignmentTarget {
    /// `None` where AWS leaves a part of it out.
    fn read(status: &AccountAssignmentOperationStatus) -> Option<Self> {
        Some(Self {
            account: status.target_id.as_deref()?.parse().ok()?,
            permission_set: status.permission_set_arn.clone()?,
            principal: PrincipalKind::read(status.principal_type.as_ref()?),
            principal_id: status.principal_id.clone()?,
        })
    }
}

impl PrincipalKind {
    fn read(kind: &types::PrincipalType) -> Self {
        match kind {
            types::PrincipalType::User => Self::User,
            types::PrincipalType::Group => Self::Group,
            other => Self::Other(other.as_str().to_owned()),
        }
    }

    fn to_sdk(&self) -> types::PrincipalType {
        match self {
            Self::User => types::PrincipalType::User,
            Self::Group => types::PrincipalType::Group,
            Self::Other(kind) => types::PrincipalType::from(kind.as_str()),
        }
    }
}
