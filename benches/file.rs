//! Writes and packs a sync of many grants, and says how long it took and how much memory.
//!
//! `cargo bench --bench file -- [GRANTS] [nested]`: grants of users on groups (100000 unless told); with `nested`,
//! every group is a member of one of 25 roles, which expansion gives to the users.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

use std::time::{Duration, Instant};

use batond::baton::v2;
use batond::baton::v2::resource_type::Trait;
use batond::c1z::{Reader, Stage};
use batond::sync::seal::{Contents, SealOptions, Sealed, seal};
use jiff::Timestamp;
use prost::Name;
use prost_types::Any;
use tokio_util::sync::CancellationToken;

const USERS_PER_GROUP: usize = 500;
const ROLES: usize = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    let grants = arguments.iter().find_map(|one| one.parse().ok()).unwrap_or(100_000);
    let nested = arguments.iter().any(|one| one == "nested");

    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let stage = Stage::create(directory.path()).unwrap();
    fill(&stage, grants, nested);
    let staged = begun.elapsed();

    let target = directory.path().join("sync.c1z");
    let begun = Instant::now();
    let sealed = seal(
        stage,
        &SealOptions {
            sync_id: "2QJnYBmHmOYzRkX3DTxmC7gkZ0a".into(),
            started_at: Timestamp::now(),
            contents: Contents::All,
            expand: true,
            targets: None,
        },
        &target,
        &CancellationToken::new(),
    )
    .unwrap();
    let elapsed = begun.elapsed();
    report(&sealed, staged, elapsed);

    let begun = Instant::now();
    let counts = Reader::open(&target, directory.path()).unwrap().counts().unwrap();
    println!("read: {} grants counted in {:.2} s", counts.grants, begun.elapsed().as_secs_f64());
}

fn fill(stage: &Stage, grants: usize, nested: bool) {
    let kinds = [("user", Trait::User), ("group", Trait::Group), ("role", Trait::Role)];
    for (id, kind) in kinds {
        stage.resource_type(&resource_type(id, kind)).unwrap();
    }
    let users = (grants / 20).max(USERS_PER_GROUP);
    for user in 0..users {
        stage.resource(&resource("user", user, &v2::UserTrait::default())).unwrap();
    }
    if nested {
        for role in 0..ROLES {
            let role = resource("role", role, &v2::RoleTrait::default());
            stage.resource(&role).unwrap();
            stage.entitlement(&entitlement(role)).unwrap();
        }
    }
    for group_number in 0..grants.div_ceil(USERS_PER_GROUP) {
        let group = resource("group", group_number, &v2::GroupTrait::default());
        let member = entitlement(group.clone());
        stage.resource(&group).unwrap();
        stage.entitlement(&member).unwrap();
        for at in 0..USERS_PER_GROUP.min(grants - group_number * USERS_PER_GROUP) {
            let user = (group_number * 7919 + at * 31) % users;
            stage.grant(&grant(&member, resource("user", user, &v2::UserTrait::default()))).unwrap();
        }
        if nested {
            let role = resource("role", group_number % ROLES, &v2::RoleTrait::default());
            let expandable = v2::GrantExpandable { entitlement_ids: vec![member.id], ..Default::default() };
            let mut nested = grant(&entitlement(role), group);
            nested.annotations = vec![any(&expandable)];
            stage.grant(&nested).unwrap();
        }
    }
}

fn report(sealed: &Sealed, staged: Duration, elapsed: Duration) {
    let grants: u64 = sealed.types.values().map(|counts| counts.grants).sum();
    println!(
        "write: {grants} grants ({} by expansion) staged in {:.2} s, sealed and packed in {:.2} s, {:.1} MiB",
        sealed.expanded,
        staged.as_secs_f64(),
        elapsed.as_secs_f64(),
        mebibytes(sealed.bytes / 1024)
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("memory: {:.1} MiB at the peak", mebibytes(kibibytes));
}

fn mebibytes(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).unwrap()) / 1024.0
}

fn any<M: Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn resource_type(id: &str, kind: Trait) -> v2::ResourceType {
    v2::ResourceType {
        id: id.into(),
        display_name: id.into(),
        traits: vec![kind as i32],
        ..Default::default()
    }
}

fn resource<M: Name>(kind: &str, number: usize, detail: &M) -> v2::Resource {
    let id = format!("arn:aws:identitystore:us-east-1::d-0123456789/{kind}/{number:012}");
    v2::Resource {
        id: Some(v2::ResourceId { resource_type: kind.into(), resource: id, ..Default::default() }),
        display_name: format!("{kind} {number}"),
        annotations: vec![any(detail)],
        ..Default::default()
    }
}

fn entitlement(resource: v2::Resource) -> v2::Entitlement {
    let id = resource.id.as_ref().unwrap();
    v2::Entitlement {
        id: format!("{}:{}:member", id.resource_type, id.resource),
        display_name: format!("{} member", resource.display_name),
        slug: "member".into(),
        resource: Some(resource),
        ..Default::default()
    }
}

fn grant(entitlement: &v2::Entitlement, principal: v2::Resource) -> v2::Grant {
    let id = principal.id.as_ref().unwrap();
    v2::Grant {
        id: format!("{}:{}:{}", entitlement.id, id.resource_type, id.resource),
        entitlement: Some(v2::Entitlement {
            id: entitlement.id.clone(),
            resource: entitlement.resource.clone(),
            ..Default::default()
        }),
        principal: Some(principal),
        ..Default::default()
    }
}
