//! Keys, sessions, roles and what they are refused.

use std::time::Duration;

use serde_json::json;
use testbed::CANARY;

use crate::client::{Client, EXTERNAL_ID, example, exchange};

#[tokio::test]
async fn a_missing_role_is_refused_in_the_words_of_one_that_does_not_trust() {
    let server = example().await;
    let client = Client::new(&server);
    let role = server.connector_role_arn().unwrap();
    let mut texts = Vec::new();
    for (arn, more) in [
        (format!("{role}Nope"), vec![("ExternalId", EXTERNAL_ID)]),
        (role.clone(), vec![]),
        (role.clone(), vec![("ExternalId", "another")]),
    ] {
        let reply = client.assume_role(&arn, &more).await;
        assert_eq!(reply.error(), (403, "AccessDenied".to_owned()));
        texts.push(reply.element("Message").replace("Nope", ""));
    }
    texts.dedup();
    let expected = format!(
        "User: arn:aws:iam::111111111111:user/connector is not authorized to perform: sts:AssumeRole on resource: {role}"
    );
    assert_eq!(texts, [expected]);
}

#[tokio::test]
async fn a_suspended_account_opens_to_nobody() {
    let server = example().await;
    let role = "arn:aws:iam::777777777777:role/OrganizationAccountAccessRole";
    let refused = Client::new(&server).assume_role(role, &[]).await;
    assert_eq!(refused.error(), (403, "AccessDenied".to_owned()));
}

#[tokio::test]
async fn sessions_of_one_account_can_expire_alone() {
    let server = example().await;
    let role = |account: &str| format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    let client = Client::new(&server);
    let (shop, audit) =
        (client.assume(&role("444444444444"), &[]).await, client.assume(&role("222222222222"), &[]).await);
    server.expire_sessions_of("444444444444");
    assert_eq!(shop.identity().await.error(), (403, "ExpiredToken".to_owned()));
    assert_eq!(audit.identity().await.status, 200);
}

#[tokio::test]
async fn sessions_of_one_role_can_last_for_seconds() {
    let server = example().await;
    server.set(|knobs| {
        knobs.session_lifetimes.insert("OrganizationAccountAccessRole".into(), Duration::from_secs(3));
    });
    let client = Client::new(&server);
    let ends = async |role: &str, more: &[(&str, &str)]| {
        let reply = client.assume_role(role, more).await;
        reply.element("Expiration").parse::<jiff::Timestamp>().unwrap()
    };
    let before = jiff::Timestamp::now();
    let member = ends("arn:aws:iam::444444444444:role/OrganizationAccountAccessRole", &[]).await;
    let own = ends(&server.connector_role_arn().unwrap(), &[("ExternalId", EXTERNAL_ID)]).await;
    // Whole seconds: what is cut off is less than one.
    assert!(member.duration_since(before).as_secs_f64() > 2.0 - 1e-9, "{before} {member}");
    assert!(own.duration_since(member).as_secs() > 3000, "{member} {own}");
}

#[tokio::test]
async fn a_session_is_somebody_else() {
    let server = example().await;
    let role = server.connector_role_arn().unwrap();
    let session = Client::new(&server).assume(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    let arn = session.identity().await.element("Arn");
    assert_eq!(arn, "arn:aws:sts::111111111111:assumed-role/BatonConnector/test");
}

#[tokio::test]
async fn two_hops_lead_from_outside_into_the_organization() {
    let server = example().await;
    let vendor = server.credentials_of("vendor").unwrap();
    let vendor = Client::with_key(&server, &vendor.access_key_id);
    let outside = vendor.organizations("ListRoots", json!({})).await;
    assert_eq!(outside.error(), (400, "AWSOrganizationsNotInUseException".to_owned()));

    let binding_id = format!("{CANARY}-external-id-of-the-binding");
    let binding = server.role_arn("VendorBinding").unwrap();
    let binding = vendor.assume(&binding, &[("ExternalId", &binding_id)]).await;
    let role = server.connector_role_arn().unwrap();
    let session = binding.assume(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    assert_eq!(session.organizations("ListRoots", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most() {
    let server = example().await;
    let role = server.connector_role_arn().unwrap();
    let session = Client::new(&server).assume(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    let child = "arn:aws:iam::444444444444:role/OrganizationAccountAccessRole";
    for (seconds, status) in [("899", 400), ("900", 200), ("3600", 200), ("3601", 400), ("43201", 400)] {
        let reply = session.assume_role(child, &[("DurationSeconds", seconds)]).await;
        assert_eq!(reply.status, status, "{seconds}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_session_can_be_made_to_end_soon() {
    let server = example().await;
    server.set(|knobs| knobs.session_lifetime = Some(Duration::from_millis(150)));
    let session = Client::new(&server).assume(&server.role_arn("NoTags").unwrap(), &[]).await;
    assert_eq!(session.identity().await.status, 200);
    while session.identity().await.status == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(session.identity().await.error(), (403, "ExpiredToken".to_owned()));
}

#[tokio::test]
async fn transitive_tags_of_a_pod_need_a_role_that_allows_them() {
    let server = example().await;
    let refused = exchange(&server, "GET", "/v1/credentials", "authorization: other\r\n", "").await.unwrap();
    assert_eq!(refused.status, 403);

    let header = format!("authorization: {CANARY}.container\r\n");
    let pod = exchange(&server, "GET", "/v1/credentials", &header, "").await.unwrap().ok();
    let pod = Client::with_key(&server, pod["AccessKeyId"].as_str().unwrap())
        .with_token(pod["Token"].as_str().unwrap());
    let refused = pod.assume_role(&server.role_arn("NoTags").unwrap(), &[]).await;
    assert_eq!(refused.error(), (403, "AccessDenied".to_owned()));
    assert!(
        refused.text().contains("is not authorized to perform: sts:TagSession on resource"),
        "{}",
        refused.text()
    );

    // Without tags the same role opens, and a role that allows tags opens to the pod.
    Client::new(&server).assume(&server.role_arn("NoTags").unwrap(), &[]).await;
    pod.assume(&server.connector_role_arn().unwrap(), &[("ExternalId", EXTERNAL_ID)]).await;
}

#[tokio::test]
async fn instance_metadata_wants_its_token_first() {
    let server = example().await;
    let path = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(exchange(&server, "GET", path, "", "").await.unwrap().status, 401);
    let token = exchange(&server, "PUT", "/latest/api/token", "", "").await.unwrap().text();
    let header = format!("x-aws-ec2-metadata-token: {token}\r\n");
    let role = exchange(&server, "GET", path, &header, "").await.unwrap().text();
    assert_eq!(role, "PodRole");
    let session = exchange(&server, "GET", &format!("{path}{role}"), &header, "").await.unwrap().ok();
    assert_eq!(session["Code"], "Success");
}

#[tokio::test]
async fn a_web_identity_token_opens_only_its_role() {
    let server = example().await;
    let token = format!("{CANARY}.web.identity");
    for (role, token, expected) in
        [("PodRole", token.as_str(), 200), ("PodRole", "forged", 400), ("NoTags", token.as_str(), 403)]
    {
        let arn = server.role_arn(role).unwrap();
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &arn),
            ("RoleSessionName", "pod"),
            ("WebIdentityToken", token),
        ]);
        let reply = exchange(&server, "POST", "/", "", &body.finish()).await.unwrap();
        assert_eq!(reply.status, expected, "{role} {token}: {}", reply.text());
    }
}

#[tokio::test]
async fn bad_credentials_are_refused_in_the_shape_of_each_protocol() {
    let server = example().await;
    let role = server.connector_role_arn().unwrap();
    let session = Client::new(&server).assume(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    let stranger = Client::with_key(&server, "AKIASTRANGER");
    let forged = Client::new(&server).with_token("forged");
    server.expire_sessions();
    for (client, form, json) in [
        (&session, (403, "ExpiredToken"), (400, "ExpiredTokenException")),
        (&stranger, (403, "InvalidClientTokenId"), (400, "UnrecognizedClientException")),
        (&forged, (403, "InvalidClientTokenId"), (400, "UnrecognizedClientException")),
    ] {
        let (status, code) = client.identity().await.error();
        assert_eq!((status, code.as_str()), form);
        let (status, code) = client.sso("ListPermissionSets", json!({})).await.error();
        assert_eq!((status, code.as_str()), json);
    }
    let unsigned =
        exchange(&server, "POST", "/", "x-amz-target: AWSIdentityStore.ListUsers\r\n", "{}").await.unwrap();
    assert_eq!(unsigned.error(), (400, "MissingAuthenticationTokenException".to_owned()));
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let server = example().await;
    server.set(|knobs| knobs.verify_signatures = true);
    let client = Client::new(&server);
    assert_eq!(client.identity().await.error(), (403, "SignatureDoesNotMatch".to_owned()));
    let reply = client.sso("ListPermissionSets", json!({})).await;
    assert_eq!(reply.error(), (400, "InvalidSignatureException".to_owned()));
}

#[tokio::test]
async fn a_denial_names_who_what_and_where() {
    let server = example().await;
    assert!(server.deny("connector", &["sso:ListPermission*", "sts:*"]));
    assert!(!server.deny("nobody", &[]));
    let client = Client::new(&server);
    let reply = client.sso("ListPermissionSets", json!({})).await;
    assert_eq!(reply.error(), (400, "AccessDeniedException".to_owned()));
    let expected = format!(
        "User: arn:aws:iam::111111111111:user/connector is not authorized to perform: sso:ListPermissionSets on resource: {} because no identity-based policy allows the sso:ListPermissionSets action",
        server.instance_arn()
    );
    assert_eq!(reply.value()["Message"], expected);
    // AWS answers this one whatever the policy says.
    assert_eq!(client.identity().await.status, 200);
    assert_eq!(client.assume_role(&server.role_arn("NoTags").unwrap(), &[]).await.status, 403);
    server.deny("connector", &[]);
    assert_eq!(client.sso("ListPermissionSets", json!({})).await.status, 200);
}

#[tokio::test]
async fn every_secret_carries_the_canary() {
    let server = example().await;
    let key = server.credentials();
    assert!(key.secret_access_key.contains(CANARY));
    assert!(!format!("{key:?}").contains(CANARY));
    let role = server.connector_role_arn().unwrap();
    let reply = Client::new(&server).assume_role(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    assert!(reply.element("SecretAccessKey").contains(CANARY));
    assert!(reply.element("SessionToken").contains(CANARY));
    assert!(EXTERNAL_ID.contains(CANARY));
}
