//! Hops into roles, and what their failures say.

use batond::aws::{AccessError, Aws};
use batond::config::Assume;
use testbed::aws::{Effect, Fault, Fixture, OtherInstance, Server};

use super::{BINDING_EXTERNAL_ID, EXTERNAL_ID, as_role, as_user, refused, testbed};

fn two_hops(server: &Server, external_id: Option<&str>) -> batond::config::AwsSettings {
    let mut settings = as_role(server, "BatonConnector", external_id);
    settings.static_keys = as_user(server, "vendor").static_keys;
    settings.binding_role = Some(server.role_arn("VendorBinding").unwrap().parse().unwrap());
    settings.binding_external_id = Some(BINDING_EXTERNAL_ID.into());
    settings
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let server = testbed().await;
    let aws = Aws::connect(&as_role(&server, "BatonConnector", Some(EXTERNAL_ID))).await.unwrap();
    assert_eq!(aws.caller().arn, "arn:aws:sts::111111111111:assumed-role/BatonConnector/batond-test");
    assert_eq!((aws.caller().account.as_str(), aws.caller().partition.as_str()), ("111111111111", "aws"));
    assert_eq!(aws.instance().unwrap().arn, server.instance_arn());
    assert_eq!(aws.instance().unwrap().identity_store_id, server.identity_store_id());
}

#[tokio::test]
async fn a_wrong_or_missing_external_id_names_its_variable() {
    let server = testbed().await;
    let wrong = refused(&as_role(&server, "BatonConnector", Some("CANARY-SECRET-0b5c7d-not-this-one"))).await;
    assert!(wrong.to_string().contains("the external id in BATON_EXTERNAL_ID is not the one"), "{wrong}");
    let none = refused(&as_role(&server, "BatonConnector", None)).await;
    assert!(none.to_string().contains("BATON_EXTERNAL_ID is not set"), "{none}");
    // One hop: an empty external id is as good as none.
    let empty = refused(&as_role(&server, "BatonConnector", Some(""))).await;
    assert!(empty.to_string().contains("BATON_EXTERNAL_ID is not set"), "{empty}");
    assert!(!wrong.is_retryable());
}

#[tokio::test]
async fn a_refusal_names_role_and_caller_and_admits_what_aws_hides() {
    let server = testbed().await;
    let mut settings = as_role(&server, "BatonConnector", Some(EXTERNAL_ID));
    settings.role = Some("arn:aws:iam::111111111111:role/Missing".parse().unwrap());
    let missing = refused(&settings).await.to_string();
    assert!(missing.contains("arn:aws:iam::111111111111:role/Missing"), "{missing}");
    assert!(missing.contains("arn:aws:iam::111111111111:user/connector"), "{missing}");
    assert!(missing.contains("Either the role does not exist, or its trust policy"), "{missing}");
}

#[tokio::test]
async fn aws_reasons_for_a_refusal_are_told_apart() {
    let server = testbed().await;
    let settings = as_role(&server, "BatonConnector", Some(EXTERNAL_ID));
    let denial = "User: arn:aws:iam::111111111111:user/connector is not authorized to perform: sts:AssumeRole on \
                  resource: arn:aws:iam::111111111111:role/BatonConnector";
    let answer = |code: &str, message: String| {
        let effect = Effect::Error { code: code.to_owned(), message, status: 403 };
        server.arm(Fault::once("sts:AssumeRole", effect));
    };
    answer("AccessDenied", format!("{denial} because no role trust policy allows the sts:AssumeRole action"));
    assert!(matches!(refused(&settings).await, AccessError::ExternalId { .. }));
    answer(
        "AccessDenied",
        format!("{denial} because no identity-based policy allows the sts:AssumeRole action"),
    );
    assert!(matches!(refused(&settings).await, AccessError::OurSideDenied { .. }));
    answer("AccessDenied", denial.replace("sts:AssumeRole", "sts:TagSession"));
    assert!(matches!(refused(&settings).await, AccessError::TagSession { .. }));
    answer(
        "RegionDisabledException",
        "STS is not activated in this region for account:111111111111".to_owned(),
    );
    assert!(matches!(refused(&settings).await, AccessError::WrongRegion { .. }));
    answer("ValidationError", "Value 'CANARY-SECRET-0b5c7d' at 'externalId' failed to satisfy".to_owned());
    assert!(matches!(refused(&settings).await, AccessError::ExternalIdMalformed { .. }));
    answer("InvalidClientTokenId", "The security token included in the request is invalid".to_owned());
    assert!(matches!(refused(&settings).await, AccessError::InvalidKeys { .. }));
}

#[tokio::test]
async fn expired_base_credentials_are_said_to_be_the_base_ones() {
    let server = testbed().await;
    let settings = as_role(&server, "BatonConnector", Some(EXTERNAL_ID));
    server.arm(Fault::new("sts:AssumeRole", Effect::ExpiredCredentials));
    let error = refused(&settings).await;
    assert!(matches!(error, AccessError::ExpiredBase { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_secret_is_said_to_be_one() {
    let server = testbed().await;
    let mut settings = as_user(&server, "connector");
    settings.static_keys.as_mut().unwrap().secret_access_key = "CANARY-SECRET-0b5c7d-wrong".into();
    let error = refused(&settings).await;
    assert!(error.to_string().contains("AWS does not accept the base credentials"), "{error}");
}

#[tokio::test]
async fn two_hops_send_both_external_ids() {
    let server = testbed().await;
    let aws = Aws::connect(&two_hops(&server, Some(EXTERNAL_ID))).await.unwrap();
    assert_eq!(aws.caller().arn, "arn:aws:sts::111111111111:assumed-role/BatonConnector/batond-test");
}

#[tokio::test]
async fn a_failed_first_hop_names_the_binding() {
    let server = testbed().await;
    let mut settings = two_hops(&server, Some(EXTERNAL_ID));
    settings.binding_external_id = None;
    let error = refused(&settings).await.to_string();
    assert!(error.contains(":role/VendorBinding"), "{error}");
    assert!(error.contains("BATON_GLOBAL_BINDING_EXTERNAL_ID is not set"), "{error}");
}

#[tokio::test]
async fn the_second_hop_sends_even_an_empty_external_id() {
    let server = testbed().await;
    let error = refused(&two_hops(&server, None)).await.to_string();
    assert!(error.contains("the external id in BATON_EXTERNAL_ID is not the one"), "{error}");
}

#[tokio::test]
async fn assuming_unasked_names_both_remedies_and_never_falls_back() {
    let server = testbed().await;
    let mut settings = as_role(&server, "BatonConnector", None);
    settings.assume = Assume::Unset;
    let error = refused(&settings).await.to_string();
    assert!(error.contains("BATON_USE_ASSUME=false") && error.contains("trust policy"), "{error}");
    assert_eq!(server.counters().calls("sso:*"), 0);
    settings.external_id = Some(EXTERNAL_ID.into());
    let aws = Aws::connect(&settings).await.unwrap();
    assert!(aws.caller().arn.contains("assumed-role/BatonConnector/"), "{:?}", aws.caller());
}

#[tokio::test]
async fn explicitly_not_assuming_keeps_the_base_credentials() {
    let server = testbed().await;
    let mut settings = as_role(&server, "BatonConnector", Some(EXTERNAL_ID));
    settings.assume = Assume::Never;
    let aws = Aws::connect(&settings).await.unwrap();
    assert_eq!(aws.caller().arn, "arn:aws:iam::111111111111:user/connector");
    assert_eq!(server.counters().calls("sts:AssumeRole"), 0);
}

#[tokio::test]
async fn identity_center_is_asked_in_its_own_region_in_every_mode() {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.region = "eu-central-1".to_owned();
    let server = Server::start(fixture).await.unwrap();
    for assume in [Assume::Never, Assume::Always] {
        let mut settings = as_role(&server, "BatonConnector", Some(EXTERNAL_ID));
        settings.assume = assume;
        settings.identity_center_region = "eu-central-1".to_owned();
        Aws::connect(&settings).await.unwrap();
        settings.identity_center_region = "us-east-1".to_owned();
        let error = refused(&settings).await;
        assert!(matches!(&error, AccessError::NoInstance { region, .. } if region == "us-east-1"), "{error}");
    }
}

#[tokio::test]
async fn an_instance_in_another_region_is_told_with_that_region() {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.region = "eu-central-1".to_owned();
    let server = Server::start(fixture).await.unwrap();
    let mut settings = as_user(&server, "connector");
    let error = refused(&settings).await.to_string();
    let expected = format!(
        "no Identity Center instance is visible to account 111111111111 in region us-east-1; visible in other regions: \
         {} in eu-central-1; set BATON_GLOBAL_AWS_SSO_REGION to the region of the one that is meant",
        server.instance_arn()
    );
    assert_eq!(error, expected);
    settings.instance_arn = Some(server.instance_arn());
    let error = refused(&settings).await.to_string();
    assert!(
        error.ends_with(
            "visible: none; it is in region eu-central-1: set BATON_GLOBAL_AWS_SSO_REGION to that"
        ),
        "{error}"
    );

    // An endpoint that does not tell regions, and one that fails on the question, leave what was known.
    server.change_instance(|instance| instance.without_regions = true);
    settings.instance_arn = None;
    let without = refused(&settings).await.to_string();
    assert!(without.contains("to the region in which Identity Center was enabled"), "{without}");
    server.change_instance(|instance| instance.without_regions = false);
    let refusal = Effect::Error { code: "ValidationException".into(), message: "x".into(), status: 400 };
    server.arm(Fault::new("sso:ListInstances", refusal).after(1));
    let unknown = refused(&settings).await.to_string();
    assert_eq!(unknown, without);
}

fn with_another_instance(owner: &str) -> Fixture {
    let mut fixture = Fixture::example().unwrap();
    fixture.identity_center.other_instances = vec![OtherInstance {
        name: "private".to_owned(),
        owner: owner.to_owned(),
        visible_to: vec!["Root & Billing".to_owned()],
    }];
    fixture
}

#[tokio::test]
async fn among_several_instances_the_organizations_is_used() {
    let server = Server::start(with_another_instance("Audit")).await.unwrap();
    let aws = Aws::connect(&as_user(&server, "connector")).await.unwrap();
    assert_eq!(aws.instance().unwrap().arn, server.instance_arn());
}

#[tokio::test]
async fn ambiguous_instances_are_listed_and_the_named_one_is_used() {
    let server = Server::start(with_another_instance("Audit")).await.unwrap();
    server.deny("connector", &["organizations:DescribeOrganization"]);
    let mut settings = as_user(&server, "connector");
    let AccessError::AmbiguousInstances { instances, .. } = refused(&settings).await else {
        panic!("the instances are ambiguous")
    };
    assert_eq!(instances.len(), 2);
    let other = instances.into_iter().find(|instance| instance.arn != server.instance_arn()).unwrap();
    assert_eq!(other.owner_account_id.as_deref(), Some("222222222222"));
    settings.instance_arn = Some(other.arn.clone());
    let aws = Aws::connect(&settings).await.unwrap();
    assert_eq!(aws.instance().unwrap().arn, other.arn);
    settings.instance_arn = Some("arn:aws:sso:::instance/ssoins-0000000000000000".to_owned());
    let error = refused(&settings).await;
    assert!(matches!(error, AccessError::InstanceNotVisible { .. }), "{error}");
    assert!(error.to_string().contains(&server.instance_arn()), "{error}");
}

#[tokio::test]
async fn a_denied_listing_of_instances_names_the_action() {
    let server = testbed().await;
    server.deny("connector", &["sso:ListInstances"]);
    let error = refused(&as_user(&server, "connector")).await.to_string();
    assert!(error.contains("sso:ListInstances is missing") && error.contains("111111111111"), "{error}");
}

#[tokio::test]
async fn a_region_that_takes_no_credentials_that_sts_has_taken_is_named() {
    for code in ["UnrecognizedClientException", "InvalidClientTokenId"] {
        let server = testbed().await;
        let settings = batond::config::AwsSettings {
            identity_center_region: "me-central-1".into(),
            ..as_role(&server, "BatonConnector", Some(EXTERNAL_ID))
        };
        let message = "The security token included in the request is invalid.".into();
        server.arm(Fault::new("sso:*", Effect::Error { code: code.into(), message, status: 400 }));
        let error = refused(&settings).await;
        assert!(matches!(error, AccessError::WrongRegion { .. }), "{error}");
        let text = error.to_string();
        for words in ["me-central-1", "not enabled", "STS takes the same credentials", code] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
