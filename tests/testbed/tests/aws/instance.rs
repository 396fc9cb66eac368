//! What AWS tells of the instance of Identity Center.

use serde_json::json;
use testbed::aws::{Fixture, InstancePrefix, NetworkRules, Region};

use crate::client::{Client, example, exchange, start};

#[tokio::test]
async fn an_instance_can_have_the_shorter_prefix() {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.instance.prefix = InstancePrefix::Ins;
    let server = start(fixture).await;
    let client = Client::new(&server);
    let instance = server.instance_arn();
    assert!(instance.starts_with("arn:aws:sso:::instance/ins-"), "{instance}");
    let listed = client.sso("ListInstances", json!({})).await.ok();
    assert_eq!(listed["Instances"][0]["InstanceArn"], instance.as_str());
    let (sets, _) = client.sso_rows("ListPermissionSets", "PermissionSets", json!({})).await;
    assert_eq!(sets.len(), 4);
    for set in sets {
        assert!(set.as_str().unwrap().starts_with("arn:aws:sso:::permissionSet/ins-"), "{set}");
        client.sso("DescribePermissionSet", json!({"PermissionSetArn": set})).await.ok();
    }
    let longer = instance.replace("/ins-", "/ssoins-");
    assert_eq!(client.sso_at(&longer, "DescribeInstance").await.error().1, "ResourceNotFoundException");
}

#[tokio::test]
async fn an_instance_of_another_region_is_listed_to_whom_asks_for_all_regions() {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.region = "eu-west-1".to_owned();
    let server = start(fixture).await;
    let client = Client::new(&server);
    for scope in [json!({}), json!({"RegionScope": "CURRENT_REGION"})] {
        assert_eq!(client.sso("ListInstances", scope).await.ok()["Instances"], json!([]));
    }
    let listed = client.sso("ListInstances", json!({"RegionScope": "ALL_REGIONS"})).await.ok();
    assert_eq!(listed["Instances"][0]["PrimaryRegion"], "eu-west-1");
    let refused = client.sso("ListInstances", json!({"RegionScope": "MINE"})).await.error();
    assert_eq!(refused.1, "ValidationException");
}

#[tokio::test]
async fn status_regions_and_network_rules_are_told_as_they_are_set() {
    let server = example().await;
    let client = Client::new(&server);
    let plain = client.sso("DescribeInstance", json!({})).await.ok();
    assert_eq!((&plain["Status"], &plain["PrimaryRegion"]), (&json!("ACTIVE"), &json!("us-east-1")));
    assert_eq!(plain["PermissionSetsEnabled"], true);
    assert!(plain.get("NetworkConfigurationDetails").is_none());
    let rules = NetworkRules {
        vpce_required: true,
        vpcs: vec!["arn:aws:ec2:us-east-1:111111111111:vpc/vpc-0a1b2c3d".to_owned()],
        addresses: vec!["192.0.2.0/24".to_owned()],
    };
    server.change_instance(|instance| {
        instance.status = "CREATE_IN_PROGRESS".to_owned();
        instance.status_reason = Some("The instance is being made.".to_owned());
        instance.primary_region = Some("eu-central-1".to_owned());
        instance.further_regions = vec![Region { name: "us-east-1".to_owned(), status: "ADDING".to_owned() }];
        instance.permission_sets_enabled = false;
        instance.network = Some(rules.clone());
        instance.store_network = Some(NetworkRules { vpce_required: false, ..rules });
    });
    let listed = client.sso("ListInstances", json!({})).await.ok();
    let described = client.sso("DescribeInstance", json!({})).await.ok();
    for told in [&listed["Instances"][0], &described] {
        assert_eq!(told["Status"], "CREATE_IN_PROGRESS");
        assert_eq!(told["StatusReason"], "The instance is being made.");
        assert_eq!(told["PrimaryRegion"], "eu-central-1");
        let regions = told["Regions"].as_array().unwrap();
        let names: Vec<_> = regions.iter().map(|one| (&one["RegionName"], &one["IsPrimaryRegion"])).collect();
        assert_eq!(names, [(&json!("eu-central-1"), &json!(true)), (&json!("us-east-1"), &json!(false))]);
    }
    assert_eq!(described["PermissionSetsEnabled"], false);
    assert_eq!(described["NetworkConfigurationDetails"]["VpceAccessRequired"], true);
    let store = client.store("DescribeIdentityStore", json!({})).await.ok();
    assert_eq!(store["NetworkConfiguration"]["ApiAllowSourceIps"], json!(["192.0.2.0/24"]));

    // The same over HTTP.
    let change = json!({"status": "ACTIVE", "without_regions": true}).to_string();
    let json = "content-type: application/json\r\n";
    exchange(&server, "PATCH", "/_testbed/instance", json, &change).await.unwrap().ok();
    let told = client.sso("DescribeInstance", json!({})).await.ok();
    assert_eq!(told["Status"], "ACTIVE");
    assert!(told.get("PrimaryRegion").is_none() && told.get("Regions").is_none());
}
