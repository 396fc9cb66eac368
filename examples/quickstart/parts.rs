//! What the quickstart consists of: an AWS, a control plane, and batond between them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use batond::config::{Environment, Flags, Host, RawSettings, Settings, SettingsError};
use batond::control_plane::{Network, Proxies};
use batond::daemon::{self, Ended, Signals};
use batond::doctor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;
use testbed::{aws, control_plane};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::stay::free_address;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything that runs.
pub(crate) struct Parts {
    pub(crate) aws: aws::Server,
    pub(crate) control_plane: Arc<control_plane::Server>,
    /// Where batond answers probes.
    pub(crate) health: SocketAddr,
    /// Where batond shows its metrics.
    pub(crate) metrics: SocketAddr,
    /// Where its log is kept for who wants to follow it.
    pub(crate) log: PathBuf,
    pub(crate) work_dir: TempDir,
    settings: Settings,
    network: Network,
    daemon: JoinHandle<Ended>,
    stop: mpsc::Sender<()>,
}

impl Parts {
    /// Starts all three, and says where they are.
    pub(crate) async fn start() -> Outcome<Self> {
        println!(
            "An AWS and a control plane inside this process, and batond between them. Nothing leaves this machine.\n"
        );
        let organization = aws::Fixture::example()?;
        let external_id = external_id(&organization).ok_or("the connector's role has no external id")?;
        let aws = aws::Server::start(organization).await?;
        let options = control_plane::Options { patience: PATIENCE, ..control_plane::Options::default() };
        let control_plane = control_plane::Server::start(options).await?;
        println!("  AWS            {}", aws.url());
        println!("  control plane  https://{}", control_plane.authority());

        let work_dir = TempDir::with_prefix("batond-quickstart-")?;
        let (health, metrics) = (free_address()?, free_address()?);
        let mut variables = variables(&aws, external_id, &control_plane, &work_dir);
        variables.push(("BATON_HEALTH_CHECK", "true".to_owned()));
        variables.push(("BATON_HEALTH_CHECK_PORT", health.port().to_string()));
        variables.push(("BATON_METRICS_ADDRESS", metrics.to_string()));
        println!("  batond         with the variables that a pod would have:");
        for (name, value) in &variables {
            let secret = name.contains("SECRET") || name.contains("EXTERNAL_ID");
            println!("                   {name}={}", if secret { "..." } else { value });
        }
        let settings = settings(&variables, &aws, &work_dir)?;
        let authority = CertificateDer::from_pem_file(control_plane.ca_pem_path())?;
        let network = Network::trusting([authority], Proxies::Bypass)?;
        let (stop, signals) = Signals::channel();
        let (of_daemon, way) = (settings.clone(), network.clone());
        let daemon = tokio::spawn(async move { daemon::run_on(of_daemon, &way, signals).await });
        let log = work_dir.path().join("batond.log");
        let control_plane = Arc::new(control_plane);
        Ok(Self { aws, control_plane, health, metrics, log, work_dir, settings, network, daemon, stop })
    }

    /// What `batond doctor` finds with the same settings.
    pub(crate) async fn doctor(&self) -> doctor::Report {
        Box::pin(doctor::examine(&self.settings, &self.network)).await
    }

    /// Asks batond to end, as Kubernetes does with SIGTERM, and waits until it has.
    pub(crate) async fn stop(&mut self) -> Outcome<Ended> {
        self.stop.send(()).await?;
        Ok((&mut self.daemon).await?)
    }
}

/// The environment of the connector.
fn variables(
    aws: &aws::Server,
    external_id: String,
    control_plane: &control_plane::Server,
    work_dir: &TempDir,
) -> Vec<(&'static str, String)> {
    let keys = aws.credentials();
    vec![
        ("BATON_CLIENT_ID", control_plane.client_id().to_owned()),
        ("BATON_CLIENT_SECRET", control_plane.client_secret().to_owned()),
        ("BATON_PROVISIONING", "true".to_owned()),
        ("BATON_GLOBAL_ACCESS_KEY_ID", keys.access_key_id),
        ("BATON_GLOBAL_SECRET_ACCESS_KEY", keys.secret_access_key),
        ("BATON_GLOBAL_REGION", "us-east-1".to_owned()),
        ("BATON_GLOBAL_AWS_ORGS_ENABLED", "true".to_owned()),
        ("BATON_GLOBAL_AWS_SSO_ENABLED", "true".to_owned()),
        ("BATON_ROLE_ARN", aws.connector_role_arn().unwrap_or_default()),
        ("BATON_EXTERNAL_ID", external_id),
        ("BATON_USE_ASSUME", "true".to_owned()),
        ("BATON_C1Z_TEMP_DIR", work_dir.path().display().to_string()),
    ]
}

/// What the trust policy of the connector's role demands.
fn external_id(organization: &aws::Fixture) -> Option<String> {
    let principals = &organization.principals;
    let role = principals.roles.iter().find(|role| role.name == principals.connector_role)?;
    role.trust.iter().find_map(|trust| trust.external_id.clone())
}

fn settings(
    variables: &[(&'static str, String)],
    aws: &aws::Server,
    work_dir: &TempDir,
) -> Result<Settings, SettingsError> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Environment::from_variables(variables)?;
    let raw = RawSettings::gather(Flags::new(), &environment, work_dir.path())?;
    let (mut settings, _notes) = Settings::resolve(raw, &Host::of_process())?;
    // A pod would say AWS_ENDPOINT_URL, which the AWS SDK takes from the environment of the process alone.
    settings.aws.endpoint_url = Some(aws.url());
    Ok(settings)
}
