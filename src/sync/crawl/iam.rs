//! IAM of accounts: the caller's own at top level, each member's below its `account_iam`.
//!
//! One call tells an account's users, groups, roles and policies with all that belongs to them (`details`); where it
//! is denied, each entity is asked for (`entities`). Both ways give the same rows.

mod details;
mod entities;
mod last_use;
mod page_room;
mod rows;

use tracing::{debug, warn};

pub(super) use self::page_room::PageRoom;
use super::accounts::Listed;
use super::rows::Rows;
use super::second_look::Thing;
use super::{Crawl, known};
use crate::aws::iam::{EntityKind, Iam};
use crate::aws::organizations::{Account, AccountState};
use crate::aws::{AccountId, CallError, Class, Denial, PolicyKind, Step, Withheld};
use crate::baton::v2::ResourceId;
use crate::connector::account_iam::Below;
use crate::connector::{access_key, account_iam, group, iam_policy, iam_user, role};
use crate::sync::SyncError;
use crate::sync::completeness::Area;

/// How many entities of one account are asked for at once.
const ENTITIES: usize = 16;

/// IAM of one account on its way into rows.
struct Reading<'a> {
    iam: Iam,
    /// Where its rows go.
    rows: Rows<'a>,
    /// What the rows hang from: nothing in the caller's own account.
    parent: Option<ResourceId>,
    account_name: AccountName,
}

/// How the account is called whose IAM is read.
enum AccountName {
    /// As the list of accounts says of the caller's own.
    Own,
    /// As told; `None` where nobody names it.
    Told(Option<String>),
}

impl Reading<'_> {
    /// An entity that was listed.
    fn entity<'t>(&'t self, kind: EntityKind, name: &'t str, arn: &'t str) -> Thing<'t> {
        Thing::Entity { iam: &self.iam, kind, name, arn }
    }
}

/// Whether an account could be read by the one call that tells everything.
enum ByDetails {
    Read,
    Denied(CallError),
}

impl Crawl<'_> {
    /// Reads IAM of the caller's own account.
    pub(super) async fn own_iam(&self) -> Result<(), SyncError> {
        let own = &self.connector.aws().caller().account;
        if !self.wants_iam() || !self.scope.reads(|focus| focus.iam_of(own.as_str())) {
            return Ok(());
        }
        self.progress.found(1);
        self.findings.entered(own);
        let (iam, rows, account_name) = (self.api.iam(), self.rows, AccountName::Own);
        self.iam(Reading { iam, rows, parent: None, account_name }).await?;
        self.progress.finished();
        Ok(())
    }

    /// Enters a member account and reads its IAM. An account that refuses, at its entry or while it is read, is
    /// incomplete and named, and nothing of its IAM is staged; an account that could not be asked is no answer, and
    /// fails the sync.
    pub(super) async fn member(&self, listed: &Listed) -> Result<(), SyncError> {
        let account = &listed.account;
        let is_own = account.id == self.connector.aws().caller().account;
        let is_in_use = matches!(account.state, AccountState::Active | AccountState::Other(_));
        if is_own || !is_in_use {
            return self.account_iam(listed, Below::Nothing).await;
        }
        let iam = match self.api.member_iam(&account.id).await {
            Ok(iam) => iam,
            Err(error) if error.is_refusal() => {
                self.findings.not_entered(&error);
                return self.refused(listed, error.to_string()).await;
            }
            Err(error) => {
                return Err(SyncError::of_entry(account.id.clone(), error));
            }
        };
        if self.wants_iam() {
            let part = self.rows.stage.part();
            let rows = Rows { stage: &part, ..self.rows };
            let parent = Some(account_iam::parent(&account.id));
            let read = async {
                let account_name = AccountName::Told(self.name_of_member(account, &iam).await?);
                self.iam(Reading { iam, rows, parent, account_name }).await
            };
            match read.await {
                Ok(()) => self.rows.stage.join(part)?,
                Err(SyncError::Call(error)) => {
                    let Some(reason) = closed(&account.id, &error) else { return Err(error.into()) };
                    return self.refused(listed, reason).await;
                }
                // What a setting alone asks for, and is withheld, says nothing of the rest of the account.
                Err(error) => return Err(error),
            }
        }
        self.findings.entered(&account.id);
        let keys = self.connector.settings().secrets;
        self.account_iam(listed, if keys { Below::EntitiesAndKeys } else { Below::Entities }).await
    }

    async fn refused(&self, listed: &Listed, error: String) -> Result<(), SyncError> {
        let account = &listed.account;
        let name = account.name.as_deref().unwrap_or_default();
        warn!(account.id = %account.id, account.name = name, "IAM of an account is not read: {error}");
        let scope = format!("IAM of account {} ({name})", account.id);
        self.findings.refused(&account.id, scope, error);
        self.account_iam(listed, Below::Nothing).await
    }

    async fn account_iam(&self, listed: &Listed, below: Below) -> Result<(), SyncError> {
        let tags = self.account_tags(listed).await?;
        Ok(self.rows.resource(&account_iam::resource(&listed.account, below, tags))?)
    }

    /// The name of a member: Organizations' own, else the account's alias, which is asked for only then.
    async fn name_of_member(&self, account: &Account, iam: &Iam) -> Result<Option<String>, SyncError> {
        if !self.scope.has(iam_user::ID) || account.name.as_ref().is_some_and(|name| !name.is_empty()) {
            return Ok(account.name.clone());
        }
        match iam.account_aliases().await {
            Ok(aliases) => Ok(aliases.into_iter().next()),
            Err(error) if matches!(error.class(), Class::Denied | Class::NotFound | Class::Invalid) => {
                debug!(account.id = %account.id, %error, "the account has no name, and its alias is not known");
                Ok(None)
            }
            // A name that is missing for a while only would rename the users twice.
            Err(error) => Err(error.into()),
        }
    }

    async fn account_name(&self, reading: &Reading<'_>) -> Option<String> {
        match &reading.account_name {
            AccountName::Own => known(self.own_name.clone()).await.as_ref().clone(),
            AccountName::Told(name) => name.clone(),
        }
    }

    fn wants_iam(&self) -> bool {
        self.wants_entities() || self.scope.has(access_key::ID)
    }

    fn wants_entities(&self) -> bool {
        [iam_user::ID, group::ID, role::ID, iam_policy::ID].iter().any(|id| self.scope.has(id))
    }

    async fn iam(&self, reading: Reading<'_>) -> Result<(), SyncError> {
        if self.wants_entities() {
            match self.details(&reading).await? {
                ByDetails::Read => {}
                ByDetails::Denied(error) => {
                    self.findings.cheaper(&error);
                    self.entities(&reading).await?;
                }
            }
        } else {
            self.entities(&reading).await?;
        }
        self.attached_aws_policies(&reading.iam).await?;
        self.findings.whole(Area::Iam);
        Ok(())
    }
}

/// Why a failed read of a member says that the account is closed to us, if it does: its role refuses a renewal, or a
/// policy of the organization withholds the read from everybody in the account.
fn closed(account: &AccountId, error: &CallError) -> Option<String> {
    match error.class() {
        Class::Credentials(access) => {
            let of_member = access.hop().is_some_and(|hop| hop.step == Step::Member);
            of_member.then(|| access.to_string())
        }
        // What the connector reads as itself is another matter than what it reads as the member's role.
        Class::Denied if error.account() == Some(account) => match error.denial() {
            Some(Denial::Withheld(Withheld { by: PolicyKind::ServiceControl, .. })) => {
                Some(error.to_string())
            }
            _ => None,
        },
        _ => None,
    }
}
