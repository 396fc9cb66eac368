//! Access to AWS, judged by the testbed's AWS.

mod access;
mod ambient;
mod calls;
mod network;
mod newer;

use std::time::Duration;

use batond::aws::{Api, Aws};
use batond::config::{Assume, AwsSettings, QuotaSetting, StaticKeys};
use testbed::aws::{Fixture, Server};
use tokio_util::sync::CancellationToken;

const EXTERNAL_ID: &str = "CANARY-SECRET-0b5c7d-external-id-of-the-customer";
const BINDING_EXTERNAL_ID: &str = "CANARY-SECRET-0b5c7d-external-id-of-the-binding";

async fn testbed() -> Server {
    Server::start(Fixture::example().unwrap()).await.unwrap()
}

/// The settings of a user of the testbed who keeps his own credentials.
fn as_user(server: &Server, user: &str) -> AwsSettings {
    let keys = server.credentials_of(user).unwrap();
    AwsSettings {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(server.url()),
        static_keys: Some(StaticKeys {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key.into(),
        }),
        assume: Assume::Never,
        organizations: true,
        identity_center: true,
        quotas: QuotaSetting::Off,
        http_timeout: Duration::from_secs(20),
        session_name: "batond-test".to_owned(),
        ..AwsSettings::default()
    }
}

/// The settings of the connector's user, who assumes a role of the testbed.
fn as_role(server: &Server, role: &str, external_id: Option<&str>) -> AwsSettings {
    AwsSettings {
        role: Some(server.role_arn(role).unwrap().parse().unwrap()),
        external_id: external_id.map(Into::into),
        assume: Assume::Always,
        ..as_user(server, "connector")
    }
}

/// The calls of a crawl by the connector's own user.
async fn connected(server: &Server) -> Api {
    Aws::connect(&as_user(server, "connector")).await.unwrap().sync(CancellationToken::new())
}

/// The error of a refused start, which must not hold a secret.
async fn refused(settings: &AwsSettings) -> batond::aws::AccessError {
    let error = Aws::connect(settings).await.expect_err("the start is refused");
    let printed = format!("{error} {error:?} {settings:?}");
    assert!(!printed.contains(testbed::CANARY), "{printed}");
    error
}
