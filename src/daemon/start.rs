//! The steps before the first task: access to AWS, then the hello. Trouble that passes is waited for.

use std::time::Duration;

use crate::baton::Code;
use tokio::time::sleep;

use crate::aws::AccessError;
use crate::config::Settings;
use crate::connector::Connector;
use crate::control_plane::{Backoff, Client, RpcError};
use crate::tasks::{self, Engine};

/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// A start that cannot succeed until somebody changes something.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// AWS refuses us, or the settings name what is not there.
    #[error("no access to AWS: {0}")]
    Access(#[source] AccessError),
    /// The control plane refuses us.
    #[error(transparent)]
    Hello(RpcError),
}

impl StartError {
    /// The gRPC code that fits, by which the process ends.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Access(error) => tasks::access_code(error),
            Self::Hello(error) => error.code(),
        }
    }
}

/// Opens the connector, again and again while what hinders it passes.
pub(super) async fn connect(settings: &Settings) -> Result<Connector, StartError> {
    let mut backoff = Backoff::up_to(LONGEST_WAIT);
    loop {
        let error = match Connector::open(&settings.aws).await {
            Ok(connector) => return Ok(connector),
            Err(error) if error.is_retryable() => error,
            Err(error) => return Err(StartError::Access(error)),
        };
        let wait = backoff.wait();
        tracing::warn!(error = %error, next_check_after = wait.as_secs_f64(), "no access to AWS yet");
        sleep(wait).await;
    }
}

/// Announces the connector, again and again while what hinders it passes; a control plane that cannot be reached is
/// waited for.
pub(super) async fn hello(client: &Client, engine: &dyn Engine) -> Result<(), StartError> {
    let mut backoff = Backoff::up_to(LONGEST_WAIT);
    loop {
        let error = match client.hello("", engine.metadata()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_permanent() => return Err(StartError::Hello(error)),
            Err(error) => error,
        };
        let wait = backoff.wait();
        tracing::warn!(error = %error, next_check_after = wait.as_secs_f64(), "hello failed; trying again");
        sleep(wait).await;
    }
}
