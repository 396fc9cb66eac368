//! What the code under test logs on this thread.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use testbed::CANARY;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The events of this thread, as long as it lives. Tests run on a runtime of one thread.
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    _guard: DefaultGuard,
}

/// The fields of one event, `target` and `message` among them.
pub(super) type Line = BTreeMap<String, String>;

/// While a single subscriber is alive, an event that is first met by a thread without one is off for all threads.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

impl Log {
    pub(super) fn capture() -> Self {
        LazyLock::force(&SECOND);
        let lines = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Capture(Arc::clone(&lines)));
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The audit lines of one task.
    pub(super) fn audit(&self, task: &str) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        let of_task = |line: &&Line| line["target"] == "audit" && line["task_id"] == task;
        lines.iter().filter(of_task).cloned().collect()
    }

    /// The text that was kept before the first audit line of a task.
    pub(super) fn kept_before_the_audit(&self, task: &str) -> String {
        let lines = self.lines.lock().unwrap();
        let mut of_task = lines
            .iter()
            .filter(|line| line["target"].starts_with("audit") && line["task_id"] == task)
            .take_while(|line| line["target"] != "audit");
        of_task.next().expect("a kept text")["document"].clone()
    }

    /// The one audit line of a task.
    pub(super) fn the_audit(&self, task: &str) -> Line {
        let lines = self.audit(task);
        assert_eq!(lines.len(), 1, "{task}: {lines:?}");
        lines.into_iter().next().unwrap()
    }

    /// All that the code itself says.
    pub(super) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let own =
            lines.iter().filter(|line| line["target"] == "audit" || line["target"].starts_with("batond"));
        format!("{:?}", own.collect::<Vec<_>>())
    }

    /// Neither the log nor `said` holds a secret of the testbed.
    pub(super) fn holds_no_secret(&self, said: &impl Debug) {
        assert!(!format!("{said:?}").contains(CANARY), "{said:?}");
        for line in self.lines.lock().unwrap().iter() {
            let own = line["target"] == "audit" || line["target"].starts_with("batond");
            assert!(!own || !format!("{line:?}").contains(CANARY), "{line:?}");
        }
    }
}

struct Capture(Arc<Mutex<Vec<Line>>>);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        fields.0.insert("target".into(), event.metadata().target().into());
        self.0.lock().unwrap().push(fields.0);
    }
}

struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}
