//! What listings say and how they are paged.

use serde_json::{Value, json};
use testbed::aws::{AccountFields, Fixture, OtherInstance, Shape};

use crate::client::{Client, example, start};

#[tokio::test]
async fn pages_end_at_the_limits_of_aws() {
    let server = start(Fixture::generate(Shape::MEDIUM).unwrap()).await;
    let client = Client::new(&server);
    let users = client.store("ListUsers", json!({})).await.ok();
    assert_eq!(users["Users"].as_array().unwrap().len(), 100);
    let accounts = client.organizations("ListAccounts", json!({})).await.ok();
    assert_eq!(accounts["Accounts"].as_array().unwrap().len(), 20);
    let refused = client.organizations("ListAccounts", json!({"MaxResults": 21})).await;
    assert_eq!(refused.error(), (400, "InvalidInputException".to_owned()));
    let refused = client.store("ListUsers", json!({"MaxResults": 101})).await;
    assert_eq!(refused.error(), (400, "ValidationException".to_owned()));
}

#[tokio::test]
async fn small_and_empty_pages_give_the_same_rows() {
    let server = example().await;
    let client = Client::new(&server);
    let (whole, pages) = client.sso_rows("ListPermissionSets", "PermissionSets", json!({})).await;
    assert_eq!((whole.len(), pages), (4, 1));
    server.set(|knobs| {
        knobs.page_sizes.insert("sso:ListPermissionSets".into(), 3);
        knobs.empty_pages = true;
    });
    let (rows, pages) = client.sso_rows("ListPermissionSets", "PermissionSets", json!({})).await;
    assert_eq!((rows, pages), (whole, 3));
}

#[tokio::test]
async fn a_token_fits_only_the_listing_that_gave_it() {
    let server = example().await;
    let client = Client::new(&server);
    let token = client.store("ListUsers", json!({"MaxResults": 1})).await.ok()["NextToken"].clone();
    let refused = client.store("ListGroups", json!({"NextToken": token})).await;
    assert_eq!(refused.error(), (400, "ValidationException".to_owned()));
    let refused = client.store("ListUsers", json!({"NextToken": "bm9uc2Vuc2U="})).await;
    assert_eq!(refused.error(), (400, "ValidationException".to_owned()));
    // The page size is no part of the listing.
    assert_eq!(client.store("ListUsers", json!({"NextToken": token, "MaxResults": 2})).await.status, 200);
}

#[tokio::test]
async fn the_state_of_an_account_is_told_as_the_knob_says() {
    let server = example().await;
    let client = Client::new(&server);
    for (fields, state, status) in [
        (AccountFields::Both, json!("SUSPENDED"), json!("SUSPENDED")),
        (AccountFields::State, json!("SUSPENDED"), Value::Null),
        (AccountFields::Status, Value::Null, json!("SUSPENDED")),
        (AccountFields::Neither, Value::Null, Value::Null),
    ] {
        server.set(|knobs| knobs.account_fields = fields);
        let reply = client.organizations("DescribeAccount", json!({"AccountId": "777777777777"})).await.ok();
        let account = &reply["Account"];
        assert_eq!((&account["State"], &account["Status"]), (&state, &status), "{fields:?}");
        assert!(account["Paths"][0].as_str().unwrap().ends_with("/777777777777/"));
    }
    server.set(|knobs| knobs.account_paths = false);
    let reply = client.organizations("DescribeAccount", json!({"AccountId": "777777777777"})).await.ok();
    assert!(reply["Account"].get("Paths").is_none());
}

#[tokio::test]
async fn the_tree_of_units_reaches_every_account_once() {
    let server = example().await;
    let client = Client::new(&server);
    let root = client.organizations("ListRoots", json!({})).await.ok()["Roots"][0]["Id"].clone();
    let (mut open, mut accounts, mut depth, mut empty) = (vec![(root, 0)], Vec::new(), 0, 0);
    while let Some((parent, level)) = open.pop() {
        depth = depth.max(level);
        let units =
            client.organizations("ListOrganizationalUnitsForParent", json!({"ParentId": parent})).await.ok();
        let below = client.organizations("ListAccountsForParent", json!({"ParentId": parent})).await.ok();
        let units = units["OrganizationalUnits"].as_array().unwrap().clone();
        let below = below["Accounts"].as_array().unwrap().clone();
        empty += usize::from(units.is_empty() && below.is_empty());
        for account in below {
            let parents = client.organizations("ListParents", json!({"ChildId": account["Id"]})).await.ok();
            assert_eq!(parents["Parents"][0]["Id"], parent);
            accounts.push(account["Id"].as_str().unwrap().to_owned());
        }
        open.extend(units.into_iter().map(|unit| (unit["Id"].clone(), level + 1)));
    }
    accounts.sort();
    assert_eq!(accounts.len(), 7);
    assert_eq!((depth, empty), (5, 1));
}

#[tokio::test]
async fn a_users_rows_include_those_of_its_groups() {
    let server = example().await;
    let client = Client::new(&server);
    let bob = server.user_id("bob").unwrap();
    let input = json!({"PrincipalType": "USER", "PrincipalId": bob});
    let (rows, _) = client.sso_rows("ListAccountAssignmentsForPrincipal", "AccountAssignments", input).await;
    let direct = rows.iter().filter(|row| row["PrincipalType"] == "USER").count();
    assert_eq!((rows.len(), direct), (5, 1));
    let engineers = server.group_id("Engineers").unwrap();
    assert!(rows.iter().any(|row| row["PrincipalId"] == engineers.as_str()));
    let input = json!({"PrincipalType": "USER", "PrincipalId": bob, "Filter": {"AccountId": "666666666666"}});
    let (rows, _) = client.sso_rows("ListAccountAssignmentsForPrincipal", "AccountAssignments", input).await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_principal_that_is_gone_keeps_its_assignment() {
    let server = example().await;
    let client = Client::new(&server);
    let developer = server.permission_set_arn("Developer").unwrap();
    let input = json!({"AccountId": "333333333333", "PermissionSetArn": developer});
    let (rows, _) = client.sso_rows("ListAccountAssignments", "AccountAssignments", input).await;
    assert_eq!(rows.len(), 2);
    let gone = rows.iter().find(|row| row["PrincipalType"] == "USER").unwrap();
    let reply = client.store("DescribeUser", json!({"UserId": gone["PrincipalId"]})).await;
    assert_eq!(reply.error(), (400, "ResourceNotFoundException".to_owned()));
    assert_eq!(reply.value()["ResourceType"], "USER");
    let input = json!({"PrincipalType": "USER", "PrincipalId": gone["PrincipalId"]});
    let (rows, _) = client.sso_rows("ListAccountAssignmentsForPrincipal", "AccountAssignments", input).await;
    assert_eq!(rows.iter().collect::<Vec<_>>(), [gone]);
}

#[tokio::test]
async fn a_permission_set_carries_policies_of_all_three_kinds() {
    let server = example().await;
    let client = Client::new(&server);
    let set = json!({"PermissionSetArn": server.permission_set_arn("Developer").unwrap()});
    let managed = client.sso("ListManagedPoliciesInPermissionSet", set.clone()).await.ok();
    assert_eq!(managed["AttachedManagedPolicies"][0]["Arn"], "arn:aws:iam::aws:policy/PowerUserAccess");
    let own = client.sso("ListCustomerManagedPolicyReferencesInPermissionSet", set.clone()).await.ok();
    let expected = json!([{"Name": "DeployShop", "Path": "/team/shop/"}, {"Name": "ReadLogs", "Path": "/"}]);
    assert_eq!(own["CustomerManagedPolicyReferences"], expected);
    let inline = client.sso("GetInlinePolicyForPermissionSet", set).await.ok();
    assert!(inline["InlinePolicy"].as_str().unwrap().starts_with("{\"Version\""));
}

#[tokio::test]
async fn a_member_account_sees_nothing_of_the_organization() {
    let server = example().await;
    let member = Client::new(&server).assume(&server.role_arn("MemberReader").unwrap(), &[]).await;
    let denied = (400, "AccessDeniedException".to_owned());
    assert_eq!(member.organizations("ListAccounts", json!({})).await.error(), denied);
    assert_eq!(member.organizations("DescribeOrganization", json!({})).await.status, 200);
    assert_eq!(member.sso("ListPermissionSets", json!({})).await.error(), denied);
    assert_eq!(member.store("ListUsers", json!({})).await.error(), denied);
}

#[tokio::test]
async fn a_delegated_administrator_reads_but_does_not_rule_the_management_account() {
    let server = example().await;
    let role = "arn:aws:iam::222222222222:role/OrganizationAccountAccessRole";
    let delegate = Client::new(&server).assume(role, &[]).await;
    assert_eq!(delegate.organizations("ListAccounts", json!({})).await.status, 200);
    assert_eq!(delegate.store("ListUsers", json!({})).await.status, 200);
    let bob = server.user_id("bob").unwrap();
    let denied = (400, "AccessDeniedException".to_owned());
    let principal = json!({"PrincipalType": "USER", "PrincipalId": bob});
    assert_eq!(delegate.sso("ListAccountAssignmentsForPrincipal", principal).await.error(), denied);
    let mut change = json!({
        "TargetId": "111111111111", "TargetType": "AWS_ACCOUNT", "PrincipalType": "USER", "PrincipalId": bob,
        "PermissionSetArn": server.permission_set_arn("Unused").unwrap(),
    });
    assert_eq!(delegate.sso("CreateAccountAssignment", change.clone()).await.error(), denied);
    change["TargetId"] = json!("333333333333");
    assert_eq!(delegate.sso("CreateAccountAssignment", change).await.status, 200);
}

#[tokio::test]
async fn an_instance_exists_in_its_region_alone() {
    let server = example().await;
    let elsewhere = Client::new(&server).in_region("eu-west-1");
    assert_eq!(elsewhere.sso("ListInstances", json!({})).await.ok()["Instances"], json!([]));
    let missing = (400, "ResourceNotFoundException".to_owned());
    assert_eq!(elsewhere.sso("ListPermissionSets", json!({})).await.error(), missing);
    assert_eq!(elsewhere.store("ListUsers", json!({})).await.error(), missing);
}

#[tokio::test]
async fn further_instances_are_listed_to_those_who_see_them_and_hold_nothing() {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.other_instances.push(OtherInstance {
        name: "sandbox".to_owned(),
        owner: "Shared".to_owned(),
        visible_to: vec!["Root & Billing".to_owned()],
    });
    let server = start(fixture).await;
    let client = Client::new(&server);
    let (instances, _) = client.sso_rows("ListInstances", "Instances", json!({})).await;
    assert_eq!(instances[0]["InstanceArn"], server.instance_arn().as_str());
    assert_eq!((instances.len(), &instances[1]["OwnerAccountId"]), (2, &json!("333333333333")));
    let refused = client.sso_at(instances[1]["InstanceArn"].as_str().unwrap(), "ListPermissionSets").await;
    assert_eq!(refused.error(), (400, "ValidationException".to_owned()));
    let elsewhere = client.assume(&server.role_arn("MemberReader").unwrap(), &[]).await;
    assert_eq!(elsewhere.sso_rows("ListInstances", "Instances", json!({})).await.0.len(), 1);
}

#[tokio::test]
async fn ids_have_the_shapes_of_aws() {
    let server = example().await;
    let user = server.user_id("bob").unwrap();
    let store = server.identity_store_id();
    assert!(user.starts_with(store.strip_prefix("d-").unwrap()), "{user} {store}");
    assert_eq!(user.len(), 47);
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.region = "eu-central-1".to_owned();
    let server = start(fixture).await;
    assert_eq!(server.user_id("bob").unwrap().len(), 36);
}

#[tokio::test]
async fn iam_answers_aliases_and_refuses_what_it_does_not_know() {
    let server = example().await;
    let client = Client::new(&server);
    let reply = client.form("iam", &[("Action", "ListAccountAliases"), ("Version", "2010-05-08")]).await;
    assert_eq!(reply.element("member"), "example-root");
    let unknown = client.form("iam", &[("Action", "Nonsense"), ("Version", "2010-05-08")]).await;
    assert_eq!(unknown.error(), (400, "InvalidAction".to_owned()));
}
