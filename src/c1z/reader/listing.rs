//! Reads all rows of a kind, a few at a time.

use prost::Message;
use rusqlite::ToSql;

use super::{Error, Reader};
use crate::baton::v2;

/// Rows that are held at once.
const FEW: usize = 500;

/// A row as it lies in its table.
struct Raw {
    /// Its place in the table.
    place: i64,
    id: String,
    data: Vec<u8>,
}

impl Reader {
    /// Gives all resource types, in the order of the file.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Decode`] or [`Error::Endless`] when the file is damaged, and the first error of
    /// `take`.
    pub fn each_resource_type<E: From<Error>>(
        &self,
        take: impl FnMut(v2::ResourceType) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each("resource type", "v1_resource_types", None, take)
    }

    /// Gives all resources of a type, in the order of the file.
    ///
    /// # Errors
    /// As [`Reader::each_resource_type`].
    pub fn each_resource<E: From<Error>>(
        &self,
        resource_type: &str,
        take: impl FnMut(v2::Resource) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each("resource", "v1_resources", Some(resource_type), take)
    }

    /// Gives all entitlements of the resources of a type, in the order of the file.
    ///
    /// # Errors
    /// As [`Reader::each_resource_type`].
    pub fn each_entitlement<E: From<Error>>(
        &self,
        resource_type: &str,
        take: impl FnMut(v2::Entitlement) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each("entitlement", "v1_entitlements", Some(resource_type), take)
    }

    /// Gives all grants of the entitlements of the resources of a type, in the order of the file. What a message
    /// leaves out is as the columns name it.
    ///
    /// # Errors
    /// As [`Reader::each_resource_type`].
    pub fn each_grant<E: From<Error>>(
        &self,
        resource_type: &str,
        mut take: impl FnMut(v2::Grant) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each("grant", "v1_grants", Some(resource_type), |mut grant: v2::Grant| {
            let id = grant.id.clone();
            self.complete(&id, &mut grant)?;
            take(grant)
        })
    }

    fn each<M: Message + Default, E: From<Error>>(
        &self,
        kind: &'static str,
        table: &str,
        resource_type: Option<&str>,
        mut take: impl FnMut(M) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = i64::MIN;
        let mut rows = 0;
        loop {
            let few = self.few(table, resource_type, after)?;
            let is_last = few.len() < FEW;
            for Raw { place, id, data } in few {
                // Pages that refer to each other in a circle give rows without end.
                rows += 1;
                if place <= after || rows > self.size {
                    return Err(Error::Endless.into());
                }
                after = place;
                take(M::decode(data.as_slice()).map_err(|source| Error::Decode { kind, id, source })?)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The next rows of a table behind a place in it.
    fn few(&self, table: &str, resource_type: Option<&str>, after: i64) -> Result<Vec<Raw>, Error> {
        // The plus keeps SQLite from an index whose rows it would have to sort anew for each call.
        let of_type = if resource_type.is_some() { "and +resource_type_id = ?3" } else { "" };
        let statement = format!(
            "select id, external_id, data from {table} where sync_id = ?1 and id > ?2 {of_type}
             order by id limit {FEW}"
        );
        let failed = || Error::database("read rows of the file");
        let mut parameters: Vec<&dyn ToSql> = vec![&self.sync_id, &after];
        parameters.extend(resource_type.as_ref().map(|id| id as &dyn ToSql));
        let mut statement = self.fresh().prepare_cached(&statement).map_err(failed())?;
        let rows = statement.query_map(parameters.as_slice(), |columns| {
            Ok(Raw { place: columns.get(0)?, id: columns.get(1)?, data: columns.get(2)? })
        });
        let few = rows.map_err(failed())?.collect::<Result<Vec<_>, _>>();
        few.map_err(failed())
    }
}
