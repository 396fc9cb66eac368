//! The state of the organization while the testbed runs.

use jiff::Timestamp;

use super::fixture::{Fixture, FixtureError};
use super::ids::Ids;

pub(crate) mod access;
pub(crate) mod assignments;
pub(crate) mod control;
pub(crate) mod directory;
pub(crate) mod iam;
pub(crate) mod organization;
pub(crate) mod trail;
mod vanish;

use access::Access;
use assignments::Center;
use directory::Directory;
use iam::Iam;
use organization::Organization;
use trail::{Recorder, Trail};

/// Everything that calls read and change.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) organization: Organization,
    pub(crate) directory: Directory,
    pub(crate) center: Center,
    pub(crate) access: Access,
    pub(crate) iam: Iam,
    pub(crate) trail: Trail,
    /// What ids are derived from.
    pub(crate) ids: Ids,
}

impl World {
    /// Derives ids and resolves names.
    pub(crate) fn build(fixture: &Fixture) -> Result<Self, FixtureError> {
        let ids = Ids::new(&fixture.name);
        let organization = Organization::build(&fixture.organization, &ids)?;
        let directory = Directory::build(&fixture.identity_center, &ids)?;
        let center = Center::build(&fixture.identity_center, &organization, &directory, &ids)?;
        let access = Access::build(&fixture.principals, &organization, &ids)?;
        let iam = Iam::build(fixture, &organization, &center, &access, &ids)?;
        Ok(Self { organization, directory, center, access, iam, trail: Trail::default(), ids })
    }

    /// What writes events of this organization.
    pub(crate) fn recorder(&self) -> Recorder<'_> {
        Recorder {
            account: &self.organization.management,
            region: &self.directory.region,
            store_id: &self.directory.store_id,
        }
    }
}

/// A time in 2024 that depends on `parts`.
fn created(ids: &Ids, parts: &[&str]) -> Timestamp {
    const START_OF_2024: i64 = 1_704_067_200;
    Timestamp::from_second(START_OF_2024 + ids.offset_seconds(parts)).unwrap_or_default()
}
