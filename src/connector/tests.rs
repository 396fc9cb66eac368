mod iam;
mod registry;

use prost_types::value::Kind as ValueKind;

use super::assignment::Principal;
use super::*;
use crate::aws::identity_store::{Group, Membership, User, UserStatus};
use crate::aws::organizations::{Account, AccountState, OrganizationalUnit, Root};
use crate::aws::sso_admin::{PermissionSet, PrincipalKind};
use crate::baton::resource;
use crate::baton::v2::entitlement::PurposeValue;
use crate::baton::v2::resource_type::Trait;
use crate::baton::v2::{
    CapabilityPermissions, ChildResourceType, GrantExpandable, ScopeBindingTrait, V1Identifier,
};

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-7223a1b2c3d4e5f6/ps-0a1b2c3d4e5f6789";
const USER: &str = "arn:aws:identitystore:us-east-1::d-9067f2a1b3/user/u-1";
const GROUP: &str = "arn:aws:identitystore:us-east-1::d-9067f2a1b3/group/g-1";
const ACCOUNT: &str = "123456789012";

fn directory() -> Directory {
    Directory { region: "us-east-1".into(), store: "d-9067f2a1b3".into() }
}

fn a_user() -> Resource {
    let external_ids = vec![ExternalId { issuer: "https://scim.example".into(), id: "00u".into() }];
    let user = User {
        id: "u-1".into(),
        user_name: Some("ada".into()),
        display_name: Some("Ada Archer".into()),
        status: Some(UserStatus::Enabled),
        emails: vec!["ada@example.com".into()],
        external_ids,
    };
    sso_user::resource(&directory(), &user)
}

fn a_group() -> Resource {
    let group = Group { id: "g-1".into(), display_name: Some("Engineers".into()), external_ids: vec![] };
    sso_group::resource(&directory(), &group)
}

fn an_account() -> Resource {
    let account = Account {
        id: ACCOUNT.parse().unwrap(),
        arn: Some("arn:aws:organizations::1:account/o/123456789012".into()),
        name: Some("Shop".into()),
        state: AccountState::Active,
        paths: vec![],
    };
    account::resource(&account, Some(resource::id(organization::ID, "r-1")), None)
}

fn a_set() -> PermissionSet {
    PermissionSet { arn: SET.into(), name: "Developer".into(), description: Some("Daily work".into()) }
}

/// Message names without package, in order.
fn names(annotations: &[Any]) -> Vec<&str> {
    annotations.iter().map(|any| any.type_url.rsplit('.').next().unwrap()).collect()
}

fn v1(annotations: &[Any]) -> String {
    any::find::<V1Identifier>(annotations).expect("a legacy id").id
}

fn child(annotations: &[Any]) -> String {
    any::find::<ChildResourceType>(annotations).expect("a child type").resource_type_id
}

fn texts(resource: &Resource) -> Vec<(&str, &str)> {
    let fields = resource.profile.iter().flat_map(|profile| &profile.fields);
    fields
        .filter_map(|(key, value)| match &value.kind {
            Some(ValueKind::StringValue(text)) => Some((key.as_str(), text.as_str())),
            _ => None,
        })
        .collect()
}

fn types(list: &[ResourceType]) -> Vec<&str> {
    list.iter().map(|kind| kind.id.as_str()).collect()
}

#[test]
fn resource_types_carry_the_traits_and_annotations_that_control_planes_know() {
    let skip_both = "SkipEntitlementsAndGrants";
    let expected: [(&str, &str, &[Trait], &[&str]); 14] = [
        ("access-key", "Access Key", &[Trait::Secret], &[skip_both]),
        ("account", "Account", &[Trait::App], &["V1Identifier", "ChildResourceType"]),
        ("account_iam", "Account IAM", &[Trait::App], &[skip_both, "V1Identifier"]),
        ("group", "Group", &[Trait::Group], &["V1Identifier"]),
        ("iam_policy", "IAM Managed Policy", &[Trait::Role], &["V1Identifier"]),
        ("iam_user", "IAM User", &[Trait::User], &["SkipEntitlements", "V1Identifier"]),
        ("inline_policy", "Inline Policy", &[Trait::Role], &["V1Identifier"]),
        ("organization", "Organization Root", &[], &[skip_both, "OptInRequired", "ChildResourceType"]),
        (
            "organizational_unit",
            "Organizational Unit",
            &[],
            &[skip_both, "OptInRequired", "ChildResourceType"],
        ),
        ("permission_set", "Permission Set", &[Trait::Role], &["SkipEntitlements", "OptInRequired"]),
        (
            "permission_set_assignment",
            "Permission Set Assignment",
            &[Trait::ScopeBinding],
            &["OptInRequired"],
        ),
        ("role", "IAM Role", &[Trait::Role], &["V1Identifier"]),
        ("sso_group", "SSO Group", &[Trait::Group], &["V1Identifier"]),
        ("sso_user", "SSO User", &[Trait::User], &[skip_both, "V1Identifier"]),
    ];
    let all = all_resource_types();
    assert_eq!(all.len(), expected.len());
    for (kind, (id, name, traits, annotations)) in all.iter().zip(expected) {
        assert_eq!((kind.id.as_str(), kind.display_name.as_str()), (id, name));
        assert_eq!(kind.traits, traits.iter().map(|one| i32::from(*one)).collect::<Vec<_>>(), "{id}");
        let (permissions, others) =
            names(&kind.annotations).split_last().map(|(a, b)| (*a, b.to_vec())).unwrap();
        assert_eq!((permissions, others.as_slice()), ("CapabilityPermissions", annotations), "{id}");
        if annotations.contains(&"V1Identifier") {
            assert_eq!(v1(&kind.annotations), id);
        }
    }
    let child_of = |id: &str| child(&all.iter().find(|kind| kind.id == id).unwrap().annotations);
    assert_eq!(child_of("account"), "permission_set_assignment");
    assert_eq!(child_of("organization"), "organizational_unit");
    assert_eq!(child_of("organizational_unit"), "organizational_unit");
}

#[test]
fn resource_types_declare_the_permissions_that_customers_granted() {
    let assign = "sso:CreateAccountAssignment sso:DeleteAccountAssignment \
                  sso:DescribeAccountAssignmentCreationStatus sso:DescribeAccountAssignmentDeletionStatus";
    let account = format!(
        "{assign} organizations:ListAccounts organizations:DescribeOrganization organizations:ListParents \
         organizations:ListTagsForResource \
         sso:ListPermissionSets sso:DescribePermissionSet sso:ListPermissionSetsProvisionedToAccount \
         sso:ListAccountAssignments sso:ListInstances iam:ListPolicies iam:AttachRolePolicy iam:CreateRole \
         iam:DeleteRole iam:DeleteRolePolicy iam:DetachRolePolicy iam:GetRole iam:ListAttachedRolePolicies \
         iam:ListRolePolicies iam:PutRolePolicy iam:UpdateRole iam:UpdateRoleDescription iam:GetSAMLProvider"
    );
    let binding = format!(
        "{assign} sso:ListInstances sso:ListPermissionSetsProvisionedToAccount sso:DescribePermissionSet \
         sso:ListAccountAssignments sso:ListManagedPoliciesInPermissionSet \
         sso:ListCustomerManagedPolicyReferencesInPermissionSet organizations:DescribeAccount"
    );
    let iam_user = "iam:ListUsers iam:GetUser iam:ListAccessKeys iam:GetAccessKeyLastUsed iam:ListSigningCertificates \
                    iam:ListSSHPublicKeys iam:ListServiceSpecificCredentials iam:ListMFADevices iam:ListUserPolicies \
                    iam:ListAttachedUserPolicies iam:ListGroupsForUser iam:ListUserTags iam:CreateUser iam:CreateLoginProfile \
                    iam:UpdateLoginProfile iam:DeleteLoginProfile iam:CreateAccessKey iam:DeleteAccessKey iam:DeleteSigningCertificate iam:DeleteSSHPublicKey \
                    iam:DeleteServiceSpecificCredential iam:DeactivateMFADevice iam:DeleteUserPolicy \
                    iam:DetachUserPolicy iam:DeleteUser iam:TagUser";
    let expected = [
        "iam:ListAccessKeys iam:GetAccessKeyLastUsed iam:GetUser iam:CreateAccessKey iam:UpdateAccessKey \
         iam:DeleteAccessKey sts:GetAccessKeyInfo",
        account.as_str(),
        "iam:ListAccountAliases organizations:ListTagsForResource",
        "iam:ListGroups iam:GetGroup iam:ListAttachedGroupPolicies iam:AddUserToGroup iam:RemoveUserFromGroup",
        "iam:ListPolicies iam:GetPolicy iam:GetPolicyVersion iam:AttachUserPolicy iam:DetachUserPolicy \
         iam:AttachRolePolicy iam:DetachRolePolicy iam:AttachGroupPolicy iam:DetachGroupPolicy",
        iam_user,
        "iam:ListUserPolicies iam:GetUserPolicy iam:DeleteUserPolicy iam:ListRolePolicies iam:GetRolePolicy \
         iam:DeleteRolePolicy iam:ListGroupPolicies iam:GetGroupPolicy iam:DeleteGroupPolicy \
         sso:GetInlinePolicyForPermissionSet",
        "organizations:ListRoots organizations:ListOrganizationalUnitsForParent",
        "organizations:ListOrganizationalUnitsForParent",
        "sso:ListInstances sso:ListPermissionSets sso:DescribePermissionSet \
         sso:ListManagedPoliciesInPermissionSet",
        binding.as_str(),
        "iam:ListRoles iam:GetRole iam:ListAttachedRolePolicies iam:ListRoleTags",
        "sso:ListInstances identitystore:ListGroups identitystore:ListGroupMemberships \
         identitystore:GetGroupMembershipId identitystore:CreateGroupMembership \
         identitystore:DeleteGroupMembership",
        "identitystore:ListUsers identitystore:CreateUser identitystore:DeleteUser sso:ListInstances",
    ];
    for (kind, expected) in all_resource_types().iter().zip(expected) {
        let declared: CapabilityPermissions = any::find(&kind.annotations).unwrap();
        let mut declared: Vec<_> = declared.permissions.into_iter().map(|one| one.permission).collect();
        let mut expected: Vec<_> = expected.split_whitespace().collect();
        declared.sort();
        expected.sort_unstable();
        assert_eq!(declared, expected, "{}", kind.id);
    }
}

#[test]
fn a_user_is_named_by_its_user_name_and_profiled_by_its_display_name() {
    let user = a_user();
    assert_eq!((user.type_id(), user.object_id(), user.display_name.as_str()), ("sso_user", USER, "ada"));
    assert_eq!(names(&user.annotations), ["V1Identifier", "UserTrait"]);
    assert_eq!(v1(&user.annotations), USER);
    let expected = [("aws_user_id", "u-1"), ("aws_user_name", "Ada Archer"), ("aws_user_type", "sso")];
    assert_eq!(texts(&user), expected);
    let external = Profile::new().string("id", "00u").string("issuer", "https://scim.example");
    let profile = Profile::new().list("external_ids", [external]).build();
    assert_eq!(user.profile.unwrap().fields["external_ids"], profile.fields["external_ids"]);
}

#[test]
fn a_group_and_its_membership_have_the_ids_that_reviews_are_keyed_by() {
    let group = a_group();
    assert_eq!((group.type_id(), group.object_id()), ("sso_group", GROUP));
    assert_eq!(names(&group.annotations), ["V1Identifier", "GroupTrait"]);
    assert_eq!(v1(&group.annotations), GROUP);
    let expected = [("aws_group_id", "g-1"), ("aws_group_name", "Engineers"), ("aws_group_type", "sso")];
    assert_eq!(texts(&group), expected);
    assert!(!group.profile.as_ref().unwrap().fields.contains_key("external_ids"));

    let entitlement = sso_group::entitlement(&group);
    assert_eq!(entitlement.id, format!("sso_group:{GROUP}:member"));
    assert_eq!(entitlement.slug, "member");
    assert_eq!(entitlement.display_name, "Engineers Group Member");
    assert_eq!(entitlement.description, "Is member of the Engineers SSO group in AWS");
    assert_eq!(entitlement.purpose(), PurposeValue::Assignment);
    assert_eq!(types(&entitlement.grantable_to), ["sso_user"]);
    assert_eq!(v1(&entitlement.annotations), format!("membership:{GROUP}"));
    assert_eq!(entitlement.resource.as_ref(), Some(&group));

    let membership = Membership { id: Some("m-1".into()), user_id: Some("u-1".into()) };
    let grant = sso_group::grant(&directory(), &group, &membership).unwrap();
    assert_eq!(grant.id, "m-1");
    assert_eq!(names(&grant.annotations), ["V1Identifier"]);
    assert_eq!(v1(&grant.annotations), format!("grant:membership:{GROUP}:{USER}"));
    assert_eq!(grant.principal, Some(resource::reference("sso_user", USER)));
    let held = grant.entitlement.unwrap();
    assert_eq!(held.id, entitlement.id);
    assert_eq!(held.resource, entitlement.resource);
    let nobody = Membership { id: Some("m-2".into()), user_id: None };
    assert!(sso_group::grant(&directory(), &group, &nobody).is_none());
}

#[test]
fn an_account_offers_each_permission_set_by_name() {
    let account = an_account();
    assert_eq!((account.type_id(), account.object_id()), ("account", ACCOUNT));
    assert_eq!(account.parent_resource_id, Some(resource::id("organization", "r-1")));
    assert_eq!(names(&account.annotations), ["V1Identifier", "ChildResourceType", "AppTrait"]);
    assert_eq!(
        (v1(&account.annotations), child(&account.annotations).as_str()),
        (ACCOUNT.into(), "permission_set_assignment")
    );
    let arn = "arn:aws:organizations::1:account/o/123456789012";
    assert_eq!(texts(&account), [("aws_account_arn", arn), ("aws_account_id", ACCOUNT)]);

    let entitlement = account::entitlement(&account, &a_set());
    assert_eq!(entitlement.id, format!("{ACCOUNT}|{SET}"));
    assert_eq!(entitlement.slug, "Developer access");
    assert_eq!(entitlement.display_name, "Developer Permission Set");
    assert_eq!(entitlement.description, "Daily work");
    assert_eq!(entitlement.purpose(), PurposeValue::Assignment);
    assert_eq!(types(&entitlement.grantable_to), ["sso_user", "sso_group"]);
    assert_eq!(v1(&entitlement.annotations), entitlement.id);

    let of_grants = account::entitlement_of_grants(&account, &a_set());
    assert_eq!(types(&of_grants.grantable_to), ["sso_group", "sso_user"]);
    let grantable_to = entitlement.grantable_to.clone();
    assert_eq!(Entitlement { slug: "Developer access".into(), grantable_to, ..of_grants }, entitlement);
    let undescribed = account::entitlement(&account, &PermissionSet { description: None, ..a_set() });
    assert_eq!(undescribed.description, "");
}

#[test]
fn a_binding_names_its_set_and_its_account() {
    let account = an_account();
    let binding = permission_set_assignment::resource(&account, &a_set());
    assert_eq!(binding.type_id(), "permission_set_assignment");
    assert_eq!(binding.object_id(), format!("{SET}-{ACCOUNT}"));
    assert_eq!(binding.display_name, format!("Developer on {ACCOUNT}"));
    assert_eq!(binding.parent_resource_id, Some(resource::id("account", ACCOUNT)));
    assert_eq!(names(&binding.annotations), ["ScopeBindingTrait"]);
    let scope: ScopeBindingTrait = any::find(&binding.annotations).unwrap();
    assert_eq!(scope.role_id, Some(resource::id("permission_set", SET)));
    assert_eq!(scope.scope_resource_id, Some(resource::id("account", ACCOUNT)));
    assert_eq!(binding.profile, None);

    let entitlement = permission_set_assignment::entitlement(&binding);
    assert_eq!(entitlement.id, format!("permission_set_assignment:{SET}-{ACCOUNT}:assigned"));
    let words = [&entitlement.slug, &entitlement.display_name, &entitlement.description];
    assert_eq!(words, ["assigned", "assigned", ""]);
    assert_eq!(types(&entitlement.grantable_to), ["sso_user", "sso_group"]);
    assert!(entitlement.annotations.is_empty());
}

#[test]
fn assignments_of_groups_expand_to_their_members() {
    let account = an_account();
    let binding = permission_set_assignment::resource(&account, &a_set());
    let entitlements = [
        account::entitlement_of_grants(&account, &a_set()),
        permission_set_assignment::entitlement(&binding),
    ];
    let principal = |kind: PrincipalKind, id: &str| Principal::new(&directory(), &kind, id);
    for entitlement in &entitlements {
        let user = assignment::grant(entitlement, &principal(PrincipalKind::User, "u-1").unwrap());
        assert_eq!(user.id, format!("grant:sso_user:{USER}:{}", entitlement.id));
        assert_eq!(names(&user.annotations), ["V1Identifier"]);
        assert_eq!(v1(&user.annotations), format!("grant:{}:{USER}", entitlement.id));
        assert_eq!(user.principal, Some(resource::reference("sso_user", USER)));
        assert_eq!(user.entitlement.as_ref(), Some(entitlement));

        let group = assignment::grant(entitlement, &principal(PrincipalKind::Group, "g-1").unwrap());
        assert_eq!(group.id, format!("grant:sso_group:{GROUP}:{}", entitlement.id));
        assert_eq!(names(&group.annotations), ["V1Identifier", "GrantExpandable"]);
        assert_eq!(v1(&group.annotations), format!("grant:{}:{GROUP}", entitlement.id));
        let expandable: GrantExpandable = any::find(&group.annotations).unwrap();
        let members = vec![format!("sso_group:{GROUP}:member")];
        assert_eq!(expandable, GrantExpandable { entitlement_ids: members, ..GrantExpandable::default() });
    }
    assert!(principal(PrincipalKind::Other("ROBOT".into()), "x").is_none());
}

#[test]
fn permission_sets_and_the_tree_have_neither_profile_nor_legacy_id() {
    let set = permission_set::resource(&a_set());
    assert_eq!(
        (set.object_id(), set.display_name.as_str(), set.description.as_str()),
        (SET, "Developer", "Daily work")
    );
    assert_eq!(names(&set.annotations), ["ChildResourceType", "RoleTrait"]);
    assert_eq!(child(&set.annotations), "inline_policy");

    let root = organization::resource(&Root { id: "r-1".into(), name: Some("Root".into()) });
    let nameless = organization::resource(&Root { id: "r-1".into(), name: None });
    assert_eq!((root.display_name.as_str(), nameless.display_name.as_str()), ("Root", "r-1"));
    assert_eq!(root.parent_resource_id, None);
    let unit = |name: &str, parent| {
        let unit = OrganizationalUnit { id: "ou-1".into(), name: Some(name.into()) };
        organizational_unit::resource(&unit, parent)
    };
    assert_eq!(unit("Europe", "r-1").parent_resource_id, Some(resource::id("organization", "r-1")));
    assert_eq!(unit("Europe", "ou-0").parent_resource_id, Some(resource::id("organizational_unit", "ou-0")));
    assert_eq!(unit("", "r-1").display_name, "ou-1");
    for resource in [&root, &unit("Europe", "r-1")] {
        assert_eq!(names(&resource.annotations), ["ChildResourceType"]);
        assert_eq!(child(&resource.annotations), "organizational_unit");
    }
    for resource in [set, root, unit("Europe", "r-1")] {
        assert_eq!(resource.profile, None);
    }
}
