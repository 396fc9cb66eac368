//! The ambient chain, tried in processes with an environment of their own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use batond::aws::Aws;
use batond::config::{Assume, AwsSettings, QuotaSetting};
use testbed::aws::{Effect, Fault, Server};

use super::{EXTERNAL_ID, testbed};

/// Marks the process that connects.
const ROLE_TO_ASSUME: &str = "BATOND_TEST_CONNECTS";

/// Connects with nothing but this environment and gives what was said: `connected as <ARN>` or `refused: <error>`.
pub(super) async fn connect_in_a_process_of_its_own(environment: &[(&str, &str)]) -> String {
    connect_into("", environment).await
}

async fn connect_into(role: &str, environment: &[(&str, &str)]) -> String {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process
        .args(["--exact", "aws::ambient::the_environment_decides_as_whom_to_connect", "--nocapture"])
        .env_clear()
        .env(ROLE_TO_ASSUME, role)
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || process.output()).await.unwrap().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(testbed::CANARY), "{said}");
    said
}

/// In a process of its own: connects and says as whom. In the test run: tries each source of the ambient chain.
#[tokio::test]
async fn the_environment_decides_as_whom_to_connect() {
    if let Ok(role) = std::env::var(ROLE_TO_ASSUME) {
        let settings = AwsSettings {
            role: role.parse().ok(),
            external_id: Some(EXTERNAL_ID.into()),
            assume: Assume::Unset,
            identity_center: true,
            quotas: QuotaSetting::Off,
            ca_bundle: std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from),
            ..AwsSettings::default()
        };
        match Aws::connect(&settings).await {
            Ok(aws) => println!("connected as {}", aws.caller().arn),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    let server = testbed().await;
    let url = server.url();
    let common = [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_REGION", "us-east-1")];
    from_a_shared_file(&common, &server).await;
    from_a_web_identity(&common, &server).await;
    from_a_web_identity_in_trouble(&common).await;
    to_an_address_without_a_scheme(&server).await;
    from_the_container_endpoint(&common, &server).await;
    from_the_instance_metadata(&common, &server).await;
    from_nowhere(&common).await;
}

async fn from_a_shared_file(common: &[(&str, &str)], server: &Server) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let keys = server.credentials();
    writeln!(
        file,
        "[team]\naws_access_key_id = {}\naws_secret_access_key = {}",
        keys.access_key_id, keys.secret_access_key
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let environment = [common, &[("AWS_SHARED_CREDENTIALS_FILE", path), ("AWS_PROFILE", "team")]].concat();
    let said = connect_in_a_process_of_its_own(&environment).await;
    assert!(said.contains("connected as arn:aws:iam::111111111111:user/connector"), "{said}");
}

async fn from_a_web_identity(common: &[(&str, &str)], server: &Server) {
    let mut token = tempfile::NamedTempFile::new().unwrap();
    write!(token, "CANARY-SECRET-0b5c7d.web.identity").unwrap();
    let path = token.path().to_str().unwrap().to_owned();
    let pod = server.role_arn("PodRole").unwrap();
    let irsa = [("AWS_ROLE_ARN", pod.as_str()), ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    let said = connect_in_a_process_of_its_own(&[common, &irsa].concat()).await;
    assert!(said.contains("connected as arn:aws:sts::111111111111:assumed-role/PodRole/"), "{said}");
    // A role beside it is assumed, unless it is the one that the pod has already.
    let role = server.role_arn("BatonConnector").unwrap();
    let said = connect_into(&role, &[common, &irsa].concat()).await;
    assert!(
        said.contains("connected as arn:aws:sts::111111111111:assumed-role/BatonConnector/batond-"),
        "{said}"
    );
    server.reset_counters();
    let said = connect_into(&pod, &[common, &irsa].concat()).await;
    assert!(said.contains("connected as arn:aws:sts::111111111111:assumed-role/PodRole/"), "{said}");
    assert_eq!(server.counters().calls("sts:AssumeRole"), 0);
    write!(token, "-of-another-cluster").unwrap();
    let said = connect_in_a_process_of_its_own(&[common, &irsa].concat()).await;
    assert!(said.contains("refused: the web identity (IRSA) is refused"), "{said}");
}

async fn from_a_web_identity_in_trouble(common: &[(&str, &str)]) {
    let mut token = tempfile::NamedTempFile::new().unwrap();
    write!(token, "CANARY-SECRET-0b5c7d.web.identity").unwrap();
    let path = token.path().to_str().unwrap().to_owned();
    let pod = "arn:aws:iam::111111111111:role/PodRole";
    let irsa = [("AWS_ROLE_ARN", pod), ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    for (code, message, words) in [
        (
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider",
            "at the moment",
        ),
        ("IDPCommunicationError", "the issuer is away", "at the moment"),
        ("InvalidIdentityToken", "Incorrect token audience", "(IRSA) is refused"),
        ("ValidationError", "Value 'CANARY-SECRET-0b5c7d' at 'webIdentityToken' failed", "ValidationError"),
    ] {
        let effect = Effect::Error { code: code.into(), message: message.into(), status: 400 };
        let server = testbed().await;
        server.arm(Fault::new("sts:AssumeRoleWithWebIdentity", effect));
        let url = server.url();
        let there = [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_REGION", "us-east-1")];
        let said = connect_in_a_process_of_its_own(&[there, irsa].concat()).await;
        assert!(said.contains("refused: ") && said.contains(words), "{code}: {said}");
    }
    let missing = [irsa[0], ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")];
    let said = connect_in_a_process_of_its_own(&[common, &missing].concat()).await;
    assert!(said.contains("/nowhere/token (AWS_WEB_IDENTITY_TOKEN_FILE)"), "{said}");
}

/// The library's error holds the whole request, external id and token included.
async fn to_an_address_without_a_scheme(server: &Server) {
    let mut token = tempfile::NamedTempFile::new().unwrap();
    write!(token, "CANARY-SECRET-0b5c7d.web.identity").unwrap();
    let path = token.path().to_str().unwrap().to_owned();
    let pod = server.role_arn("PodRole").unwrap();
    let role = server.role_arn("BatonConnector").unwrap();
    let keys = server.credentials();
    let (id, secret) = (keys.access_key_id.as_str(), keys.secret_access_key.as_str());
    let irsa = [("AWS_ROLE_ARN", pod.as_str()), ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    let fixed = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
    for address in ["127.0.0.1:1", "sts.corp.test", "//sts.corp.test"] {
        let common = [("AWS_ENDPOINT_URL", address), ("AWS_REGION", "us-east-1")];
        for source in [irsa, fixed] {
            let said = connect_into(&role, &[common, source].concat()).await;
            assert!(said.contains("refused: "), "{said}");
            assert!(!said.contains("WebIdentityToken=") && !said.contains("ExternalId="), "{said}");
        }
    }
}

async fn from_the_container_endpoint(common: &[(&str, &str)], server: &Server) {
    let endpoint = format!("{}/v1/credentials", server.url());
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "CANARY-SECRET-0b5c7d.container"),
    ];
    let environment = [common, &container].concat();
    let said = connect_in_a_process_of_its_own(&environment).await;
    assert!(said.contains("connected as arn:aws:sts::111111111111:assumed-role/PodRole/"), "{said}");
    let said = connect_into(&server.role_arn("NoTags").unwrap(), &environment).await;
    assert!(said.contains("sts:TagSession is not allowed") && said.contains("role/NoTags"), "{said}");
}

async fn from_the_instance_metadata(common: &[(&str, &str)], server: &Server) {
    let endpoint = server.url();
    let environment = [common, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())]].concat();
    let said = connect_in_a_process_of_its_own(&environment).await;
    assert!(said.contains("connected as arn:aws:sts::111111111111:assumed-role/PodRole/"), "{said}");
}

async fn from_nowhere(common: &[(&str, &str)]) {
    let environment = [common, &[("AWS_EC2_METADATA_DISABLED", "true")]].concat();
    let said = connect_in_a_process_of_its_own(&environment).await;
    assert!(said.contains("refused: no AWS credentials"), "{said}");
    let said = connect_in_a_process_of_its_own(&[("AWS_EC2_METADATA_DISABLED", "true")]).await;
    assert!(said.contains("refused: no AWS region"), "{said}");
}
