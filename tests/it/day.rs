//! A day in minutes: many tasks of all kinds under random trouble, and what is left of it.

use std::path::Path;
use std::time::Duration;

use batond::baton::id::Directory;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use testbed::aws::{Effect, Fault as AwsFault, Fixture, Server as Aws};
use testbed::control_plane::transcript::Event;
use testbed::control_plane::{Ended, Fault, Leasing, Options, Rpc, Server, task};
use testbed::proto::api::Task;
use testbed::proto::api::task::{CreateAccountTask, ListEventFeedsTask, TaskType};
use tonic::Code;

use crate::daemon_process::{batond, end, terminate};

/// Tasks that are given out together.
const WAVE: usize = 20;
/// A wave whose faults all hit polls is waited for by 1, 4, 9 ... 60 seconds.
const WORST_WAVE: Duration = Duration::from_mins(10);

/// What the process holds at a moment.
#[derive(Clone, Copy, Debug)]
struct Held {
    kib: usize,
    descriptors: usize,
    threads: usize,
}

struct Day {
    aws: Aws,
    plane: Server,
    random: StdRng,
}

impl Day {
    async fn new(seed: u64) -> Self {
        let leasing = Leasing { lease: Duration::from_secs(1), deliveries: 100, ..Leasing::default() };
        let plane =
            Server::start(Options { leasing, patience: WORST_WAVE, ..Options::default() }).await.unwrap();
        plane.set_pace(|pace| pace.next_poll = Some(Duration::from_millis(5)));
        let aws = Aws::start(Fixture::example().unwrap()).await.unwrap();
        Self { aws, plane, random: StdRng::seed_from_u64(seed) }
    }

    /// One of the short tasks.
    fn short(&mut self) -> Task {
        let directory = Directory { region: "us-east-1".into(), store: self.aws.identity_store_id() };
        let group = directory.group(&self.aws.group_id("Empty group").unwrap());
        let user = ["bob", "carol", "loner@example.com"].choose(&mut self.random).unwrap();
        let user = task::resource("sso_user", &directory.user(&self.aws.user_id(user).unwrap()));
        let entitlement = task::entitlement(task::resource("sso_group", &group), "member");
        match self.random.random_range(0..8) {
            0..=2 => task::grant(entitlement, user),
            3 | 4 => task::revoke(task::held(entitlement, user)),
            5 => task::any(TaskType::ListEventFeeds(ListEventFeedsTask::default())),
            6 => task::any(TaskType::CreateAccount(CreateAccountTask::default())),
            _ => task::hello(),
        }
    }

    /// Something goes wrong, or nothing.
    async fn trouble(&mut self) {
        let rpcs = [Rpc::GetTask, Rpc::Heartbeat, Rpc::UploadAsset, Rpc::FinishTask, Rpc::Hello];
        let rpc = *rpcs.choose(&mut self.random).unwrap();
        match self.random.random_range(0..24) {
            0 => self.plane.fault(rpc, &Fault::LoseReply, 1),
            1 => self.plane.fault(rpc, &Fault::Disconnect, 1),
            2 => self.plane.fault(rpc, &Fault::Status(Code::Unavailable, "scripted".into()), 1),
            3 => self.plane.fault(rpc, &Fault::Slow(Duration::from_millis(100)), 1),
            4 => self.plane.fault(Rpc::UploadAsset, &Fault::DropAfter(2000), 1),
            5 => {
                self.plane.fault(Rpc::Token, &Fault::Http(503), 1);
                self.plane.expire_tokens();
            }
            6 => self.plane.expire_tokens(),
            7 => self.plane.go_away(),
            8 => self.plane.disconnect().await.unwrap(),
            9 => self.plane.fault(Rpc::GetTask, &Fault::Raw(vec![0x0a, 0xff]), 1),
            10 => self.aws.arm(AwsFault::once("*", Effect::Reset)),
            11 => self.aws.arm(AwsFault::once("*", Effect::Status(500))),
            12 => self.aws.arm(AwsFault::once("identitystore:*", Effect::TruncatedBody)),
            _ => {}
        }
    }
}

fn held(pid: u32) -> Held {
    let process = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let figure = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let descriptors = std::fs::read_dir(process.join("fd")).unwrap().count();
    Held { kib: figure("VmRSS:"), descriptors, threads: figure("Threads:") }
}

/// Gives out `tasks` tasks, every tenth a sync, and wants one outcome of each and a process that does not grow.
async fn day(tasks: usize, seed: u64) {
    let mut day = Day::new(seed).await;
    let directory = tempfile::tempdir().unwrap();
    // It stays, for who wants to know what happened.
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("day-{tasks}.log"));
    let _ = std::fs::remove_file(&log);
    let child = batond(&day.aws, &day.plane, directory.path())
        // Nobody reads the pipe meanwhile.
        .env("BATON_LOG_PATH", &log)
        .env("BATON_LOG_LEVEL", "debug")
        .env("BATON_PROVISIONING", "true")
        .env("BATON_TASK_CONCURRENCY", "5")
        .env("BATON_SHUTDOWN_GRACE_PERIOD", "10s")
        .spawn()
        .unwrap();
    let mut given = Vec::new();
    let mut series = Vec::new();
    while given.len() < tasks {
        let mut wave = Vec::new();
        // What has not happened yet would pile up: after each poll that fails the next comes later.
        day.plane.clear_faults();
        for _ in 0..WAVE {
            day.trouble().await;
            let order = if given.len().is_multiple_of(10) { task::sync_full() } else { day.short() };
            let is_hello = matches!(order.task_type, Some(TaskType::Hello(_)));
            let id = day.plane.push(order);
            given.push((id.clone(), is_hello));
            wave.push((id, is_hello));
        }
        for (id, is_hello) in wave {
            if is_hello {
                day.plane.greeted(&id).await.unwrap();
            } else {
                day.plane.finished(&id).await.unwrap();
            }
        }
        series.push(held(child.id()));
    }
    day.plane.clear_faults();
    day.aws.disarm();
    terminate(&child);
    let output = end(child).await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let mut secrets = day.plane.secrets();
    secrets.push(day.aws.credentials().secret_access_key);
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "a secret is in the log");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let transcript = day.plane.transcript();
    for (id, is_hello) in &given {
        let closed = transcript
            .iter()
            .filter(|entry| {
                matches!(&entry.event, Event::Finish(it) if it.task_id == *id && it.ended == Some(Ended::Closed))
            })
            .count();
        assert_eq!(closed, usize::from(!is_hello), "{id}");
    }
    assert!(day.plane.violations().is_empty(), "{:#?}", day.plane.violations());
    assert_flat(&series);
}

/// What was held after the first fifth is what is held at the end, give or take what comes and goes.
#[allow(clippy::print_stdout, reason = "figures for docs/performance.md")]
fn assert_flat(series: &[Held]) {
    let (early, late) = series.split_at(series.len().div_ceil(5));
    let most = |part: &[Held], of: fn(&Held) -> usize| part.iter().map(of).max().unwrap_or_default();
    for (what, of, slack) in [
        ("KiB", (|held| held.kib) as fn(&Held) -> usize, 16 * 1024),
        ("descriptors", |held| held.descriptors, 60),
        ("threads", |held| held.threads, 8),
    ] {
        let (before, after) = (most(early, of), most(late, of));
        println!("{what}: {:?}", series.iter().map(of).collect::<Vec<_>>());
        assert!(after <= before + slack, "{what}: {before} became {after}");
    }
}

#[tokio::test]
async fn an_hour_of_tasks_under_random_trouble_has_one_outcome_each_and_leaves_nothing() {
    day(60, 20_261_127).await;
}

/// `cargo test --release -p batond --test it -- --ignored a_day_of --nocapture`, recorded in docs/performance.md.
#[tokio::test]
#[ignore = "takes minutes"]
async fn a_day_of_2000_tasks_200_of_them_syncs_has_one_outcome_each_and_the_process_stays_flat() {
    day(2000, 20_261_127).await;
}
