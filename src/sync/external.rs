//! Rows that a sync takes over from the file of another connector: principals, what they offer, and who holds it.
//!
//! Source: the protocol's external resources. The rows go before our own of the same id; resources bear `BatonID`,
//! entitlements `EntitlementImmutable`, grants `GrantImmutable`, so that nobody changes them through this connector.
//! No row of AWS asks to be matched with a principal of another file, so grants stay as they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost::Name;
use tokio_util::sync::CancellationToken;

use crate::baton::any;
use crate::baton::resource::ResourceExt as _;
use crate::baton::v2::{
    BatonId, Entitlement, EntitlementImmutable, Grant, GrantExpandable, GrantImmutable, Resource, ResourceId,
    ResourceType, SkipEntitlementsAndGrants, SkipGrants, resource_type::Trait,
};
use crate::c1z::{self, Foreign, Reader, Stage};
use crate::config::ExternalSettings;
use crate::text;

/// Why nothing could be taken over; the sync has no file then, since what is missing would read as gone.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The file could not be read.
    #[error("the file of BATON_EXTERNAL_RESOURCE_C1Z, {}, could not be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: c1z::Error,
    },
    /// The file has no such entitlement.
    #[error(
        "the entitlement {entitlement:?} of BATON_EXTERNAL_RESOURCE_ENTITLEMENT_ID_FILTER is not in {}",
        file.display()
    )]
    NoEntitlement {
        /// The id that was asked for.
        entitlement: String,
        /// The file.
        file: PathBuf,
    },
    /// A principal is of a type that the file does not have.
    #[error("{} has no resource type {resource_type:?}, which a grant in it names", file.display())]
    NoType {
        /// The id of the type.
        resource_type: String,
        /// The file.
        file: PathBuf,
    },
    /// The rows could not be staged on disk, or the sync was cancelled.
    #[error("staging rows failed")]
    Stage(#[source] c1z::Error),
}

/// Stages what the settings ask for. Blocks; holds the ids of the principals only where they must hold an entitlement.
///
/// # Errors
/// See [`ExternalError`].
pub(super) fn stage(
    settings: &ExternalSettings,
    stage: &Stage,
    work_dir: &Path,
    cancel: &CancellationToken,
) -> Result<(), ExternalError> {
    let of_file = |source| ExternalError::File { file: settings.file.clone(), source };
    let reader = Reader::open(&settings.file, work_dir).map_err(of_file)?;
    let taking = Taking { settings, reader, stage: stage.foreign(), cancel };
    let taken = match &settings.entitlement {
        None => taking.all(),
        Some(entitlement) => taking.holders_of(entitlement),
    };
    taken.map_err(|fault| match fault {
        Fault::File(source) => of_file(source),
        Fault::Stage(source) => ExternalError::Stage(source),
        Fault::Other(error) => error,
    })
}

/// What can go wrong, as far as it is known where it happens.
enum Fault {
    File(c1z::Error),
    Stage(c1z::Error),
    Other(ExternalError),
}

impl From<c1z::Error> for Fault {
    fn from(error: c1z::Error) -> Self {
        Self::File(error)
    }
}

struct Taking<'a> {
    settings: &'a ExternalSettings,
    reader: Reader,
    stage: Foreign<'a>,
    cancel: &'a CancellationToken,
}

/// The principals that are taken over, of one type.
enum Principals<'a> {
    All,
    These(&'a BTreeSet<String>),
}

impl Principals<'_> {
    fn have(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(id),
        }
    }
}

impl Taking<'_> {
    /// All principals of the wanted traits.
    fn all(&self) -> Result<(), Fault> {
        let mut types = Vec::new();
        self.reader.each_resource_type(|row| {
            if self.wants(&row) {
                types.push(row);
            }
            Ok::<_, Fault>(())
        })?;
        types.iter().try_for_each(|row| self.of_type(row, &Principals::All))
    }

    /// The principals that hold an entitlement.
    fn holders_of(&self, entitlement: &str) -> Result<(), Fault> {
        let file = || self.settings.file.clone();
        let Some(granted) = self.reader.entitlement(entitlement)? else {
            let entitlement = entitlement.to_owned();
            return Err(Fault::Other(ExternalError::NoEntitlement { entitlement, file: file() }));
        };
        let mut holders = BTreeSet::new();
        let of = granted.resource.as_ref().map_or("", Resource::type_id);
        self.reader.each_grant(of, |grant| {
            let is_of = grant.entitlement.as_ref().is_some_and(|granted| granted.id == entitlement);
            if let (true, Some(ResourceId { resource_type, resource, .. })) =
                (is_of, grant.principal.and_then(|principal| principal.id))
            {
                holders.insert((resource_type, resource));
            }
            self.go_on()
        })?;
        let types: BTreeSet<String> =
            holders.iter().map(|(resource_type, _)| resource_type.clone()).collect();
        for id in types {
            let Some(row) = self.reader.resource_type(&id)? else {
                let resource_type = text::printable(&id, text::NAME).into_owned();
                return Err(Fault::Other(ExternalError::NoType { resource_type, file: file() }));
            };
            if self.wants(&row) {
                let of_type = holders.iter().filter(|(resource_type, _)| *resource_type == id);
                let ids = of_type.map(|(_, resource)| resource.clone()).collect();
                self.of_type(&row, &Principals::These(&ids))?;
            }
        }
        Ok(())
    }

    /// Whether principals of the type are asked for.
    fn wants(&self, row: &ResourceType) -> bool {
        self.settings
            .traits
            .iter()
            .filter_map(|name| trait_named(name))
            .any(|wanted| row.traits().any(|one| one == wanted))
    }

    fn of_type(&self, row: &ResourceType, principals: &Principals<'_>) -> Result<(), Fault> {
        self.stage.resource_type(row).map_err(Fault::Stage)?;
        self.reader.each_resource(&row.id, |mut resource| {
            if principals.have(resource.object_id()) {
                mark::<BatonId>(&mut resource.annotations);
                self.stage.resource(&resource).map_err(Fault::Stage)?;
            }
            self.go_on()
        })?;
        if any::has::<SkipEntitlementsAndGrants>(&row.annotations) {
            return Ok(());
        }
        self.reader.each_entitlement(&row.id, |mut entitlement| {
            if self.offers(&entitlement, principals)? {
                mark::<EntitlementImmutable>(&mut entitlement.annotations);
                self.stage.entitlement(&entitlement).map_err(Fault::Stage)?;
            }
            self.go_on()
        })?;
        // Grants of one entitlement mostly lie beside each other.
        let mut last = (String::new(), false);
        self.reader.each_grant(&row.id, |mut grant| {
            let of = grant.entitlement.as_ref().map_or("", |granted| granted.id.as_str());
            if last.0 != of {
                last = (of.to_owned(), self.is_told(of, principals)?);
            }
            if last.1 {
                self.grant(&mut grant)?;
            }
            self.go_on()
        })
    }

    fn grant(&self, grant: &mut Grant) -> Result<(), Fault> {
        mark::<GrantImmutable>(&mut grant.annotations);
        // Whoever holds it through another has a grant of their own in that file.
        remove::<GrantExpandable>(&mut grant.annotations);
        self.stage.grant(grant).map_err(Fault::Stage)
    }

    /// Whether the entitlement is one of a principal that is taken over with what it offers.
    fn offers(&self, entitlement: &Entitlement, principals: &Principals<'_>) -> Result<bool, c1z::Error> {
        let Some(id) = entitlement.resource.as_ref().and_then(|resource| resource.id.as_ref()) else {
            return Ok(false);
        };
        if !principals.have(&id.resource) {
            return Ok(false);
        }
        let resource = self.reader.resource(&id.resource_type, &id.resource)?;
        Ok(resource.is_some_and(|resource| !any::has::<SkipEntitlementsAndGrants>(&resource.annotations)))
    }

    /// Whether the grants of an entitlement are taken over.
    fn is_told(&self, entitlement: &str, principals: &Principals<'_>) -> Result<bool, c1z::Error> {
        let Some(entitlement) = self.reader.entitlement(entitlement)? else { return Ok(false) };
        let skips = |resource: &Resource| any::has::<SkipGrants>(&resource.annotations);
        Ok(!entitlement.resource.as_ref().is_some_and(skips) && self.offers(&entitlement, principals)?)
    }

    fn go_on(&self) -> Result<(), Fault> {
        if self.cancel.is_cancelled() { Err(Fault::Stage(c1z::Error::Cancelled)) } else { Ok(()) }
    }
}

fn trait_named(name: &str) -> Option<Trait> {
    Trait::from_str_name(&format!("TRAIT_{}", name.to_ascii_uppercase()))
}

/// Puts an empty annotation in, in place of one of its kind.
fn mark<M: Name + Default>(annotations: &mut Vec<prost_types::Any>) {
    let marker = any::pack(&M::default());
    match annotations.iter_mut().find(|one| any::has::<M>(std::slice::from_ref(&**one))) {
        Some(one) => *one = marker,
        None => annotations.push(marker),
    }
}

fn remove<M: Name>(annotations: &mut Vec<prost_types::Any>) {
    annotations.retain(|one| !any::has::<M>(std::slice::from_ref(one)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EXTERNAL_TRAITS;

    #[test]
    fn the_traits_of_the_settings_are_those_of_the_protocol() {
        for number in 1.. {
            let Ok(known) = Trait::try_from(number) else {
                assert_eq!(usize::try_from(number - 1).unwrap(), EXTERNAL_TRAITS.len());
                break;
            };
            assert!(EXTERNAL_TRAITS.iter().any(|name| trait_named(name) == Some(known)), "{known:?}");
        }
    }
}
