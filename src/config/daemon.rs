//! Settings of the long-running process.

use std::net::SocketAddr;
use std::time::Duration;

/// How the long-running process behaves.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// Tasks at once, 1 to 100.
    pub task_concurrency: usize,
    /// Where to answer health probes; `None` answers none.
    pub health: Option<SocketAddr>,
    /// Where to show metrics; `None` counts none.
    pub metrics: Option<SocketAddr>,
    /// How long running tasks may go on after the signal to stop, before they are cancelled.
    pub shutdown_grace: Duration,
    /// Whether to ask for tasks in batches (`GetTasks`) in place of one by one (`GetTask`).
    pub get_tasks: bool,
}

/// The documented defaults.
impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            task_concurrency: 3,
            health: None,
            metrics: None,
            shutdown_grace: Duration::from_secs(25),
            get_tasks: false,
        }
    }
}
