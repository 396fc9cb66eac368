//! The tree of the organization: roots and units, and which of them an account hangs from.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use tracing::warn;

use super::accounts::Listed;
use super::second_look::{Kind, Thing, is_gone};
use super::{Crawl, FAN_OUT, Publish};
use crate::aws::organizations::{Account, OrganizationalUnit, Root};
use crate::aws::{CallError, Class};
use crate::baton::v2::ResourceId;
use crate::connector::{organization, organizational_unit};
use crate::sync::SyncError;
use crate::sync::completeness::Area;
use crate::sync::focus::Focus;

/// The ids of all roots and units; empty when the tree is not part of the sync or may not be read.
pub(super) type Tree = BTreeSet<String>;

/// What the walk found, before anything is staged.
#[derive(Default)]
struct Walk {
    roots: Vec<Root>,
    /// Units with the id of their parent.
    units: Vec<(String, OrganizationalUnit)>,
    /// Units that were listed and then could not be found, with what they were listed below.
    vanished: Vec<(String, String, CallError)>,
}

impl Crawl<'_> {
    /// Walks from the roots down (names and empty units are nowhere else), stages all of it or nothing, and
    /// publishes what is there.
    pub(super) async fn tree(&self, known: Publish<Tree>) -> Result<(), SyncError> {
        let mut tree = Tree::new();
        if self.scope.has(organization::ID) && self.scope.reads(Focus::center) {
            let walk = match self.walk().await {
                Ok(mut walk) => {
                    self.findings.whole(Area::Tree);
                    for (unit, parent, error) in std::mem::take(&mut walk.vanished) {
                        self.vanished(Thing::Unit { unit: &unit, parent: &parent }, error).await?;
                    }
                    walk
                }
                Err(error) => self.without_tree(error).map(|()| Walk::default())?,
            };
            for root in &walk.roots {
                self.rows.resource(&organization::resource(root))?;
                tree.insert(root.id.clone());
            }
            for (parent, unit) in &walk.units {
                self.findings.read(Kind::Units);
                if self.scope.has(organizational_unit::ID) {
                    self.rows.resource(&organizational_unit::resource(unit, parent))?;
                }
                tree.insert(unit.id.clone());
            }
        }
        known.send_replace(Some(tree.into()));
        Ok(())
    }

    async fn walk(&self) -> Result<Walk, CallError> {
        let roots: Vec<Root> = self.api.organizations().roots().try_concat().await?;
        let mut level: Vec<String> = roots.iter().map(|root| root.id.clone()).collect();
        let mut walk = Walk { roots, units: Vec::new(), vanished: Vec::new() };
        while !level.is_empty() {
            self.progress.found(level.len());
            let below = stream::iter(level).map(async |parent: String| {
                let units = self.api.organizations().organizational_units(&parent).try_concat().await;
                self.progress.finished();
                match units {
                    // A unit that was deleted after its listing has nothing below it, and no row of its own.
                    Err(error) if is_gone(&error) && parent.starts_with("ou-") => Ok((parent, Err(error))),
                    units => Ok::<_, CallError>((parent, Ok(units?))),
                }
            });
            let below: Vec<(String, Result<Vec<OrganizationalUnit>, CallError>)> =
                below.buffer_unordered(FAN_OUT).try_collect().await?;
            level = Vec::new();
            for (parent, units) in below {
                let units = match units {
                    Ok(units) => units,
                    Err(error) => {
                        let place = walk.units.iter().position(|(_, unit)| unit.id == parent);
                        if let Some((above, unit)) = place.map(|place| walk.units.remove(place)) {
                            walk.vanished.push((unit.id, above, error));
                        }
                        continue;
                    }
                };
                level.extend(units.iter().map(|unit| unit.id.clone()));
                walk.units.extend(units.into_iter().map(|unit| (parent.clone(), unit)));
            }
        }
        Ok(walk)
    }

    /// The tree is optional context of the accounts, unless the sync names it: then it must be readable.
    fn without_tree(&self, error: CallError) -> Result<(), SyncError> {
        if !matches!(error.class(), Class::Denied) || self.scope.named {
            return Err(error.into());
        }
        warn!(
            operation = error.operation(),
            missing_permission = error.missing_action(),
            "accounts are synced without their place in the organization: {error}"
        );
        let missing = error.missing_action().unwrap_or_else(|| error.operation().to_owned());
        let scope = "place of accounts in the organization".to_owned();
        self.findings.incomplete(Area::Tree, scope, format!("{missing} is denied"));
        Ok(())
    }

    /// The parents of accounts that AWS sent without a path: one listing for each parent. Only where that is denied,
    /// and for an account that was moved meanwhile, a call for the account.
    pub(super) async fn parents(
        &self,
        tree: &Tree,
        accounts: &[Listed],
    ) -> Result<BTreeMap<String, String>, SyncError> {
        if tree.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.progress.found(tree.len());
        let listed = stream::iter(tree.iter().cloned()).map(async |parent: String| {
            let accounts: Vec<_> = self.api.organizations().accounts_for_parent(&parent).try_concat().await?;
            self.progress.finished();
            Ok::<_, CallError>((parent, accounts))
        });
        let listed: Vec<_> = match listed.buffer_unordered(FAN_OUT).try_collect().await {
            Ok(listed) => listed,
            Err(error) if is_gone(&error) => {
                let what = "an organizational unit is listed, but cannot be found".to_owned();
                return Err(SyncError::Shifted { what });
            }
            Err(error) if matches!(error.class(), Class::Denied) => {
                self.findings.cheaper(&error);
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        let mut parents: BTreeMap<String, String> = listed
            .into_iter()
            .flat_map(|(parent, accounts)| {
                accounts.into_iter().map(move |account| (account.id.to_string(), parent.clone()))
            })
            .collect();
        let unknown = accounts
            .iter()
            .map(|listed| &listed.account)
            .filter(|account| !parents.contains_key(account.id.as_str()));
        let asked = stream::iter(unknown.cloned().collect::<Vec<_>>()).map(async |account: Account| {
            let parent = self.api.organizations().parent_of(&account.id).await?;
            Ok::<_, CallError>((account.id.to_string(), parent))
        });
        match asked.buffer_unordered(FAN_OUT).try_collect::<Vec<_>>().await {
            Ok(asked) => parents.extend(asked),
            Err(error) if is_gone(&error) => {
                let what = "an account is listed, but cannot be found".to_owned();
                return Err(SyncError::Shifted { what });
            }
            Err(error) => self.without_tree(error)?,
        }
        Ok(parents)
    }

    /// An account hangs from its parent only if that parent has a row: it was found in the tree, and its type is
    /// synced.
    pub(super) fn parent_in_scope(&self, account: &Account, parent: &str, tree: &Tree) -> Option<ResourceId> {
        let reference = organizational_unit::parent_reference(parent)?;
        if !self.scope.has(&reference.resource_type) {
            return None;
        }
        if !tree.contains(parent) {
            // Without any tree this is said once, of all accounts.
            if !tree.is_empty() {
                let reason = format!("its parent {parent} appeared or vanished during the sync");
                self.findings.lacks(format!("place of account {}", account.id), reason);
            }
            return None;
        }
        Some(reference)
    }
}
