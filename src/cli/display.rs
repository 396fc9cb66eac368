//! The live display of a sync: a line on a terminal, now and then a log line elsewhere.

use std::future::Future;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::sync::{Phase, Progress, Snapshot};
use crate::telemetry;

/// Shows how far a run is. Log lines go through its [`writer`](Self::writer), which keeps them above the display.
#[derive(Clone, Debug)]
pub(super) struct Display {
    bar: ProgressBar,
    is_live: bool,
}

impl Display {
    /// Shows on standard error if that is a terminal.
    pub(super) fn on_terminal() -> Self {
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { bar, is_live: true }
    }

    /// Shows nothing.
    pub(super) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), is_live: false }
    }

    /// Whether somebody watches.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Standard error for lines that must not run into the display.
    pub(super) fn writer(&self) -> impl Write + Send + 'static {
        Above(self.bar.clone())
    }

    /// Follows `work` to its end. Cancel-safe as far as `work` is.
    ///
    /// It is drawn on a thread that may block: a terminal that is held (Ctrl-S) must not hold up the work.
    pub(super) async fn follow<W: Future>(&self, progress: &Progress, aws: &Aws, work: W) -> W::Output {
        const REDRAW: Duration = Duration::from_millis(100);
        const LOG: Duration = Duration::from_secs(30);
        const LAST: Duration = Duration::from_secs(1);
        let begun = Instant::now();
        let period = if self.is_live { REDRAW } else { LOG };
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut work = std::pin::pin!(work);
        let mut drawn = spawn_blocking(|| {});
        let output = loop {
            tokio::select! {
                output = &mut work => break output,
                _ = ticks.tick() => {
                    let message = self.show(progress.snapshot(), aws, begun.elapsed());
                    if let (Some(message), true) = (message, drawn.is_finished()) {
                        let bar = self.bar.clone();
                        drawn = spawn_blocking(move || {
                            bar.set_message(message);
                            bar.tick();
                        });
                    }
                }
            }
        };
        let bar = self.bar.clone();
        let _ = tokio::time::timeout(LAST, spawn_blocking(move || bar.finish_and_clear())).await;
        output
    }

    /// Writes a text below the lines of the log. Given up once `cancel` is cancelled: a terminal may be held.
    pub(super) async fn tell(&self, text: String, cancel: &CancellationToken) {
        let written = spawn_blocking(move || {
            telemetry::settle();
            eprint!("{text}");
        });
        let _ = cancel.run_until_cancelled(written).await;
    }

    /// The message for the bar; without one, a line is logged.
    fn show(&self, now: Snapshot, aws: &Aws, elapsed: Duration) -> Option<String> {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let calls = aws.stats().total().calls;
        let slowed: Vec<String> =
            aws.saturation().iter().filter(|used| used.slowed).map(ToString::to_string).collect();
        if self.is_live {
            return Some(message(now, calls, seconds, &slowed));
        }
        tracing::info!(
            phase = phase(now.phase),
            items_done = now.done,
            items_known = now.known,
            rows = now.rows,
            calls,
            slowed = (!slowed.is_empty()).then(|| slowed.join(", ")),
            duration = seconds,
            "sync is under way"
        );
        None
    }
}

fn message(now: Snapshot, calls: u64, seconds: f64, slowed: &[String]) -> String {
    // Rates are for the eye: the fraction of a call and counts beyond 2^52 do not matter.
    #[allow(clippy::cast_precision_loss, reason = "a rate for display")]
    let rate = calls as f64 / seconds;
    let throttled = match slowed {
        [] => String::new(),
        [one] => format!("  throttled: {one}"),
        [first, more @ ..] => format!("  throttled: {first} and {} more", more.len()),
    };
    format!(
        "{}  {}/{} items  {} rows  {} calls ({rate:.0}/s){throttled}",
        phase(now.phase),
        HumanCount(now.done),
        HumanCount(now.known),
        HumanCount(now.rows),
        HumanCount(calls),
    )
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "starting",
        Phase::Crawl => "reading AWS",
        Phase::Write => "writing the file",
        Phase::Done => "done",
    }
}

/// Writes above the display.
struct Above(ProgressBar);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_phase_items_rows_calls_and_rate() {
        let now = Snapshot { phase: Phase::Crawl, known: 1500, done: 120, rows: 20_000 };
        let line = "reading AWS  120/1,500 items  20,000 rows  300 calls (150/s)";
        assert_eq!(message(now, 300, 2.0, &[]), line);
        let slowed = ["sso in 111111111111".to_owned(), "iam in 444444444444".to_owned()];
        let throttled = format!("{line}  throttled: sso in 111111111111 and 1 more");
        assert_eq!(message(now, 300, 2.0, &slowed), throttled);
    }
}
