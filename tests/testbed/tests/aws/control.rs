//! What withholds actions beyond the caller's own policy: service control policies, and trust that is changed.

use serde_json::json;
use testbed::aws::{Fixture, Server, ServiceControlPolicy, Trust};

use crate::client::{Client, EXTERNAL_ID, example, exchange, start};

const SHOP: &str = "444444444444";
const LIST_USERS: [(&str, &str); 2] = [("Action", "ListUsers"), ("Version", "2010-05-08")];

async fn member<'a>(server: &'a Server, account: &str) -> Client<'a> {
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    Client::new(server).assume(&role, &[]).await
}

fn no_iam(targets: &[&str]) -> ServiceControlPolicy {
    ServiceControlPolicy {
        name: "No IAM".to_owned(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        deny: vec!["iam:*".to_owned()],
        ..ServiceControlPolicy::default()
    }
}

#[tokio::test]
async fn an_explicit_deny_names_the_policy_and_spares_the_management_account() {
    let mut fixture = Fixture::example().unwrap();
    fixture.organization.service_control_policies = vec![no_iam(&["root"])];
    let server = start(fixture).await;
    let session = member(&server, SHOP).await;
    let refused = session.form("iam", &LIST_USERS).await;
    assert_eq!(refused.error(), (403, "AccessDenied".to_owned()));
    let message = refused.element("Message");
    let expected = format!(
        "User: arn:aws:sts::{SHOP}:assumed-role/OrganizationAccountAccessRole/test is not authorized to perform: \
         iam:ListUsers on resource: arn:aws:iam::{SHOP}:user/ with an explicit deny in a service control policy: \
         arn:aws:organizations::111111111111:policy/o-"
    );
    assert!(message.starts_with(&expected) && message.contains("/service_control_policy/p-"), "{message}");
    // Only actions that it names, and nobody can be kept from asking who they are.
    assert_eq!(session.identity().await.status, 200);
    assert_eq!(Client::new(&server).form("iam", &LIST_USERS).await.status, 200);
}

#[tokio::test]
async fn policies_hold_for_what_they_are_attached_to_and_change_while_it_runs() {
    let server = example().await;
    let (shop, audit) = (member(&server, SHOP).await, member(&server, "222222222222").await);
    let denied = async |client: &Client<'_>| {
        let reply = client.form("iam", &LIST_USERS).await;
        (reply.status == 403).then(|| reply.element("Message"))
    };
    assert_eq!(denied(&shop).await, None);
    server.control(&[ServiceControlPolicy { without_arn: true, ..no_iam(&[SHOP]) }]).unwrap();
    let message = denied(&shop).await.unwrap();
    assert!(message.ends_with(" with an explicit deny in a service control policy"), "{message}");
    assert_eq!(denied(&audit).await, None);

    let only = ServiceControlPolicy {
        name: "Storage alone".to_owned(),
        targets: vec!["root".to_owned()],
        allow: vec!["s3:*".to_owned()],
        ..ServiceControlPolicy::default()
    };
    let body = json!([only]).to_string();
    let json = "content-type: application/json\r\n";
    let path = "/_testbed/service-control-policies";
    assert_eq!(exchange(&server, "PUT", path, json, &body).await.unwrap().status, 204);
    let message = denied(&audit).await.unwrap();
    assert!(
        message.ends_with(" because no service control policy allows the iam:ListUsers action"),
        "{message}"
    );
    assert!(server.control(&[no_iam(&["Nowhere"])]).is_err());
    server.control(&[]).unwrap();
    assert_eq!(denied(&audit).await, None);
}

#[tokio::test]
async fn trust_can_be_taken_and_given_while_it_runs() {
    let server = example().await;
    let client = Client::new(&server);
    let role = server.connector_role_arn().unwrap();
    let open = async |external_id| client.assume_role(&role, &[("ExternalId", external_id)]).await.status;
    let session = client.assume(&role, &[("ExternalId", EXTERNAL_ID)]).await;
    let stranger = Trust { principals: vec!["222222222222".to_owned()], ..Trust::default() };
    assert!(server.trust(&role, vec![stranger]).unwrap());
    assert_eq!(open(EXTERNAL_ID).await, 403);
    assert_eq!(session.identity().await.status, 200, "a session outlives the trust that it began with");
    let body = json!([{"principals": ["connector"], "external_id": "another"}]).to_string();
    let json = "content-type: application/json\r\n";
    let path = format!("/_testbed/trust?role={role}");
    assert_eq!(exchange(&server, "PUT", &path, json, &body).await.unwrap().status, 204);
    assert_eq!((open(EXTERNAL_ID).await, open("another").await), (403, 200));
    assert!(!server.trust("arn:aws:iam::111111111111:role/Nope", Vec::new()).unwrap());
    let nobody = Trust { principals: vec!["Nobody".to_owned()], ..Trust::default() };
    assert!(server.trust(&role, vec![nobody]).is_err());
}
