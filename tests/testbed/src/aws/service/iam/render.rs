//! IAM's entities as its listings write them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::put;
use crate::aws::world::access::Role as Principal;
use crate::aws::world::iam::{Entity, Group, Policy, Role, User, Version};

fn entity(entity: &Entity, name: &str, id: &str) -> Value {
    json!({
        "Path": entity.path,
        name: entity.name,
        id: entity.id,
        "Arn": entity.arn,
        "CreateDate": time(entity.created),
    })
}

/// A user as `ListUsers` tells: no tags.
pub(super) fn user(user: &User) -> Value {
    let mut row = entity(&user.entity, "UserName", "UserId");
    if let Some(used) = user.password_last_used {
        put(&mut row, "PasswordLastUsed", time(used));
    }
    row
}

/// A user as `GetAccountAuthorizationDetails` and `GetGroup` name it: without the use of its password.
pub(super) fn user_detail(user: &User) -> Value {
    entity(&user.entity, "UserName", "UserId")
}

pub(super) fn group(group: &Group) -> Value {
    entity(&group.entity, "GroupName", "GroupId")
}

/// A role as `ListRoles` tells: no tags, no last use.
pub(super) fn role(role: &Role) -> Value {
    let mut row = role_detail(role);
    if let Some(description) = &role.description {
        put(&mut row, "Description", json!(description));
    }
    put(&mut row, "MaxSessionDuration", role.max_session_seconds);
    row
}

/// A role as `GetAccountAuthorizationDetails` names it: no description, no longest session.
pub(super) fn role_detail(role: &Role) -> Value {
    let mut row = entity(&role.entity, "RoleName", "RoleId");
    put(&mut row, "AssumeRolePolicyDocument", encode(&role.trust));
    row
}

/// A role of the fixture's principals, with the trust policy that its statements make.
pub(super) fn principal(role: &Principal) -> Value {
    let statements = role.trust.iter().map(|statement| {
        let mut actions = vec!["sts:AssumeRole"];
        actions.extend(statement.tag_session.then_some("sts:TagSession"));
        let mut row =
            json!({"Effect": "Allow", "Principal": {"AWS": statement.principals}, "Action": actions});
        if let Some(id) = &statement.external_id {
            put(&mut row, "Condition", json!({"StringEquals": {"sts:ExternalId": id}}));
        }
        row
    });
    let trust = json!({"Version": "2012-10-17", "Statement": statements.collect::<Value>()});
    let path =
        role.arn.split_once(":role").map_or("/", |(_, rest)| rest).trim_end_matches(role.name.as_str());
    json!({
        "Path": path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": role.arn,
        "CreateDate": "2024-01-01T00:00:00Z",
        "AssumeRolePolicyDocument": encode(&trust.to_string()),
    })
}

pub(super) fn last_used(role: &Role) -> Value {
    match role.last_used {
        Some(used) => json!({"LastUsedDate": time(used), "Region": "us-east-1"}),
        None => json!({}),
    }
}

/// A policy as `ListPolicies` tells: no description.
pub(super) fn policy(policy: &Policy, attachments: usize) -> Value {
    let mut row = entity(&policy.entity, "PolicyName", "PolicyId");
    put(&mut row, "DefaultVersionId", policy.default_version());
    put(&mut row, "AttachmentCount", attachments);
    put(&mut row, "PermissionsBoundaryUsageCount", 0);
    put(&mut row, "IsAttachable", true);
    put(&mut row, "UpdateDate", time(policy.updated()));
    row
}

pub(super) fn version(version: &Version<'_>, with_document: bool) -> Value {
    let mut row = json!({
        "VersionId": version.id,
        "IsDefaultVersion": version.is_default,
        "CreateDate": time(version.created),
    });
    if with_document {
        put(&mut row, "Document", encode(version.document));
    }
    row
}

pub(super) fn attached((name, arn): &(String, String)) -> Value {
    json!({"PolicyName": name, "PolicyArn": arn})
}

pub(super) fn tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A document as IAM sends it: percent-encoded by RFC 3986, a space as `%20`.
pub(super) fn encode(document: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| char::from(DIGITS.get(usize::from(value)).copied().unwrap_or(b'0'));
    let mut encoded = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}
