//! What is made while a sync reads the organization: it has its rows, or it is not in the file at all.

use batond::sync::{Report, SyncError, SyncOptions};
use testbed::aws::{Assignment, Effect, Fault, Fixture, PrincipalType, Server, Shape};
use tokio_util::sync::CancellationToken;

use crate::dump::Dump;
use crate::support::{Work, connector, full_sync};

/// An organization with more pairs than principals.
async fn wide() -> Server {
    let shape = Shape {
        accounts: 12,
        users: 20,
        groups: 5,
        memberships: 30,
        assignments: 90,
        pairs: 80,
        ..Shape::SMALL
    };
    Server::start(Fixture::generate(shape).unwrap()).await.unwrap()
}

/// A sync during which something changes, once a call of the action waits.
async fn sync_while(
    aws: &Server,
    action: &str,
    change: impl AsyncFnOnce(),
) -> (Result<Report, SyncError>, Work) {
    let connector = connector(aws).await;
    let work = Work::new();
    aws.reset_counters();
    aws.arm(Fault::new(action, Effect::Hold));
    let options = SyncOptions::default();
    let changing = async {
        while aws.held() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        change().await;
        aws.disarm();
    };
    let (result, ()) = tokio::join!(work.sync(&connector, &options, CancellationToken::new()), changing);
    (result, work)
}

/// A permission set with an account that it is not provisioned to, and a pair that is provisioned.
fn free_pair(aws: &Server) -> (Assignment, Assignment) {
    let held = aws.assignments();
    let is_free = |account: &str, set: &str| {
        !held.iter().any(|one| one.account == account && one.permission_set == set)
    };
    let found = held.iter().find_map(|one| {
        let other = held.iter().find(|other| is_free(&one.account, &other.permission_set))?;
        Some(Assignment { permission_set: other.permission_set.clone(), ..one.clone() })
    });
    (found.unwrap(), held[0].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_plans_of_reading_assignments_hold_what_is_assigned_while_they_run_whole_or_not_at_all() {
    for per_pair in [false, true] {
        let aws = wide().await;
        if per_pair {
            aws.deny("connector", &["sso:ListAccountAssignmentsForPrincipal"]);
        }
        let (new_pair, known_pair) = free_pair(&aws);
        let member = aws.memberships()[0].user.clone();
        let mut newcomer = String::new();
        let (result, work) = sync_while(&aws, "sso:ListAccountAssignments*", async || {
            // A set that was on no such account, for a user who has been there all the time.
            assert!(aws.assign(Assignment {
                principal_type: PrincipalType::User,
                principal_id: member.clone(),
                ..new_pair.clone()
            }));
            // A new group with a member, and a new user.
            let group = aws.add_group("Made meanwhile");
            assert!(aws.add_member(&group, &member));
            assert!(aws.assign(Assignment {
                principal_type: PrincipalType::Group,
                principal_id: group,
                ..known_pair.clone()
            }));
            newcomer = aws.add_user("newcomer");
            assert!(aws.assign(Assignment {
                principal_type: PrincipalType::User,
                principal_id: newcomer.clone(),
                ..known_pair.clone()
            }));
        })
        .await;
        let report = result.unwrap();
        assert!(report.incomplete.is_empty(), "{per_pair}: {:?}", report.incomplete);
        assert_eq!(report.orphans, 0, "{per_pair}");
        let rows = Dump::read(&work.file());
        assert!(rows.named("sso_group", "Made meanwhile").id.is_some());
        let binding = format!("permission_set_assignment:{}-{}", new_pair.permission_set, new_pair.account);
        // Where pairs are asked, nothing names one that was not provisioned yet when they were listed.
        assert_eq!(rows.resources.contains_key(&binding), !per_pair, "{binding}");

        full_sync(&aws, &work).await.unwrap();
        let mut calm = Dump::read(&work.file());
        if per_pair {
            // Such a pair is in no row at all.
            let of_binding = format!("{}-{}", new_pair.permission_set, new_pair.account);
            let of_account = format!("{}|{}", new_pair.account, new_pair.permission_set);
            let is_old = |id: &str| !id.contains(&of_binding);
            let is_old_grant = |id: &str| is_old(id) && !id.contains(&of_account);
            assert!(rows.resources.keys().chain(rows.entitlements.keys()).all(|id| is_old(id)));
            assert!(rows.grants.keys().all(|id| is_old_grant(id)));
            calm.resources.retain(|id, _| is_old(id));
            calm.entitlements.retain(|id, _| is_old(id));
            // Nor does anybody have anything through it.
            calm.grants.retain(|id, grant| {
                let Some(sources) = &mut grant.sources else { return is_old_grant(id) };
                sources.sources.retain(|source, _| is_old_grant(source));
                is_old_grant(id) && !sources.sources.is_empty()
            });
        } else {
            // Nobody is asked for who was not listed: such a user is in no row at all.
            let is_old = |id: &String| !id.contains(&newcomer);
            assert!(rows.resources.keys().all(is_old) && rows.grants.keys().all(is_old));
            calm.resources.retain(|id, _| is_old(id));
            calm.grants.retain(|id, _| is_old(id));
        }
        assert_eq!(rows.resources, calm.resources, "{per_pair}");
        assert_eq!(rows.entitlements, calm.entitlements, "{per_pair}");
        assert_eq!(rows.grants, calm.grants, "{per_pair}");
    }
}

#[tokio::test]
async fn an_account_that_no_listing_named_makes_the_sync_incomplete_by_name() {
    let aws = wide().await;
    let (_, known) = free_pair(&aws);
    let user = aws.memberships()[0].user.clone();
    aws.assign(Assignment {
        account: "999999999999".into(),
        principal_type: PrincipalType::User,
        principal_id: user,
        ..known
    });
    let work = Work::new();
    let report = full_sync(&aws, &work).await.unwrap();
    let [only] = report.incomplete.as_slice() else { panic!("{:?}", report.incomplete) };
    assert!(only.scope.contains("999999999999") && only.reason.contains("appeared"), "{only:?}");
}

#[tokio::test]
async fn a_member_of_a_group_who_was_not_listed_is_looked_up() {
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let group = aws.group_id("Engineers").unwrap();
    let (result, work) = sync_while(&aws, "identitystore:ListGroupMemberships", async || {
        while aws.counters().calls("identitystore:ListUsers") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let user = aws.add_user("newcomer");
        assert!(aws.add_member(&group, &user));
    })
    .await;
    result.unwrap();
    let rows = Dump::read(&work.file());
    assert_eq!(rows.of_type("sso_user").len(), 6 + 1);
    full_sync(&aws, &work).await.unwrap();
    assert!(Dump::read(&work.file()) == rows, "a calm sync has other rows");
}

#[tokio::test]
async fn permission_sets_that_are_provisioned_and_were_not_listed_have_all_their_rows() {
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let mut calm = Dump::read(&work.file());
    let nothing = Effect::Replace { member: "PermissionSets".into(), value: serde_json::json!([]) };
    aws.arm(Fault::once("sso:ListPermissionSets", nothing));
    let report = full_sync(&aws, &work).await.unwrap();
    assert!(report.incomplete.is_empty(), "{:?}", report.incomplete);
    // One set of the example is on no account: nothing names it then.
    let unused = calm.named("permission_set", "Unused").id.clone().unwrap().resource;
    calm.resources.retain(|id, _| !id.contains(&unused));
    calm.entitlements.retain(|id, _| !id.contains(&unused));
    calm.grants.retain(|id, _| !id.contains(&unused));
    let rows = Dump::read(&work.file());
    assert_eq!(rows.resources.keys().collect::<Vec<_>>(), calm.resources.keys().collect::<Vec<_>>());
    assert!(rows == calm, "rows differ");
}

#[tokio::test]
async fn a_principal_that_may_not_be_looked_at_is_said_and_left_out() {
    let aws = Server::start(Fixture::example().unwrap()).await.unwrap();
    let work = Work::new();
    full_sync(&aws, &work).await.unwrap();
    let calm = Dump::read(&work.file());
    aws.deny("connector", &["identitystore:DescribeUser", "identitystore:DescribeGroup"]);
    let report = full_sync(&aws, &work).await.unwrap();
    assert!(Dump::read(&work.file()) == calm, "rows differ");
    assert_eq!(report.orphans, 2);
    for action in ["identitystore:DescribeUser", "identitystore:DescribeGroup"] {
        let told =
            |one: &batond::sync::Incomplete| one.reason.contains(&format!("{action} is denied (1 read)"));
        assert!(report.incomplete.iter().any(told), "{action}: {:?}", report.incomplete);
    }
}
