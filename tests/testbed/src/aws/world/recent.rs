//! Writes that reads may not show yet: AWS's listings lag behind.

use std::time::Duration;

use tokio::time::Instant;

/// Changes older than this are forgotten; no lag is longer.
const MEMORY: Duration = Duration::from_mins(10);

/// The latest additions and removals of rows of one kind.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    changes: Vec<(Instant, T, Change)>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Removed,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { changes: Vec::new() }
    }
}

impl<T: PartialEq> Recent<T> {
    /// Remembers a change that happened now.
    pub(crate) fn note(&mut self, row: T, change: Change) {
        let now = Instant::now();
        self.changes.retain(|(at, _, _)| now.duration_since(*at) < MEMORY);
        self.changes.push((now, row, change));
    }

    /// The rows as they were `lag` ago. `rows` are those of now; `belongs` tells which removed ones are of the same
    /// listing.
    pub(crate) fn as_of<'a>(
        &'a self,
        lag: Duration,
        rows: impl Iterator<Item = &'a T>,
        belongs: impl Fn(&T) -> bool,
    ) -> impl Iterator<Item = &'a T> {
        let now = Instant::now();
        let mut hidden: Vec<&T> = Vec::new();
        let mut shown: Vec<&T> = Vec::new();
        for (at, row, change) in &self.changes {
            let settled = now.duration_since(*at) >= lag;
            // Only a row's first change within the lag tells what there was before.
            if settled || !belongs(row) || hidden.contains(&row) || shown.contains(&row) {
                continue;
            }
            match change {
                Change::Added => hidden.push(row),
                Change::Removed => shown.push(row),
            }
        }
        let again = shown.clone();
        rows.filter(move |row| !hidden.contains(row) && !again.contains(row)).chain(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_as_they_were() {
        let lag = Duration::from_mins(5);
        let mut recent = Recent::default();
        let now = [1, 2, 4];
        recent.note(2, Change::Added);
        recent.note(3, Change::Removed);
        // Removed and added again: it was there before.
        recent.note(4, Change::Removed);
        recent.note(4, Change::Added);
        recent.note(50, Change::Removed);
        let seen = |recent: &Recent<i32>, lag| {
            let mut rows: Vec<i32> = recent.as_of(lag, now.iter(), |row| *row < 10).copied().collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(seen(&recent, lag), [1, 3, 4]);
        assert_eq!(seen(&recent, Duration::ZERO), [1, 2, 4]);
    }
}
