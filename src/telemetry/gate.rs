//! Which events and spans are looked at.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, callsite};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};

use super::AUDIT;

/// Lets through: events of ours from a level on, warnings of libraries if the level permits, every event about a
/// write to AWS, and spans of ours that tell of a task, at whatever level the events in them are. Of a library's warning
/// no more is told than that it is one ([`super::fields`]).
///
/// Libraries are held at warn even when ours is debug: what the AWS SDK and HTTP say at debug includes headers.
/// Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<RwLock<Rule>>);

#[derive(Debug)]
struct Rule {
    level: LevelFilter,
    events: Targets,
}

impl Gate {
    pub(super) fn new(level: Level) -> Self {
        Self(Arc::new(RwLock::new(Rule::new(level))))
    }

    /// Lets through what another level permits, from now on.
    pub(super) fn set(&self, level: Level) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Rule::new(level);
        callsite::rebuild_interest_cache();
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).passes(metadata)
    }
}

impl Rule {
    fn new(level: Level) -> Self {
        let level = LevelFilter::from_level(level);
        let events = Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target(env!("CARGO_PKG_NAME"), level)
            .with_target(AUDIT, level.max(LevelFilter::INFO));
        Self { level, events }
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        // What spans of libraries hold is theirs.
        if metadata.is_span() {
            let is_told = self.events.would_enable(metadata.target(), metadata.level());
            return is_ours(metadata) && (is_told || *metadata.level() <= Level::INFO);
        }
        self.events.would_enable(metadata.target(), metadata.level())
    }
}

/// Whether code of this program tells something, and not a library.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(env!("CARGO_PKG_NAME"))
}

impl<S> Filter<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.passes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let rule = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(rule.level.max(LevelFilter::INFO))
    }
}
