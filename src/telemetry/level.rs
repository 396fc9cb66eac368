//! The level of the log, and other levels for a time.

use std::convert::Infallible;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::Level;

use super::gate::Gate;
use crate::config::LogSettings;

/// The level of the one log of this process, once there is one.
static CONTROL: OnceLock<Control> = OnceLock::new();

/// Sets another level for `time`, after which that of the settings holds again. A later call replaces an earlier
/// one. Of effect from [`super::start`] on.
pub fn set_for(level: Level, time: Duration) {
    if let Some(control) = CONTROL.get() {
        control.set_for(level, time);
    }
}

/// Ends what [`set_for`] began; gives the level that holds now.
pub fn reset() -> Option<Level> {
    CONTROL.get().map(Control::reset)
}

/// Ends levels whose time is over, for as long as it is awaited. It never returns.
pub async fn keep() -> Infallible {
    match CONTROL.get() {
        Some(control) => control.keep().await,
        None => std::future::pending().await,
    }
}

/// Takes over the filter of the log.
pub(super) fn take_over(settings: &LogSettings, gate: Gate) {
    let control = Control::new(settings, Box::new(move |level| gate.set(level)));
    if CONTROL.set(control).is_ok()
        && let Some(control) = CONTROL.get()
    {
        // A time that is over when the process starts.
        control.expire();
    }
}

/// What becomes of the level.
struct Control {
    apply: Box<dyn Fn(Level) + Send + Sync>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    /// The level of the settings.
    base: Level,
    /// When a base of debug becomes one of info.
    base_until: Option<Instant>,
    /// A level that holds for a time.
    other: Option<(Level, Instant)>,
}

impl Control {
    fn new(settings: &LogSettings, apply: Box<dyn Fn(Level) + Send + Sync>) -> Self {
        let base_until = settings.debug_until.map(|until| {
            let left = until.duration_since(jiff::Timestamp::now());
            Instant::now() + Duration::try_from(left).unwrap_or_default()
        });
        let state = State { base: settings.level, base_until, other: None };
        Self { apply, state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    fn set_for(&self, level: Level, time: Duration) {
        self.change(|state| state.other = Some((level, Instant::now() + time)));
        tracing::info!(level = %level, duration = time.as_secs_f64(), "log level changed for a time");
    }

    fn reset(&self) -> Level {
        self.change(|state| state.other = None)
    }

    async fn keep(&self) -> Infallible {
        let mut changed = self.changed.subscribe();
        loop {
            let next = self.state.lock().unwrap_or_else(PoisonError::into_inner).next();
            let over = async {
                match next {
                    Some(moment) => sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.expire(),
                _ = changed.changed() => {}
            }
        }
    }

    /// Ends what is over by now, and says so.
    fn expire(&self) {
        let mut over = false;
        let level = self.change(|state| over = state.expire(Instant::now()));
        if over {
            tracing::info!(level = %level, "the time of another log level is over");
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Level {
        let level = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            let level = state.level();
            (self.apply)(level);
            level
        };
        self.changed.send_replace(());
        level
    }
}

impl State {
    fn level(&self) -> Level {
        self.other.map_or(self.base, |(level, _)| level)
    }

    /// When something is over.
    fn next(&self) -> Option<Instant> {
        self.other.map(|(_, until)| until).into_iter().chain(self.base_until).min()
    }

    fn expire(&mut self, now: Instant) -> bool {
        let base = self.base_until.take_if(|until| *until <= now).is_some();
        if base {
            self.base = Level::INFO;
        }
        self.other.take_if(|(_, until)| *until <= now).is_some() || base
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Applied = Arc<Mutex<Vec<Level>>>;

    fn control(settings: &LogSettings) -> (Arc<Control>, Applied) {
        let applied = Applied::default();
        let log = Arc::clone(&applied);
        (Arc::new(Control::new(settings, Box::new(move |level| log.lock().unwrap().push(level)))), applied)
    }

    /// The level that holds now.
    fn now(applied: &Applied) -> Level {
        *applied.lock().unwrap().last().unwrap()
    }

    fn watched(control: &Arc<Control>) {
        let control = Arc::clone(control);
        tokio::spawn(async move { control.keep().await });
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn another_level_ends_with_its_time() {
        let (control, applied) = control(&LogSettings { level: Level::WARN, ..LogSettings::default() });
        watched(&control);
        control.set_for(Level::DEBUG, Duration::from_mins(15));
        pass(14 * 60).await;
        assert_eq!(now(&applied), Level::DEBUG);
        pass(2 * 60).await;
        assert_eq!(now(&applied), Level::WARN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_change_replaces_an_earlier_one_and_its_time() {
        let (control, applied) = control(&LogSettings::default());
        watched(&control);
        control.set_for(Level::DEBUG, Duration::from_mins(1));
        pass(30).await;
        control.set_for(Level::DEBUG, Duration::from_mins(10));
        pass(60).await;
        assert_eq!(now(&applied), Level::DEBUG);
        assert_eq!(control.reset(), Level::INFO);
        assert_eq!(now(&applied), Level::INFO);
    }

    #[tokio::test(start_paused = true)]
    async fn debug_of_the_settings_ends_at_its_time_and_not_with_another_level() {
        let debug_until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
        let settings =
            LogSettings { level: Level::DEBUG, debug_until: Some(debug_until), ..LogSettings::default() };
        let (control, applied) = control(&settings);
        watched(&control);
        control.set_for(Level::ERROR, Duration::from_mins(10));
        pass(11 * 60).await;
        assert_eq!(now(&applied), Level::DEBUG);
        pass(20 * 60).await;
        assert_eq!(now(&applied), Level::INFO);
    }

    #[tokio::test(start_paused = true)]
    async fn debug_whose_time_is_over_at_the_start_is_info() {
        let debug_until = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let settings =
            LogSettings { level: Level::DEBUG, debug_until: Some(debug_until), ..LogSettings::default() };
        let (control, applied) = control(&settings);
        control.expire();
        assert_eq!(now(&applied), Level::INFO);
    }
}
