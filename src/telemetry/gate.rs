//! Which events and spans are looked at.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

use super::AUDIT;

/// Lets through: events of ours from a level on, warnings of libraries if the level permits, every event about a
/// write to AWS, and spans of ours that tell of a task, at whatever level the events in them are.
///
/// Libraries are held at warn even when ours is debug: what the AWS SDK and HTTP say at debug includes headers.
pub(super) struct Gate {
    level: LevelFilter,
    events: Targets,
}

impl Gate {
    pub(super) fn new(level: Level) -> Self {
        let level = LevelFilter::from_level(level);
        let events = Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target(env!("CARGO_PKG_NAME"), level)
            .with_target(AUDIT, level.max(LevelFilter::INFO));
        Self { level, events }
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        let ours = || metadata.target().split("::").next() == Some(env!("CARGO_PKG_NAME"));
        self.events.would_enable(metadata.target(), metadata.level())
            || (metadata.is_span() && *metadata.level() <= Level::INFO && ours())
    }
}

impl<S: Subscriber> Layer<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.max(LevelFilter::INFO))
    }
}
