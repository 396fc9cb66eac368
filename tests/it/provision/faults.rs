//! Operation × fault: whatever goes wrong on the way, a task that is repeated while its error is retryable ends with
//! the effect of one, and each execution leaves one audit line.

use std::time::Duration;

use batond::connector::ProvisionError;
use futures::future::join_all;
use testbed::aws::{Effect, Fault};

use super::bench::{
    ADMIN, Bench, CREATE, CREATED, DELETE, DELETED, FIND, JOIN, LEAVE, LIST, SHOP, Through, existed,
};
use super::log::Log;

const GROUP: &str = "Engineers";
const JOINER: &str = "loner@example.com";

#[derive(Clone, Copy, Debug)]
enum Task {
    Join,
    JoinAgain,
    Leave,
    Assign,
    Unassign,
}

impl Task {
    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Join => &[JOIN],
            Self::JoinAgain => &[JOIN, FIND],
            Self::Leave => &[FIND, LEAVE],
            Self::Assign => &[LIST, CREATE, CREATED],
            Self::Unassign => &[DELETE, DELETED],
        }
    }

    async fn prepare(self) -> Bench {
        let bench = Bench::start().await;
        match self {
            Self::Unassign => bench.make_bob_admin(),
            Self::JoinAgain => {
                bench.grant("before", &bench.membership(GROUP), &bench.user(JOINER)).await.unwrap();
            }
            Self::Join | Self::Leave | Self::Assign => {}
        }
        bench
    }

    async fn execute(self, bench: &Bench, task: &str) -> Result<(), ProvisionError> {
        let (bob, joiner) = (bench.user("bob"), bench.user(JOINER));
        let access = bench.access(Through::Binding, SHOP, ADMIN);
        match self {
            Self::Join => bench.grant(task, &bench.membership(GROUP), &joiner).await.map(drop),
            Self::JoinAgain => {
                let answer = bench.grant(task, &bench.membership(GROUP), &joiner).await?;
                assert!(existed(&answer));
                Ok(())
            }
            Self::Leave => bench.revoke(task, &bench.membership(GROUP), &bob).await.map(drop),
            Self::Assign => bench.grant(task, &access, &bob).await.map(drop),
            Self::Unassign => bench.revoke(task, &access, &bob).await.map(drop),
        }
    }

    fn is_done(self, bench: &Bench) -> bool {
        match self {
            Self::Join | Self::JoinAgain => bench.aws.is_member(GROUP, JOINER),
            Self::Leave => !bench.aws.is_member(GROUP, "bob"),
            Self::Assign => bench.bob_is_admin(),
            Self::Unassign => !bench.bob_is_admin(),
        }
    }
}

fn faults() -> [Effect; 8] {
    [
        Effect::Throttle,
        Effect::Status(500),
        Effect::Status(503),
        Effect::Reset,
        Effect::LostReply,
        Effect::TruncatedBody,
        Effect::CutBody,
        Effect::ExpiredCredentials,
    ]
}

/// Repeats the task as a control plane does, and gives how often it was executed.
async fn until_done(bench: &Bench, log: &Log, kind: Task, name: &str) -> usize {
    for execution in 1..=3 {
        let task = format!("{name} {execution}");
        let outcome = kind.execute(bench, &task).await;
        let line = log.the_audit(&task);
        log.holds_no_secret(&outcome);
        match outcome {
            Ok(()) => {
                assert!(kind.is_done(bench), "{name}: said to be done");
                assert_ne!(line["outcome"], "failed", "{name}");
                return execution;
            }
            Err(ProvisionError::Call(error)) if error.is_retryable() => {
                assert!(["failed", "unconfirmed"].contains(&line["outcome"].as_str()), "{name}: {line:?}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    panic!("{name}: not done");
}

#[tokio::test]
async fn a_task_that_met_trouble_has_the_effect_of_one() {
    let log = Log::capture();
    let mut cases = Vec::new();
    for kind in [Task::Join, Task::JoinAgain, Task::Leave, Task::Assign, Task::Unassign] {
        for action in kind.calls() {
            cases.extend(faults().map(|fault| (kind, *action, fault)));
        }
    }
    let benches = join_all(cases.iter().map(|(kind, _, _)| kind.prepare())).await;
    // From here on no wait takes time, and no deadline passes while the machine is busy.
    tokio::time::pause();
    let runs = cases.into_iter().zip(benches).map(async |((kind, action, fault), bench)| {
        let name = format!("{kind:?} with {fault:?} on {action}");
        let (members, assigned) = (bench.aws.memberships().len(), bench.aws.assignments().len());
        bench.aws.arm(Fault::once(action, fault));
        let executions = until_done(&bench, &log, kind, &name).await;
        // Only a write that AWS may have begun is left to the repetition.
        assert!(executions == 1 || [CREATE, DELETE].contains(&action), "{name}: {executions}");
        let (members, assigned) = match kind {
            Task::Join => (members + 1, assigned),
            Task::JoinAgain => (members, assigned),
            Task::Leave => (members - 1, assigned),
            Task::Assign => (members, assigned + 1),
            Task::Unassign => (members, assigned - 1),
        };
        let now = (bench.aws.memberships().len(), bench.aws.assignments().len());
        assert_eq!(now, (members, assigned), "{name}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn trouble_that_does_not_end_fails_the_task_as_retryable() {
    let log = Log::capture();
    let cases = [
        (Task::Join, JOIN, "unconfirmed"),
        (Task::Leave, FIND, "failed"),
        (Task::Leave, LEAVE, "unconfirmed"),
        (Task::Assign, LIST, "failed"),
        (Task::Assign, CREATE, "unconfirmed"),
        (Task::Unassign, DELETE, "unconfirmed"),
    ];
    let benches = join_all(cases.iter().map(|(kind, _, _)| kind.prepare())).await;
    tokio::time::pause();
    let runs = cases.into_iter().zip(benches).map(async |((kind, action, outcome), bench)| {
        bench.aws.arm(Fault::new(action, Effect::Status(500)));
        let error = kind.execute(&bench, action).await.unwrap_err();
        assert!(matches!(&error, ProvisionError::Call(call) if call.is_retryable()), "{action}: {error}");
        assert!(error.to_string().contains(action), "{error}");
        assert!(!kind.is_done(&bench));
        let lines = log.audit(action);
        assert!(lines.iter().all(|line| line["outcome"] == outcome), "{action}: {lines:?}");
        bench.aws.disarm();
        kind.execute(&bench, &format!("{action} again")).await.unwrap();
        assert!(kind.is_done(&bench));
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let bench = Task::Assign.prepare().await;
    for action in Task::Assign.calls() {
        bench.aws.arm(Fault::once(*action, Effect::SlowBody(Duration::from_millis(100))));
    }
    Task::Assign.execute(&bench, "t").await.unwrap();
    assert!(bench.bob_is_admin() && bench.aws.armed().is_empty());
}
