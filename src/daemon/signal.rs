//! The signals that ask the process to stop.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Requests to stop: the first asks to finish, the second to end at once.
#[derive(Debug)]
pub struct Signals(Source);

#[derive(Debug)]
enum Source {
    System(Vec<Signal>),
    Channel(mpsc::Receiver<()>),
}

impl Signals {
    /// SIGTERM, SIGINT, SIGHUP and SIGQUIT of this process. From here on none of them ends it by itself, so that it
    /// leaves nothing behind. One that the process was started to ignore, as `nohup` does with SIGHUP, stays ignored.
    ///
    /// Must be called within the runtime.
    pub fn system() -> io::Result<Self> {
        let ignored = ignored();
        let kinds =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
        let heard = kinds.into_iter().filter(|kind| !is_among(*kind, ignored));
        Ok(Self(Source::System(heard.map(signal).collect::<Result<_, _>>()?)))
    }

    /// Signals sent by the program that embeds the daemon.
    pub fn channel() -> (mpsc::Sender<()>, Self) {
        let (sender, receiver) = mpsc::channel(2);
        (sender, Self(Source::Channel(receiver)))
    }

    /// Waits for the next request. Cancel-safe.
    pub async fn next(&mut self) {
        let received = match &mut self.0 {
            Source::System(signals) => {
                poll_fn(|context| {
                    let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
                    if came { Poll::Ready(Some(())) } else { Poll::Pending }
                })
                .await
            }
            Source::Channel(receiver) => receiver.recv().await,
        };
        if received.is_none() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}

/// The signals that this process ignores, as a mask; none where the system does not tell.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_in(&status))
}

fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn is_among(kind: SignalKind, mask: u64) -> bool {
    let bit = u32::try_from(kind.as_raw_value() - 1).ok().and_then(|bit| 1_u64.checked_shl(bit));
    bit.is_some_and(|bit| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_was_started_to_ignore_is_told_apart() {
        let mask = ignored_in("Name:\tbatond\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n");
        assert!(is_among(SignalKind::hangup(), mask) && is_among(SignalKind::pipe(), mask));
        assert!(!is_among(SignalKind::terminate(), mask) && !is_among(SignalKind::quit(), mask));
        assert_eq!(ignored_in("SigIgn:\tnot a mask"), 0);
    }
}
