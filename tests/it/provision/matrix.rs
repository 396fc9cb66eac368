//! Kind of task × resource type × fault, in one table: `docs/provisioning-matrix.md`.
//!
//! Whatever meets the write of a task, AWS is afterwards as one execution leaves it, or untouched where the task says
//! that it failed; what is said to pass with time is done by a repetition.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use age::x25519::Identity;
use batond::baton::profile::Profile;
use batond::baton::resource;
use batond::config::AccountKind;
use batond::connector::{Holder, ProvisionError, access_key, group, role, sso_user};
use futures::StreamExt as _;
use testbed::aws::{Effect, Fault};

use super::bench::{ADMIN, Bench, CREATE, DELETE, JOIN, LEAVE, SHOP, Through};
use super::{account, credential, iam, rotation};

const OWN: &str = "111111111111";
const RICH: &str = "o,brien+x=1";
const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Task, resource type, and the call that writes.
const TASKS: [(Task, &str, &str, &str); 23] = [
    (Task::Join, "grant", "sso_group", JOIN),
    (Task::Leave, "revoke", "sso_group", LEAVE),
    (Task::Assign, "grant", "account, permission_set_assignment", CREATE),
    (Task::Unassign, "revoke", "account, permission_set_assignment", DELETE),
    (Task::JoinIam, "grant", "group", "iam:AddUserToGroup"),
    (Task::LeaveIam, "revoke", "group", "iam:RemoveUserFromGroup"),
    (Task::Attach("user/idle"), "grant", "iam_policy on iam_user", "iam:AttachUserPolicy"),
    (Task::Attach("group/Admins"), "grant", "iam_policy on group", "iam:AttachGroupPolicy"),
    (Task::Attach("role/Runner"), "grant", "iam_policy on role", "iam:AttachRolePolicy"),
    (Task::Detach("user/idle"), "revoke", "iam_policy on iam_user", "iam:DetachUserPolicy"),
    (Task::Detach("group/Admins"), "revoke", "iam_policy on group", "iam:DetachGroupPolicy"),
    (Task::Detach("role/Runner"), "revoke", "iam_policy on role", "iam:DetachRolePolicy"),
    (Task::Inline, "revoke", "inline_policy", "iam:DeleteUserPolicy"),
    (Task::Create(AccountKind::IamUser), "create_account", "iam_user", "iam:CreateUser"),
    (Task::Create(AccountKind::SsoUser), "create_account", "sso_user", "identitystore:CreateUser"),
    (Task::DeleteIam, "delete_resource", "iam_user", "iam:DeleteUser"),
    (Task::DeleteSso, "delete_resource", "sso_user", "identitystore:DeleteUser"),
    (Task::DeleteKey, "delete_resource", "access-key", "iam:UpdateAccessKey"),
    (Task::DeleteKey, "delete_resource", "access-key", "iam:DeleteAccessKey"),
    (Task::Rotate, "rotate_credentials", "iam_user", "iam:UpdateLoginProfile"),
    (Task::RotateKey, "rotate_credentials", "access-key", "iam:CreateAccessKey"),
    (Task::RotateKey, "rotate_credentials", "access-key", "iam:UpdateAccessKey"),
    (Task::Issue, "issue_credential", "iam_user", "iam:CreateAccessKey"),
];

const FAULTS: [&str; 9] = [
    "throttled",
    "status 500",
    "status 503",
    "connection reset",
    "reply lost",
    "reply cut off",
    "credentials expired",
    "conflict",
    "denied",
];

fn effect(fault: &str, call: &str) -> Effect {
    match fault {
        "throttled" => Effect::Throttle,
        "status 500" => Effect::Status(500),
        "status 503" => Effect::Status(503),
        "connection reset" => Effect::Reset,
        "reply lost" => Effect::LostReply,
        "reply cut off" => Effect::CutBody,
        "credentials expired" => Effect::ExpiredCredentials,
        "denied" => Effect::Deny,
        _ if call.starts_with("iam:") => Effect::Error {
            code: "ConcurrentModification".into(),
            message: "another change is under way".into(),
            status: 409,
        },
        _ => Effect::Error {
            code: "ConflictException".into(),
            message: "another change is under way".into(),
            status: 409,
        },
    }
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Join,
    Leave,
    Assign,
    Unassign,
    JoinIam,
    LeaveIam,
    Attach(&'static str),
    Detach(&'static str),
    Inline,
    Create(AccountKind),
    DeleteIam,
    DeleteSso,
    DeleteKey,
    Rotate,
    RotateKey,
    Issue,
}

impl Task {
    async fn prepare(self) -> Bench {
        let kind = if let Self::Create(kind) = self { kind } else { AccountKind::IamUser };
        let bench = Bench::with_members(|settings| {
            settings.account_kind = kind;
            settings.secrets = true;
        })
        .await;
        match self {
            Self::Unassign => bench.make_bob_admin(),
            Self::LeaveIam => Self::JoinIam.run(&bench).await.unwrap(),
            Self::Detach(from) => Self::Attach(from).run(&bench).await.unwrap(),
            _ => {}
        }
        bench
    }

    async fn run(self, bench: &Bench) -> Result<(), ProvisionError> {
        let auditors = || iam::of_group(OWN, "external/Auditors");
        let entity = |path: &str| {
            let kind = match path.split('/').next() {
                Some("group") => group::ID,
                Some("role") => role::ID,
                _ => batond::connector::iam_user::ID,
            };
            resource::reference(kind, &format!("arn:aws:iam::{OWN}:{path}"))
        };
        let access = || bench.access(Through::Account, SHOP, ADMIN);
        let identity = Identity::generate();
        match self {
            Self::Join => {
                let joiner = bench.user("loner@example.com");
                bench.grant("t", &bench.membership("Engineers"), &joiner).await.map(drop)
            }
            Self::Leave => {
                bench.revoke("t", &bench.membership("Engineers"), &bench.user("bob")).await.map(drop)
            }
            Self::Assign => bench.grant("t", &access(), &bench.user("bob")).await.map(drop),
            Self::Unassign => bench.revoke("t", &access(), &bench.user("bob")).await.map(drop),
            Self::JoinIam => bench.grant("t", &auditors(), &entity("user/idle")).await.map(drop),
            Self::LeaveIam => bench.revoke("t", &auditors(), &entity("user/idle")).await.map(drop),
            Self::Attach(to) => bench.grant("t", &iam::of_policy(POLICY), &entity(to)).await.map(drop),
            Self::Detach(from) => bench.revoke("t", &iam::of_policy(POLICY), &entity(from)).await.map(drop),
            Self::Inline => {
                let holder = Holder::user(&format!("arn:aws:iam::{OWN}:user/{RICH}"));
                let principal = resource::reference(holder.resource_type(), holder.id());
                bench.revoke("t", &iam::of_inline(&holder, "Own.Inline-1"), &principal).await.map(drop)
            }
            Self::Create(AccountKind::IamUser) => {
                let profile = Profile::new().string("username", "jdoe").string("email", "j@example.com");
                account::create(bench, "t", &account::request(profile)).await.map(drop)
            }
            Self::Create(AccountKind::SsoUser) => {
                account::create(bench, "t", &account::request(account::jane())).await.map(drop)
            }
            Self::DeleteIam => account::delete(bench, "t", &account::iam_id(OWN, RICH)).await.map(drop),
            Self::DeleteSso => {
                // Known before it is deleted, and by the same id when it is gone.
                let Some(id) = bench.aws.user_id("carol") else { return Ok(()) };
                let id = resource::id(sso_user::ID, &bench.connector.directory().user(&id));
                account::delete(bench, "t", &id).await.map(drop)
            }
            Self::DeleteKey => {
                let keys = bench.aws.access_keys(OWN, RICH);
                let Some((id, _)) = keys.first() else { return Ok(()) };
                account::delete(bench, "t", &resource::id(access_key::ID, id)).await.map(drop)
            }
            Self::Rotate => {
                let order = credential::rotation(account::iam_id(OWN, RICH), &identity);
                credential::rotate(bench, "t", &order).await.map(drop)
            }
            Self::RotateKey => {
                let order = rotation::of_first(bench, OWN, RICH, &identity);
                credential::rotate(bench, "t", &order).await.map(drop)
            }
            Self::Issue => {
                let order = credential::issuing(account::iam_id(OWN, "idle"), &identity);
                credential::issue(bench, "t", &order).await.map(drop)
            }
        }
    }
}

/// What the tasks change, without what is random.
#[derive(Debug, PartialEq)]
struct State {
    members: BTreeSet<(String, String)>,
    assigned: BTreeSet<testbed::aws::Assignment>,
    groups: Vec<String>,
    policies: Vec<(Vec<String>, Vec<String>)>,
    users: [bool; 4],
    devices: usize,
    /// How many there are, and how many of them work.
    keys: [(usize, usize); 2],
    /// Whether it was set by a task.
    passwords: [bool; 2],
}

fn state(bench: &Bench) -> State {
    let aws = &bench.aws;
    let entities = ["user/idle", "group/Admins", "role/Runner", &format!("user/{RICH}")]
        .map(|path| aws.iam_policies(&format!("arn:aws:iam::{OWN}:{path}")));
    let is_set = |name| aws.password(OWN, name).is_some_and(|(text, _)| !text.is_empty());
    State {
        members: aws.memberships().into_iter().map(|one| (one.group, one.user)).collect(),
        assigned: aws.assignments().into_iter().collect(),
        groups: aws.iam_groups(OWN, "idle"),
        policies: entities.into(),
        users: [
            aws.has_iam_user(OWN, "jdoe"),
            aws.has_iam_user(OWN, RICH),
            aws.user_id("jane").is_some(),
            aws.user_id("carol").is_some(),
        ],
        devices: aws.virtual_mfa_devices(OWN).len(),
        keys: ["idle", RICH].map(|name| (aws.access_keys(OWN, name).len(), aws.active_keys(OWN, name).len())),
        passwords: ["jdoe", RICH].map(is_set),
    }
}

fn is_retryable(error: &ProvisionError) -> bool {
    match error {
        ProvisionError::Call(error) => error.is_retryable(),
        ProvisionError::Undelivered { error, .. } => is_retryable(error),
        _ => false,
    }
}

/// How the task ends when this fault meets its write once.
async fn cell(task: Task, call: &str, fault: &str) -> &'static str {
    let name = format!("{task:?}, {fault}");
    let clean = task.prepare().await;
    task.run(&clean).await.unwrap();
    let goal = state(&clean);
    let bench = task.prepare().await;
    let before = state(&bench);
    assert_ne!(before, goal, "{name}: the task changes nothing");
    bench.aws.arm(Fault::once(call, effect(fault, call)));
    let ended = task.run(&bench).await;
    assert!(bench.aws.armed().is_empty(), "{name}: the fault was not met");
    let now = state(&bench);
    match ended {
        Ok(()) => {
            assert_eq!(now, goal, "{name}: said to be done");
            "done"
        }
        Err(error) if is_retryable(&error) => {
            task.run(&bench).await.unwrap();
            assert_eq!(state(&bench), goal, "{name}: repeated after {error}");
            "repeated"
        }
        Err(error) => {
            // A deletion that is refused at its end has taken away what goes before.
            let goes_on = matches!(task, Task::DeleteIam | Task::DeleteKey);
            assert!(now == before || goes_on, "{name}: {error}: {now:?}");
            "refused"
        }
    }
}

/// With `UPDATE_MATRIX=1` in its environment this test writes the table in place of comparing it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_under_every_fault_ends_as_the_table_says() {
    let cells = TASKS.iter().flat_map(|task| FAULTS.iter().map(move |fault| (task, *fault)));
    let cells: Vec<&str> = futures::stream::iter(cells)
        .map(|((task, _, _, call), fault)| Box::pin(cell(*task, call, fault)))
        .buffered(12)
        .collect()
        .await;
    let mut table = format!("| task | resource type | write | {} |\n", FAULTS.join(" | "));
    writeln!(table, "|{}", "---|".repeat(FAULTS.len() + 3)).unwrap();
    for ((_, kind, resource_type, call), ends) in TASKS.iter().zip(cells.chunks(FAULTS.len())) {
        writeln!(table, "| `{kind}` | {resource_type} | `{call}` | {} |", ends.join(" | ")).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/provisioning-matrix.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (head, rest) = document.split_once("<!-- matrix:begin -->").unwrap();
    let (_, tail) = rest.split_once("<!-- matrix:end -->").unwrap();
    let expected = format!("{head}<!-- matrix:begin -->\n\n{table}\n<!-- matrix:end -->{tail}");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert_eq!(document, expected, "run this test with UPDATE_MATRIX=1");
    }
}
