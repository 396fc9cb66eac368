//! The daemon under fire: the fault matrix of `docs/fault-matrix.md`, as far as no other test holds a row of it.

mod answers;
mod aws;
mod bounds;
mod host;
mod identity;
mod kill;
mod lost;
mod matrix;
mod signals;

use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Finish, task};

use crate::daemon_tasks::{Daemon, World};
use batond::daemon::Ended;

/// What every trouble must leave behind: a daemon that serves, nothing on disk, and a control plane that was told one
/// outcome for each task in `finished`, in the protocol's words.
async fn assert_recovered(world: &World, daemon: Daemon, finished: &[&String]) {
    let hello = world.plane.push(task::hello());
    world.plane.greeted(&hello).await.unwrap();
    let (entitlement, principal) = world.membership(crate::daemon_tasks::GROUP, crate::daemon_tasks::USER);
    let grant = world.plane.push(task::grant(entitlement, principal));
    assert!(world.plane.finished(&grant).await.unwrap().success);
    assert_eq!(daemon.stop().await, Ended::Cleanly);
    assert_eq!(world.left(), Vec::<String>::new());
    for id in finished {
        assert_eq!(outcomes(world, id), 1, "{id}");
    }
    world.assert_no_violations();
}

/// How many times the outcome of a task took effect. Whatever else was reported for it has to say the same.
fn outcomes(world: &World, task_id: &str) -> usize {
    let reports: Vec<_> = world
        .plane
        .transcript()
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::Finish(finish) if finish.task_id == task_id => Some(finish),
            _ => None,
        })
        .collect();
    let told = |finish: &Finish| (finish.success, finish.code, finish.non_retryable);
    if let Some(first) = reports.first() {
        assert!(reports.iter().all(|report| told(report) == told(first)), "{task_id}: {reports:#?}");
    }
    reports.iter().filter(|report| report.ended == Some(testbed::control_plane::Ended::Closed)).count()
}
