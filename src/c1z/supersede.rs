//! Which staged rows were given up since, because what they tell of was read again.

use std::fmt;
use std::sync::Arc;

use super::record::Fields;

/// What a staged row belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Type of the resource: the row itself, or what the entitlement or the granted entitlement is of.
    pub resource_type: &'a str,
    /// Its id within the type.
    pub resource: &'a str,
    /// Type and id of a grant's principal.
    pub principal: Option<(&'a str, &'a str)>,
}

/// One rule by which rows are given up.
#[derive(Clone)]
pub(super) struct Rule(Arc<Covers>);

type Covers = dyn Fn(&Owner<'_>) -> bool + Send + Sync;

impl Rule {
    pub(super) fn new(covers: impl Fn(&Owner<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(covers))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule(..)")
    }
}

/// Rules in the order of the rounds that they ended: each is about the rows of its round and of those before.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

/// How the owner of a row is found in its record.
pub(super) type OwnerOf = for<'a> fn(Fields<'a>) -> Option<Owner<'a>>;

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    /// Whether a record stays. A damaged one does: whoever reads it says so.
    pub(super) fn keep(&self, record: &[u8], owner_of: OwnerOf) -> bool {
        let mut fields = Fields(record);
        let _origin = fields.byte();
        let since = fields.byte().and_then(|round| self.0.get(usize::from(round)..)).unwrap_or_default();
        since.is_empty() || owner_of(fields).is_none_or(|owner| !since.iter().any(|rule| (rule.0)(&owner)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn of_resource(mut fields: Fields<'_>) -> Option<Owner<'_>> {
    Some(Owner { resource_type: fields.text()?, resource: fields.text()?, principal: None })
}

/// Types are never given up.
pub(super) fn of_type(_: Fields<'_>) -> Option<Owner<'_>> {
    None
}

pub(super) fn of_grant(mut fields: Fields<'_>) -> Option<Owner<'_>> {
    let (_id, resource_type, resource) = (fields.text()?, fields.text()?, fields.text()?);
    let (_entitlement, principal_type, principal) = (fields.text()?, fields.text()?, fields.text()?);
    Some(Owner { resource_type, resource, principal: Some((principal_type, principal)) })
}

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use crate::baton::v2;

    fn resource(resource_type: &str, id: &str, name: &str) -> v2::Resource {
        let key =
            v2::ResourceId { resource_type: resource_type.into(), resource: id.into(), ..Default::default() };
        v2::Resource { id: Some(key), display_name: name.into(), ..Default::default() }
    }

    fn grant(group: &str, user: &str) -> v2::Grant {
        let entitlement = v2::Entitlement {
            id: format!("{group}:member"),
            resource: Some(resource("group", group, "")),
            ..Default::default()
        };
        v2::Grant {
            id: format!("{group}:member:{user}"),
            entitlement: Some(entitlement),
            principal: Some(resource("user", user, "")),
            ..Default::default()
        }
    }

    #[test]
    fn what_was_staged_before_gives_way_to_what_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let stage = Stage::create(directory.path()).unwrap();
        for group in ["a", "b"] {
            stage.resource(&resource("group", group, "old")).unwrap();
            for user in ["ann", "bob"] {
                stage.grant(&grant(group, user)).unwrap();
            }
        }
        stage.resource(&resource("user", "ann", "zoe")).unwrap();
        stage.supersede(|row| row.resource_type == "group" && row.resource == "a").unwrap();
        stage.resource(&resource("group", "a", "new")).unwrap();
        stage.grant(&grant("a", "cid")).unwrap();
        // Read again besides: the later one stays.
        stage.resource(&resource("user", "ann", "abe")).unwrap();

        let staged = stage.finish().unwrap();
        let mut names = Vec::new();
        let mut rows = staged.resources().unwrap();
        while let Some(row) = rows.next_row().unwrap() {
            let message = <v2::Resource as prost::Message>::decode(row.data).unwrap();
            names.push(format!("{} {}", row.id, message.display_name));
        }
        assert_eq!(names, ["a new", "b old", "ann abe"]);
        let mut held = Vec::new();
        let mut rows = staged.grants().unwrap();
        while let Some(row) = rows.next_row().unwrap() {
            held.push(row.id.to_owned());
        }
        assert_eq!(held, ["a:member:cid", "b:member:ann", "b:member:bob"]);
    }

    #[test]
    fn what_is_read_a_third_time_takes_the_place_of_both() {
        let directory = tempfile::tempdir().unwrap();
        let stage = Stage::create(directory.path()).unwrap();
        for user in ["ann", "bob", "cid"] {
            stage.supersede(|row| row.principal.is_some()).unwrap();
            stage.grant(&grant("a", user)).unwrap();
        }
        let staged = stage.finish().unwrap();
        let mut rows = staged.grants().unwrap();
        assert_eq!(rows.next_row().unwrap().unwrap().principal, "cid");
        assert!(rows.next_row().unwrap().is_none());
    }
}
