//! Holds the policies in `deploy/iam` to the calls that the code makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Actions that no call of ours needs: AWS makes them with our permissions when it provisions to the management account.
const BY_AWS: [&str; 8] = [
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:GetSAMLProvider",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:PutRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
];
/// Neither is an operation of ours: the tags of a user go along with its creation, the tags of Pod Identity go along with `sts:AssumeRole`, and Identity Center decrypts with
/// our permissions where its key is the customer's.
const IMPLIED: [&str; 3] = ["iam:TagUser", "kms:Decrypt", "sts:TagSession"];
/// Need no permission: who asks is told who it is, and a web identity proves itself by its token.
const FREE: [&str; 2] = ["sts:AssumeRoleWithWebIdentity", "sts:GetCallerIdentity"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The actions of all operations that `src/aws` declares.
fn called(directory: &Path) -> BTreeSet<String> {
    let services: BTreeMap<&str, &str> = [
        ("Sts", "sts"),
        ("IdentityStore", "identitystore"),
        ("SsoAdmin", "sso"),
        ("Organizations", "organizations"),
        ("Iam", "iam"),
        ("CloudTrail", "cloudtrail"),
    ]
    .into();
    let mut actions = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            actions.extend(called(&path));
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for declaration in code.split("Operation::safe(").chain(code.split("Operation::once(")).skip(1) {
            let Some(rest) = declaration.trim_start().strip_prefix("Service::") else { continue };
            let (service, rest) = rest.split_once(',').unwrap();
            let Some(name) = rest.trim_start().strip_prefix('"').and_then(|name| name.split('"').next())
            else {
                continue;
            };
            actions.insert(format!("{}:{name}", services[service]));
        }
    }
    actions
}

/// The documents, by file name.
fn documents() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(root().join("deploy/iam")).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    documents
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other}"),
    }
}

/// Whether the document lets session tags go along with a role that is assumed.
fn tags_pass(document: &Value) -> bool {
    document["Statement"].as_array().unwrap().iter().flat_map(actions).any(|one| one == "sts:TagSession")
}

#[test]
fn the_policies_allow_what_is_called_and_nothing_else() {
    let called = called(&root().join("src/aws"));
    assert!(called.len() > 45, "{called:?}");
    let mut allowed = BTreeSet::new();
    for (name, document) in documents() {
        if !name.starts_with("trust-") {
            allowed.extend(document["Statement"].as_array().unwrap().iter().flat_map(actions));
        }
    }
    let missing: Vec<_> = called
        .iter()
        .filter(|action| !FREE.contains(&action.as_str()) && !allowed.contains(*action))
        .collect();
    assert!(missing.is_empty(), "called, and in no policy: {missing:?}");
    let excused: BTreeSet<String> = BY_AWS.into_iter().chain(IMPLIED).map(str::to_owned).collect();
    let idle: Vec<_> = allowed.difference(&called).filter(|action| !excused.contains(*action)).collect();
    assert!(idle.is_empty(), "in a policy, and never called: {idle:?}");
    let absent: Vec<_> = excused.difference(&allowed).collect();
    assert!(absent.is_empty(), "excused, and in no policy: {absent:?}");
}

#[test]
fn every_document_is_well_formed_and_explained() {
    let readme = std::fs::read_to_string(root().join("deploy/iam/README.md")).unwrap();
    let mut ids = BTreeSet::new();
    for (name, document) in documents() {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not explained");
        assert_eq!(document["Version"], "2012-10-17", "{name}");
        for statement in document["Statement"].as_array().unwrap() {
            let object = statement.as_object().unwrap();
            let of_trust = name.starts_with("trust-");
            let subject = if of_trust { "Principal" } else { "Resource" };
            for key in object.keys() {
                let known = ["Sid", "Effect", "Action", "Condition", subject].contains(&key.as_str());
                assert!(known, "{name}: {key}");
            }
            assert!(object.contains_key(subject) && object["Effect"] == "Allow", "{name}");
            assert!(
                !actions(statement).is_empty() && actions(statement).iter().all(|one| !one.contains('*')),
                "{name}"
            );
            assert!(of_trust || ids.insert(object["Sid"].to_string()), "{name}: a Sid comes twice");
            let enters = actions(statement).iter().any(|one| one == "sts:AssumeRole");
            assert!(!enters || tags_pass(&document), "{name}: the tags of Pod Identity are refused");
        }
    }
}
