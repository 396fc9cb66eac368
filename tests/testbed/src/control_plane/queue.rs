//! Tasks and their leases: who may be given what, and when a task is given out again. Pure but for its caller's clock.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::Kind;
use crate::proto::api::Task;

/// When a task that was given out is given out again.
#[derive(Clone, Debug)]
pub struct Leasing {
    /// How long a task may run without a heartbeat before it counts as lost. Default 60 s.
    pub lease: Duration,
    /// How many heartbeats in a row may be missed once a task has sent one. Default 3.
    pub missed_heartbeats: u32,
    /// Whether a lost task is given out again. Default true.
    pub redeliver_lost: bool,
    /// Whether a task that failed without the mark `non_retryable` is given out again. Default true.
    pub redeliver_retryable: bool,
    /// How long a lost task, or one that failed retryably, waits before it is given out again. Default zero.
    pub redelivery_delay: Duration,
    /// Deliveries of one task at most; a retryable failure of the last one closes the task. Default 5.
    pub deliveries: u32,
}

impl Default for Leasing {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            missed_heartbeats: 3,
            redeliver_lost: true,
            redeliver_retryable: true,
            redelivery_delay: Duration::ZERO,
            deliveries: 5,
        }
    }
}

/// All tasks of a server, in the order in which they were pushed.
#[derive(Default)]
pub(super) struct Queue {
    leasing: Leasing,
    slots: Vec<Slot>,
}

struct Slot {
    task: Task,
    state: State,
    deliveries: u32,
    cancelled: bool,
    /// Accepted uploads since the task was last reported as failed.
    uploads: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// From this moment on it may be given out; none at first.
    Waiting {
        from: Option<Instant>,
    },
    Leased {
        until: Instant,
    },
    Closed,
}

const WAITING: State = State::Waiting { from: None };

/// What became of a task that was reported as ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It is over.
    Closed,
    /// It waits to be given out again.
    Requeued,
    /// It had been over before.
    Repeated,
}

impl Queue {
    pub(super) fn new(leasing: Leasing) -> Self {
        Self { leasing, slots: Vec::new() }
    }

    pub(super) fn push(&mut self, task: Task) {
        self.slots.push(Slot { task, state: WAITING, deliveries: 0, cancelled: false, uploads: 0 });
    }

    /// Leases up to `most` waiting tasks that the connector does not have yet; each with its delivery number.
    pub(super) fn lease(&mut self, now: Instant, most: usize, known: &[String]) -> Vec<(Task, u32)> {
        self.recover(now);
        let until = now + self.leasing.lease;
        let ready = |state| matches!(state, State::Waiting { from } if from.is_none_or(|from| from <= now));
        let waiting = self.slots.iter_mut().filter(|slot| ready(slot.state));
        let fresh = waiting.filter(|slot| !known.contains(&slot.task.id));
        fresh
            .take(most)
            .map(|slot| {
                slot.state = State::Leased { until };
                slot.deliveries += 1;
                (slot.task.clone(), slot.deliveries)
            })
            .collect()
    }

    /// Puts tasks whose lease has run out back, or closes them.
    fn recover(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Leased { until } if until <= now) {
                let again = self.leasing.redeliver_lost
                    && !slot.cancelled
                    && slot.deliveries < self.leasing.deliveries;
                let from = Some(now + self.leasing.redelivery_delay);
                slot.state = if again { State::Waiting { from } } else { State::Closed };
            }
        }
    }

    /// Extends the lease of a task by the heartbeats it may miss; says whether it was cancelled, or none for a task
    /// that was never given out.
    pub(super) fn heartbeat(&mut self, id: &str, now: Instant, interval: Duration) -> Option<bool> {
        let grace = interval * self.leasing.missed_heartbeats;
        let slot = self.given(id)?;
        if matches!(slot.state, State::Leased { .. }) {
            slot.state = State::Leased { until: now + grace };
        }
        Some(slot.cancelled)
    }

    /// Counts an accepted upload; false for a task that was never given out.
    pub(super) fn uploaded(&mut self, id: &str) -> bool {
        self.given(id).map(|slot| slot.uploads += 1).is_some()
    }

    /// Accepted uploads since the task was last reported as failed: one of a delivery whose lease ran out counts.
    pub(super) fn uploads(&self, id: &str) -> u32 {
        self.slots.iter().find(|slot| slot.task.id == id).map_or(0, |slot| slot.uploads)
    }

    /// The kind of a task that was given out.
    pub(super) fn kind(&mut self, id: &str) -> Option<Kind> {
        self.given(id).map(|slot| Kind::of(&slot.task))
    }

    /// Takes note of an outcome. The first success or final failure closes the task, also from a delivery whose lease
    /// had run out. None for a task that was never given out.
    pub(super) fn finish(&mut self, id: &str, retryable_failure: bool, now: Instant) -> Option<Ended> {
        let again = retryable_failure && self.leasing.redeliver_retryable;
        let most = self.leasing.deliveries;
        let from = Some(now + self.leasing.redelivery_delay);
        let slot = self.given(id)?;
        if slot.state == State::Closed {
            return Some(Ended::Repeated);
        }
        if again && !slot.cancelled && slot.deliveries < most {
            slot.state = State::Waiting { from };
            slot.uploads = 0;
            return Some(Ended::Requeued);
        }
        slot.state = State::Closed;
        Some(Ended::Closed)
    }

    /// Cancels a task: a waiting one is never given out, a running one hears of it at its next heartbeat.
    pub(super) fn cancel(&mut self, id: &str) {
        for slot in self.slots.iter_mut().filter(|slot| slot.task.id == id) {
            slot.cancelled = true;
            if matches!(slot.state, State::Waiting { .. }) {
                slot.state = State::Closed;
            }
        }
    }

    /// Puts a task back whatever its state, as a server does that lost track of it.
    pub(super) fn redeliver(&mut self, id: &str) {
        for slot in self.slots.iter_mut().filter(|slot| slot.task.id == id) {
            slot.state = WAITING;
        }
    }

    /// Tasks that wait or run.
    pub(super) fn open(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state != State::Closed).count()
    }

    /// Whether this task waits or runs.
    pub(super) fn is_open(&self, id: &str) -> bool {
        self.slots.iter().any(|slot| slot.task.id == id && slot.state != State::Closed)
    }

    fn given(&mut self, id: &str) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.task.id == id && slot.deliveries > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::task;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn leasing() -> Leasing {
        Leasing { lease: 10 * SECOND, missed_heartbeats: 3, ..Leasing::default() }
    }

    fn queue(leasing: Leasing) -> (Queue, String) {
        let mut queue = Queue::new(leasing);
        let task = task::sync_full();
        let id = task.id.clone();
        queue.push(task);
        (queue, id)
    }

    fn deliveries(leased: &[(Task, u32)]) -> Vec<u32> {
        leased.iter().map(|(_, delivery)| *delivery).collect()
    }

    #[test]
    fn a_leased_task_is_given_out_again_only_after_its_lease() {
        let (mut queue, _) = queue(leasing());
        let start = Instant::now();
        assert_eq!(deliveries(&queue.lease(start, 1, &[])), [1]);
        assert!(queue.lease(start + 9 * SECOND, 1, &[]).is_empty());
        assert_eq!(deliveries(&queue.lease(start + 10 * SECOND, 1, &[])), [2]);
    }

    #[test]
    fn heartbeats_keep_a_lease_until_three_are_missed() {
        let (mut queue, id) = queue(leasing());
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        assert_eq!(queue.heartbeat(&id, start + 9 * SECOND, 2 * SECOND), Some(false));
        assert!(queue.lease(start + 14 * SECOND, 1, &[]).is_empty());
        assert_eq!(deliveries(&queue.lease(start + 15 * SECOND, 1, &[])), [2]);
    }

    #[test]
    fn a_lost_task_stays_lost_where_redelivery_is_off() {
        let (mut queue, _) = queue(Leasing { redeliver_lost: false, ..leasing() });
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        assert!(queue.lease(start + 60 * SECOND, 1, &[]).is_empty());
        assert_eq!(queue.open(), 0);
    }

    #[test]
    fn a_retryable_failure_is_given_out_again_up_to_the_last_delivery() {
        let (mut queue, id) = queue(Leasing { deliveries: 2, ..leasing() });
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        assert_eq!(queue.finish(&id, true, start), Some(Ended::Requeued));
        assert_eq!(deliveries(&queue.lease(start, 1, &[])), [2]);
        assert_eq!(queue.finish(&id, true, start), Some(Ended::Closed));
        assert_eq!(queue.finish(&id, false, start), Some(Ended::Repeated));
    }

    #[test]
    fn a_task_is_given_out_again_only_after_the_delay() {
        let (mut queue, id) = queue(Leasing { redelivery_delay: 30 * SECOND, ..leasing() });
        let start = Instant::now();
        assert_eq!(deliveries(&queue.lease(start, 1, &[])), [1]);
        assert_eq!(queue.finish(&id, true, start), Some(Ended::Requeued));
        assert!(queue.lease(start + 29 * SECOND, 1, &[]).is_empty());
        assert_eq!(deliveries(&queue.lease(start + 30 * SECOND, 1, &[])), [2]);
        // The lease of ten seconds runs out, which is seen at the next poll.
        assert!(queue.lease(start + 40 * SECOND, 1, &[]).is_empty());
        assert!(queue.lease(start + 69 * SECOND, 1, &[]).is_empty());
        assert_eq!(deliveries(&queue.lease(start + 70 * SECOND, 1, &[])), [3]);
        queue.redeliver(&id);
        assert_eq!(deliveries(&queue.lease(start + 70 * SECOND, 1, &[])), [4]);
    }

    #[test]
    fn a_late_outcome_of_the_first_delivery_closes_the_task() {
        let (mut queue, id) = queue(leasing());
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        queue.lease(start + 20 * SECOND, 1, &[]);
        assert_eq!(queue.finish(&id, false, start), Some(Ended::Closed));
        assert!(queue.lease(start + 60 * SECOND, 1, &[]).is_empty());
    }

    #[test]
    fn an_upload_counts_beyond_its_lease_and_not_beyond_a_failure() {
        let (mut queue, id) = queue(leasing());
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        assert!(queue.uploaded(&id));
        queue.lease(start + 20 * SECOND, 1, &[]);
        assert_eq!(queue.uploads(&id), 1);
        queue.finish(&id, true, start);
        assert_eq!(queue.uploads(&id), 0);
    }

    #[test]
    fn a_cancelled_task_is_told_so_and_never_given_out_again() {
        let (mut queue, id) = queue(leasing());
        let start = Instant::now();
        queue.lease(start, 1, &[]);
        queue.cancel(&id);
        assert_eq!(queue.heartbeat(&id, start, SECOND), Some(true));
        assert_eq!(queue.finish(&id, true, start), Some(Ended::Closed));
        assert!(queue.lease(start + 60 * SECOND, 1, &[]).is_empty());
    }

    #[test]
    fn tasks_are_given_in_order_without_those_already_known() {
        let (mut queue, first) = queue(leasing());
        let (second, third) = (task::hello(), task::hello());
        let expected = [second.id.clone(), third.id.clone()];
        queue.push(second);
        queue.push(third);
        let leased = queue.lease(Instant::now(), 5, &[first]);
        assert_eq!(leased.into_iter().map(|(task, _)| task.id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_task_that_was_never_given_out_cannot_be_worked_on() {
        let (mut queue, id) = queue(leasing());
        assert_eq!(queue.heartbeat(&id, Instant::now(), SECOND), None);
        assert_eq!(queue.finish(&id, false, Instant::now()), None);
        assert!(!queue.uploaded(&id));
    }
}
