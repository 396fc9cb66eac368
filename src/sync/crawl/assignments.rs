//! Who is assigned what: bindings, and the grants of accounts and bindings, by the plan that takes fewer calls.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::accounts::{Accounts, Provisioned};
use super::appeared::Listed;
use super::permission_sets::{Described, Sets};
use super::plan::{Forecast, Way};
use super::principals::{Groups, Ids};
use super::second_look::{self, Kind, Thing};
use super::{Crawl, FAN_OUT, Known, known};
use crate::aws::Class;
use crate::aws::sso_admin::PrincipalKind;
use crate::baton::resource::ResourceExt;
use crate::baton::v2::{Entitlement, Resource};
use crate::connector::assignment::{self, Principal};
use crate::connector::{Holder, account, iam_policy, permission_set_assignment, sso_group, sso_user};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// One permission set provisioned to one account.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) account: Arc<Provisioned>,
    pub(super) described: Arc<Described>,
}

impl Pair {
    /// Account id and ARN of the set.
    fn ids(&self) -> (&str, &str) {
        (self.account.account.id.as_str(), &self.described.set.arn)
    }
}

/// Pairs by account id and ARN of the set.
type Held<'a> = HashMap<(&'a str, &'a str), &'a Pair>;

/// What the grants of a pair are of.
struct Granted {
    of_account: Entitlement,
    of_binding: Option<Entitlement>,
}

impl Crawl<'_> {
    /// Stages the binding of each provisioned pair, and each assignment as a grant of account and binding.
    pub(super) async fn assignments(
        &self,
        accounts: Known<Accounts>,
        sets: Known<Sets>,
        users: Known<Ids>,
        groups: Known<Groups>,
    ) -> Result<(), SyncError> {
        let wants_bindings = self.scope.has(permission_set_assignment::ID);
        let is_wanted = self.scope.has(account::ID) && self.scope.reads(Focus::center);
        if !is_wanted || !(wants_bindings || self.scope.grants) {
            return Ok(());
        }
        let (accounts, sets) = (known(accounts).await, known(sets).await);
        let pairs = self.pairs(&accounts, &sets).await?;
        if !self.scope.grants {
            for pair in &pairs {
                self.binding(pair)?;
            }
            return Ok(());
        }
        let (users, groups) = (known(users).await, known(groups).await);
        let listed = Listed::new(&accounts, &sets, &users, &groups);
        if self.may_ask_principals() {
            let count = |number: usize| number as u64;
            let forecast = Forecast {
                pairs: count(pairs.len()),
                users: count(users.len()),
                groups: count(groups.ids.len()),
            };
            if forecast.first() == Way::PerPrincipal
                && self.per_principal(forecast, &pairs, &listed).await? == Way::PerPrincipal
            {
                return self.appeared_pairs(&listed).await;
            }
        }
        self.per_pair(pairs, &listed).await?;
        self.appeared_pairs(&listed).await
    }

    /// AWS answers for a principal in the management account alone; and only where users and groups are both synced
    /// are they known. A principal would tell of all accounts, where a targeted sync is about some.
    fn may_ask_principals(&self) -> bool {
        self.scope.focus.is_none()
            && self.connector.aws().is_management_account()
            && self.scope.has(sso_user::ID)
            && self.scope.has(sso_group::ID)
    }

    async fn pairs(&self, accounts: &Accounts, sets: &Sets) -> Result<Vec<Pair>, SyncError> {
        let provisioned = accounts.provisioned.iter().flat_map(|account| account.sets.iter());
        let unlisted: BTreeSet<&Arc<str>> = provisioned.filter(|arn| !sets.contains_key(&***arn)).collect();
        let mut appeared = Sets::new();
        for arn in unlisted {
            if let Some(described) = self.appeared_set(arn, accounts).await? {
                appeared.insert(arn.to_string(), described);
            }
        }
        let mut pairs = Vec::new();
        for account in &accounts.provisioned {
            for arn in account.sets.iter() {
                if let Some(described) = sets.get(&**arn).or_else(|| appeared.get(&**arn)) {
                    pairs.push(Pair { account: Arc::clone(account), described: Arc::clone(described) });
                }
            }
        }
        Ok(pairs)
    }

    async fn per_pair(&self, pairs: Vec<Pair>, listed: &Listed<'_>) -> Result<(), SyncError> {
        self.progress.found(pairs.len());
        stream::iter(pairs)
            .map(Ok)
            .map_ok(async |pair: Pair| {
                self.pair(&pair, listed).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect()
            .await
    }

    /// Reads who is assigned a pair and stages it with them.
    pub(super) async fn pair(&self, pair: &Pair, listed: &Listed<'_>) -> Result<(), SyncError> {
        let (account, set) = (&pair.account.account.id, &pair.described.set.arn);
        let read = self.api.sso_admin().assignments(account, set).try_collect::<Vec<_>>().await;
        let pages = match read {
            Ok(pages) => pages,
            Err(error) => {
                return self.vanished(Thing::Pair { account, set }, error).await;
            }
        };
        self.findings.read(Kind::Pairs);
        let granted = self.binding(pair)?;
        for held in pages.iter().flatten() {
            if self.has_principal(&held.principal, &held.principal_id, listed).await? {
                self.assigned(&granted, &held.principal, &held.principal_id)?;
            } else {
                self.findings.orphan();
            }
        }
        Ok(())
    }

    /// Asks each group, and then, if that is still the cheaper way, each user; gives the way that is left to go.
    ///
    /// What was staged of the groups is staged again by the other way, as the same rows.
    async fn per_principal(
        &self,
        forecast: Forecast,
        pairs: &[Pair],
        listed: &Listed<'_>,
    ) -> Result<Way, SyncError> {
        let users = listed.users;
        let held: Held<'_> = pairs.iter().map(|pair| (pair.ids(), pair)).collect();
        let rows_of_group = match self.of_groups(&held, listed).await {
            Ok(rows) => rows,
            Err(SyncError::Call(error)) if matches!(error.class(), Class::Denied) => {
                self.findings.cheaper(&error);
                return Ok(Way::PerPair);
            }
            Err(error) => return Err(error),
        };
        if forecast.then(listed.groups, &rows_of_group) == Way::PerPair {
            return Ok(Way::PerPair);
        }
        for pair in pairs {
            self.binding(pair)?;
        }
        self.progress.found(users.len());
        stream::iter(users.iter().map(str::to_owned))
            .map(Ok)
            .map_ok(async |user: String| {
                self.of_principal(&held, &PrincipalKind::User, &user, listed).await?;
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>()
            .await?;
        Ok(Way::PerPrincipal)
    }

    /// Stages what the groups hold; gives the number of rows of each, by its number.
    async fn of_groups(&self, held: &Held<'_>, listed: &Listed<'_>) -> Result<Vec<u64>, SyncError> {
        let groups = listed.groups;
        self.progress.found(groups.ids.len());
        let rows = Mutex::new(vec![0; groups.ids.len()]);
        stream::iter(groups.ids.iter().map(str::to_owned))
            .map(Ok)
            .map_ok(async |group: String| {
                let count = self.of_principal(held, &PrincipalKind::Group, &group, listed).await?;
                let number = groups.ids.number(&group).unwrap_or_default() as usize;
                if let Some(slot) = rows.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
                    *slot = count;
                }
                self.progress.finished();
                Ok::<_, SyncError>(())
            })
            .try_buffer_unordered(FAN_OUT)
            .try_collect::<()>()
            .await?;
        Ok(rows.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stages what a principal holds itself; gives the number of rows.
    async fn of_principal(
        &self,
        held: &Held<'_>,
        kind: &PrincipalKind,
        id: &str,
        listed: &Listed<'_>,
    ) -> Result<u64, SyncError> {
        let mut count = 0;
        let mut pages = self.api.sso_admin().assignments_of(kind, id);
        loop {
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    let Some(principal) = second_look::principal(kind, id) else { return Err(error.into()) };
                    return self.vanished(principal, error).await.map(|()| count);
                }
            };
            for row in page {
                count += 1;
                // Rows that AWS adds for the groups of a user stand with the groups already, but for a group that
                // the listing did not name.
                let is_its_own = (&row.principal, &*row.principal_id) == (kind, id);
                if !is_its_own && listed.groups.ids.has(&row.principal_id) {
                    continue;
                }
                match held.get(&(row.account.as_str(), &*row.permission_set)) {
                    Some(pair) if self.has_principal(&row.principal, &row.principal_id, listed).await? => {
                        self.assigned(&self.granted(pair), &row.principal, &row.principal_id)?;
                    }
                    Some(_) => self.findings.orphan(),
                    None => listed.unmet(&row),
                }
            }
        }
        if let Some(principal) = second_look::principal(kind, id) {
            self.findings.read(principal.kind());
        }
        Ok(count)
    }

    /// Stages a binding with its entitlement and the policies that it carries.
    fn binding(&self, pair: &Pair) -> Result<Granted, SyncError> {
        self.findings.whole(Area::Bindings);
        let granted = self.granted(pair);
        if !self.scope.has(permission_set_assignment::ID) {
            return Ok(granted);
        }
        let binding = Self::binding_row(pair);
        self.rows.resource(&binding)?;
        if let Some(entitlement) = &granted.of_binding {
            self.rows.entitlement(entitlement)?;
        }
        if self.scope.grants && self.scope.has(iam_policy::ID) {
            let (account, set) = (pair.account.account.id.as_str(), &pair.described.set);
            let holder = Holder::binding(binding.object_id());
            for policy in &pair.described.managed {
                self.rows.grant(&iam_policy::grant(policy, &holder))?;
            }
            for reference in &pair.described.customer {
                let region = &self.directory.region;
                let policy = permission_set_assignment::customer_policy(account, set, region, reference);
                self.rows.grant(&iam_policy::grant(&policy, &holder))?;
            }
        }
        Ok(granted)
    }

    fn binding_row(pair: &Pair) -> Resource {
        permission_set_assignment::resource(&pair.account.resource, &pair.described.set)
    }

    fn granted(&self, pair: &Pair) -> Granted {
        let wants_binding = self.scope.entitlements && self.scope.has(permission_set_assignment::ID);
        Granted {
            of_account: account::entitlement_of_grants(&pair.account.resource, &pair.described.set),
            of_binding: wants_binding
                .then(|| permission_set_assignment::entitlement(&Self::binding_row(pair))),
        }
    }

    fn assigned(&self, granted: &Granted, kind: &PrincipalKind, id: &str) -> Result<(), SyncError> {
        if let Some(principal) = Principal::new(&self.directory, kind, id) {
            for entitlement in [Some(&granted.of_account), granted.of_binding.as_ref()].into_iter().flatten()
            {
                self.rows.grant(&assignment::grant(entitlement, &principal))?;
            }
        }
        Ok(())
    }
}
