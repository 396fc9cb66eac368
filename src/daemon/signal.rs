//! The signals that ask the process to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Requests to stop: the first asks to finish, the second to end at once.
#[derive(Debug)]
pub struct Signals(Source);

#[derive(Debug)]
enum Source {
    System { terminate: Signal, interrupt: Signal },
    Channel(mpsc::Receiver<()>),
}

impl Signals {
    /// SIGTERM and SIGINT of this process. From here on neither ends it by itself.
    pub fn system() -> io::Result<Self> {
        Ok(Self(Source::System {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        }))
    }

    /// Signals sent by the program that embeds the daemon.
    pub fn channel() -> (mpsc::Sender<()>, Self) {
        let (sender, receiver) = mpsc::channel(2);
        (sender, Self(Source::Channel(receiver)))
    }

    /// Waits for the next request. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let received = match &mut self.0 {
            Source::System { terminate, interrupt } => tokio::select! {
                received = terminate.recv() => received,
                received = interrupt.recv() => received,
            },
            Source::Channel(receiver) => receiver.recv().await,
        };
        if received.is_none() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}
