//! Trust policies: only whoever the document names may assume the role, however the document is written, and a
//! document that is none still leaves a role.

use std::collections::BTreeSet;

use batond::aws::iam::Role;
use batond::connector::role::{self, Trust};
use serde_json::Value;

/// Panics where something of this does not hold.
pub fn check(document: &str) {
    let described = Role {
        arn: "arn:aws:iam::123456789012:role/r".to_owned(),
        id: "AROAEXAMPLE".to_owned(),
        name: "r".to_owned(),
        path: "/".to_owned(),
        description: None,
        max_session_seconds: None,
        trust: Some(document.to_owned()),
    };
    let resource = role::resource(&described, &[], None);
    let Ok(trust) = role::trust(&described) else { return };
    let grants = role::trust_grants(&resource, &trust);

    let value: Value = serde_json::from_str(document).expect("a policy is JSON");
    assert!(value.is_object(), "a policy is an object");
    let rewritten = serde_json::to_string_pretty(&value).expect("a value has a text");
    assert_eq!(Trust::parse(&rewritten).expect("the same policy"), trust, "spaces matter");

    let mut named = BTreeSet::new();
    collect(&value, &mut named);
    let mut seen = BTreeSet::new();
    for grant in grants {
        let id = grant.principal.and_then(|principal| principal.id).expect("a grant to somebody");
        assert!(["iam_user", "role"].contains(&id.resource_type.as_str()));
        assert!(id.resource.starts_with("arn:"), "{}", id.resource);
        assert!(named.contains(id.resource.as_str()), "the document does not name {}", id.resource);
        assert!(seen.insert(grant.id), "two grants of one id");
    }
}

/// All texts in the value but keys.
fn collect<'a>(value: &'a Value, texts: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => {
            texts.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}
