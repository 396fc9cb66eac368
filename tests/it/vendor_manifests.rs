//! Whoever applied the two manifests of baton-aws swaps the image and nothing else: each variable then does here what
//! it does there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use batond::config::{
    Environment, Flags, Host, Note, QuotaSetting, RawSettings, Secret as Hidden, Settings, SettingsError,
    StaticKeys, Support, fields,
};
use batond::connector::Connector;
use batond::sync::SyncOptions;
use serde::Deserialize;
use testbed::aws::{Fixture, Server};
use tokio_util::sync::CancellationToken;

use crate::support::Work;

const SECRET: &str = include_str!("vendor_manifests/secret.yaml");
const OLDER_SECRET: &str = include_str!("vendor_manifests/older_secret.yaml");
const DEPLOYMENT: &str = include_str!("vendor_manifests/deployment.yaml");
/// Where the directory of this organization is: not where it is looked for by default.
const REGION: &str = "eu-central-1";

/// What is different without a variable: where it is seen, what is seen there with it, and what without it.
type Effect = (&'static str, &'static str, &'static str, &'static str);

const OF_BOTH: [Effect; 8] = [
    ("BATON_CLIENT_ID", "start", "accepted", "missing [client-id]"),
    ("BATON_CLIENT_SECRET", "start", "accepted", "missing [client-secret]"),
    ("BATON_HOST_ID", "host", "baton-aws", "pod-1"),
    ("BATON_EXTERNAL_ID", "caller", "assumed-role/BatonConnector", "no way in"),
    ("BATON_ROLE_ARN", "caller", "assumed-role/BatonConnector", "user/connector"),
    ("BATON_PROVISIONING", "changes", "true", "false"),
    ("BATON_GLOBAL_AWS_SSO_REGION", "directory", REGION, "none"),
    ("BATON_CREATE_ACCOUNT_RESOURCE_TYPE", "accounts", "SsoUser", "IamUser"),
];

const OF_TODAY: [Effect; 7] = [
    ("BATON_GLOBAL_AWS_ORGS_ENABLED", "start", "accepted", "('global-aws-orgs-enabled') being set"),
    ("BATON_GLOBAL_AWS_SSO_ENABLED", "start", "accepted", "('global-aws-sso-enabled') being set"),
    ("BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED", "types", "account account_iam group", "account group"),
    ("BATON_SYNC_SECRETS", "types", "access-key account", "account account_iam"),
    ("BATON_SYNC_IAM_USER_CONSOLE_ACCESS", "iam:GetLoginProfile", "called", "never"),
    ("BATON_SYNC_SSO_USER_LAST_LOGIN", "feeds", "1", "0"),
    ("BATON_SYNC_RESOURCE_TAGS", "organizations:ListTagsForResource", "called", "never"),
];

const OF_AUGUST: [Effect; 2] = [
    ("BATON_GLOBAL_AWS_ORGS_ENABLED", "start", "accepted", "SSO Support requires Org support"),
    ("BATON_GLOBAL_AWS_SSO_ENABLED", "start", "accepted", "sso_user requires BATON_GLOBAL_AWS_SSO_ENABLED"),
];

#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    #[serde(rename = "stringData")]
    data: BTreeMap<String, Scalar>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// What the guide writes without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Switch(bool),
    Text(String),
}

#[derive(Deserialize)]
struct Deployment {
    spec: DeploymentSpec,
}

#[derive(Deserialize)]
struct DeploymentSpec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: Pod,
}

#[derive(Deserialize)]
struct Pod {
    containers: [Container; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    env: Vec<Variable>,
    env_from: [Reference; 1],
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    secret_ref: Metadata,
}

/// The environment of the container.
fn environment(secret: &str) -> BTreeMap<String, String> {
    let secret: Secret = serde_saphyr::from_str(secret).unwrap();
    let deployment: Deployment = serde_saphyr::from_str(DEPLOYMENT).unwrap();
    let [container] = deployment.spec.template.spec.containers;
    let [source] = container.env_from;
    assert_eq!(source.secret_ref.name, secret.metadata.name);
    let text = |value| match value {
        Scalar::Switch(switch) => switch.to_string(),
        Scalar::Text(text) => text,
    };
    let own = container.env.into_iter().map(|variable| (variable.name, variable.value));
    secret.data.into_iter().map(|(name, value)| (name, text(value))).chain(own).collect()
}

fn resolve(variables: &BTreeMap<String, String>) -> Result<(Settings, Vec<Note>), SettingsError> {
    let all = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Environment::from_variables(all)?;
    let raw = RawSettings::gather(Flags::new(), &environment, Path::new("/nowhere"))?;
    Settings::resolve(raw, &Host { name: "pod-1".to_owned(), is_terminal: false })
}

/// What a pod with this environment does, by where it is seen.
async fn seen(variables: &BTreeMap<String, String>) -> BTreeMap<&'static str, String> {
    let settings = match resolve(variables) {
        Ok((settings, _)) => settings,
        Err(refusal) => return BTreeMap::from([("start", refusal.to_string())]),
    };
    let mut seen = BTreeMap::from([
        ("start", "accepted".to_owned()),
        ("host", settings.host_id.clone()),
        ("changes", settings.provisioning.to_string()),
        ("accounts", format!("{:?}", settings.aws.account_kind)),
    ]);
    let mut fixture = Fixture::example().unwrap();
    REGION.clone_into(&mut fixture.identity_center.region);
    let server = Server::start(fixture).await.unwrap();
    // What the cluster gives to the pod: a region and an identity.
    let mut aws = settings.aws;
    let testbed::aws::Credentials { access_key_id, secret_access_key } = server.credentials();
    aws.region = Some("us-east-1".to_owned());
    aws.endpoint_url = Some(server.url());
    aws.static_keys = Some(StaticKeys { access_key_id, secret_access_key: Hidden::from(secret_access_key) });
    aws.quotas = QuotaSetting::Off;
    let connector = match Connector::open(&aws).await {
        Ok(connector) => connector,
        Err(refusal) => {
            seen.insert("caller", format!("no way in: {refusal}"));
            seen.insert("directory", "none".to_owned());
            return seen;
        }
    };
    let types: Vec<String> = connector.resource_types().into_iter().map(|kind| kind.id).collect();
    seen.insert("caller", connector.aws().caller().arn.clone());
    seen.insert("types", types.join(" "));
    seen.insert("directory", connector.directory().region);
    seen.insert("feeds", connector.event_feeds().len().to_string());
    Work::new().sync(&connector, &SyncOptions::default(), CancellationToken::new()).await.unwrap();
    for action in ["iam:GetLoginProfile", "organizations:ListTagsForResource"] {
        let calls = server.counters().calls(action);
        seen.insert(action, if calls > 0 { "called" } else { "never" }.to_owned());
    }
    seen
}

#[test]
fn every_variable_is_a_setting_that_this_build_has_and_no_warning_is_said() {
    for secret in [SECRET, OLDER_SECRET] {
        let variables = environment(secret);
        for name in variables.keys() {
            let field = fields().find(|field| field.variable() == *name);
            assert!(field.is_some_and(|field| field.support == Support::Built), "{name}");
        }
        let (settings, notes) = resolve(&variables).unwrap();
        assert!(settings.control_plane.is_some());
        let warnings: Vec<&Note> = notes.iter().filter(|note| note.is_warning).collect();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[tokio::test]
async fn every_variable_does_what_it_does_in_baton_aws() {
    for (secret, more) in [(SECRET, &OF_TODAY[..]), (OLDER_SECRET, &OF_AUGUST[..])] {
        let variables = environment(secret);
        let effects: Vec<Effect> = OF_BOTH.iter().chain(more).copied().collect();
        let mut judged: Vec<&str> = effects.iter().map(|(name, ..)| *name).collect();
        judged.sort_unstable();
        assert_eq!(
            judged,
            variables.keys().map(String::as_str).collect::<Vec<_>>(),
            "each variable has its effect told"
        );
        let whole = Box::pin(seen(&variables)).await;
        for (name, place, with, without) in effects {
            let mut fewer = variables.clone();
            fewer.remove(name);
            let lacking = Box::pin(seen(&fewer)).await;
            assert!(lacking.contains_key(place), "{name}: {place}: {lacking:?}");
            assert!(whole[place].contains(with), "{name}: {place}: {:?}", whole[place]);
            assert!(lacking[place].contains(without), "{name}: {place}: {:?}", lacking[place]);
            assert!(!lacking[place].contains(with), "{name} changes nothing: {place}: {:?}", lacking[place]);
        }
    }
}
