//! The plan of a crawl: which calls are made, what waits for what, how many are under way.
//!
//! Strands run side by side, each a stream of work items: users; groups with their memberships; permission sets with
//! their policies; the tree of the organization; accounts with what is provisioned to them, and then who is assigned;
//! IAM of the caller's account and of each member account; the policies that AWS manages. The buckets of `aws` pace
//! them: a strand that has its answers early leaves the rate to the others. No call is made twice.
//!
//! A row is staged once all that hangs from it has been read: what is deleted in mid-crawl leaves nothing behind,
//! least of all a group without members or an account without access. What is not found is looked at a second time
//! before it is taken for deleted (`second_look`), and what a row names that no listing did is looked up (`appeared`).

mod accounts;
mod appeared;
mod assignments;
mod findings;
mod iam;
mod managed_policies;
mod permission_sets;
mod plan;
mod principals;
mod rows;
mod second_look;
mod tree;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::findings::Findings;
pub(super) use self::findings::Found;
use self::iam::PageRoom;
use self::managed_policies::Attached;
use self::rows::Rows;
use super::options::Scope;
use super::{Progress, SyncError};
use crate::aws::Api;
use crate::baton::id::Directory;
use crate::c1z::Stage;
use crate::connector::Connector;

/// How many work items of one strand are under way at most. The calls themselves are paced by the buckets; this only
/// bounds the memory of what waits for them, and the connections where no rate is kept.
const FAN_OUT: usize = 32;

/// The setting that asks for tags of accounts, users and roles.
const RESOURCE_TAGS: &str = "BATON_SYNC_RESOURCE_TAGS";

/// Where one strand publishes what it found once it is complete.
type Publish<T> = watch::Sender<Option<Arc<T>>>;
/// What one strand publishes to the others.
type Known<T> = watch::Receiver<Option<Arc<T>>>;

/// Reads everything in scope into the stage; gives what is known of the reading itself.
///
/// Fails with the first call that failed for good. Cancel-safe: what was staged goes with the stage.
pub(super) async fn run(
    connector: &Connector,
    scope: &Scope,
    stage: &Stage,
    progress: &Progress,
    cancel: CancellationToken,
) -> Result<Found, SyncError> {
    let (own_named, own_name) = watch::channel(None);
    let crawl = Crawl {
        api: connector.aws().sync(cancel),
        connector,
        directory: connector.directory(),
        scope,
        rows: Rows { stage, progress },
        progress,
        findings: Findings::default(),
        page_room: PageRoom::new(),
        attached: Attached::default(),
        own_name,
    };
    for resource_type in &scope.types {
        stage.resource_type(resource_type)?;
    }
    let (users_known, users) = watch::channel(None);
    let (groups_known, groups) = watch::channel(None);
    let (sets_known, sets) = watch::channel(None);
    let (tree_known, tree) = watch::channel(None);
    let (accounts_known, accounts) = watch::channel(None);
    tokio::try_join!(
        crawl.users(users_known),
        crawl.groups(groups_known),
        crawl.permission_sets(sets_known),
        crawl.tree(tree_known),
        crawl.accounts(sets.clone(), tree, accounts_known, own_named),
        crawl.assignments(accounts, sets, users.clone(), groups.clone()),
        crawl.appeared_members(users, groups),
        crawl.own_iam(),
        crawl.aws_managed_policies(),
    )?;
    crawl.findings.conclude()
}

struct Crawl<'a> {
    api: Api,
    connector: &'a Connector,
    directory: Directory,
    scope: &'a Scope,
    /// Where rows of what is read whole, or not at all, go.
    rows: Rows<'a>,
    progress: &'a Progress,
    findings: Findings,
    /// Room for pages of IAM entities of all accounts together.
    page_room: PageRoom,
    /// The AWS-managed policies that were found attached somewhere.
    attached: Attached,
    /// The name of the caller's own account, where anything gives it one.
    own_name: Known<Option<String>>,
}

/// Waits until another strand has published what it found. That strand either does or fails, which ends this one too.
async fn known<T>(mut receiver: Known<T>) -> Arc<T> {
    // The borrowed value must be gone before the next wait, or the crawl could not move between threads.
    let found = receiver.wait_for(Option::is_some).await.map(|value| value.clone());
    match found {
        Ok(Some(value)) => value,
        // The other strand failed: this one must not conclude anything, and is dropped with it.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
