//! What a sync is asked to hold, and which types follow from it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::SyncError;
use super::focus::{Focus, Target};
use super::seal::{Contents, SealOptions};
use crate::baton::v2::ResourceType;
use crate::config::{ExternalSettings, ResourceBid, SyncSettings};
use crate::connector::under_filter;

/// What a sync is asked to hold. Two equal options on an unchanged organization give equal files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyncOptions {
    /// Resource type ids to sync; empty stands for all that are registered.
    pub types: Vec<String>,
    /// Whether grants are expanded through group membership.
    pub expand: bool,
    /// Whether entitlements and grants are read at all.
    pub entitlements_and_grants: bool,
    /// Whether grants are read.
    pub grants: bool,
    /// The resources that the sync is about, with all that hangs from them; `None` for all there are. Such a sync is
    /// marked as partial, and its grants are not expanded.
    pub targets: Option<BTreeSet<Target>>,
    /// What is taken over from another connector's file, unless the sync is about some resources alone.
    pub external: Option<ExternalSettings>,
}

impl Default for SyncOptions {
    /// Everything.
    fn default() -> Self {
        Self {
            types: Vec::new(),
            expand: true,
            entitlements_and_grants: true,
            grants: true,
            targets: None,
            external: None,
        }
    }
}

/// The types of one sync and what is read of them.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The types themselves, by id.
    pub types: Vec<ResourceType>,
    ids: BTreeSet<String>,
    /// Whether the types were named, rather than being all there are: a named one must be readable.
    pub named: bool,
    /// Whether entitlements are wanted.
    pub entitlements: bool,
    /// Whether grants are wanted.
    pub grants: bool,
    /// What a targeted sync reads.
    pub focus: Option<Focus>,
}

impl Scope {
    /// Whether a type is part of the sync.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// What has to be read again where `targets` may have changed; `None` where the sync is about none of them.
    pub(super) fn renewing(&self, targets: &BTreeSet<Target>) -> Option<(Self, Focus)> {
        let ours: BTreeSet<Target> =
            targets.iter().filter(|target| self.has(&target.resource_type)).cloned().collect();
        let focus = Focus::on(&ours);
        (focus != Focus::default()).then(|| (Self { focus: Some(focus.clone()), ..self.clone() }, focus))
    }

    /// Whether a part of the organization has to be read; all parts, unless the sync is targeted.
    pub(super) fn reads(&self, part: impl FnOnce(&Focus) -> bool) -> bool {
        self.focus.as_ref().is_none_or(part)
    }
}

impl SyncOptions {
    /// What a run without a control plane is asked to hold.
    pub fn configured(settings: &SyncSettings) -> Self {
        let target =
            |bid: &ResourceBid| Target { resource_type: bid.resource_type.clone(), resource: bid.id.clone() };
        Self {
            types: settings.types.clone(),
            entitlements_and_grants: !settings.skip_entitlements_and_grants,
            grants: !settings.skip_grants,
            targets: (!settings.resources.is_empty())
                .then(|| settings.resources.iter().map(target).collect()),
            external: settings.external.clone(),
            ..Self::default()
        }
    }

    pub(super) fn seal(&self, sync_id: String, started_at: Timestamp) -> SealOptions {
        let contents = match (self.entitlements_and_grants, self.grants) {
            (false, _) => Contents::ResourcesOnly,
            (true, false) => Contents::NoGrants,
            (true, true) => Contents::All,
        };
        let expand = self.expand && self.targets.is_none();
        SealOptions { sync_id, started_at, contents, expand, targets: self.targets.clone() }
    }

    /// Resolves the type filter against the registered types; a type that is not registered is an error, since a
    /// silently narrower sync would read as revoked access.
    pub(super) fn scope(&self, registered: &[ResourceType]) -> Result<Scope, SyncError> {
        if let Some(unknown) = self.types.iter().find(|id| registered.iter().all(|kind| kind.id != **id)) {
            let known = registered.iter().map(|kind| kind.id.clone()).collect();
            return Err(SyncError::UnknownType { id: unknown.clone(), known });
        }
        let wanted = |id: &str| self.types.is_empty() || self.types.iter().any(|wanted| wanted == id);
        let types = registered.iter().filter(|kind| wanted(&kind.id)).cloned().collect();
        let types = if self.types.is_empty() { types } else { under_filter(types) };
        Ok(Scope {
            ids: types.iter().map(|kind| kind.id.clone()).collect(),
            named: !self.types.is_empty(),
            entitlements: self.entitlements_and_grants,
            grants: self.entitlements_and_grants && self.grants,
            focus: self.targets.as_ref().map(Focus::on),
            types,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::all_resource_types;

    #[test]
    fn a_filter_that_names_an_unknown_type_is_refused_with_the_known_ones() {
        let options =
            SyncOptions { types: vec!["sso_user".into(), "iam_role".into()], ..SyncOptions::default() };
        let error = options.scope(&all_resource_types()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("invalid resource type 'iam_role' in filter"), "{message}");
        assert!(message.contains("sso_user"), "{message}");
    }

    #[test]
    fn an_empty_filter_stands_for_every_registered_type() {
        let scope = SyncOptions::default().scope(&all_resource_types()).unwrap();
        assert_eq!(scope.types.len(), all_resource_types().len());
        assert!(!scope.named);
    }
}
