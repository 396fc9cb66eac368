//! Hundreds of changes that are wrong in some way, from a generator with a fixed seed: none reaches AWS.

use batond::baton::resource::{self, ResourceExt as _};
use batond::baton::v2::{Entitlement, Resource};
use batond::connector::ProvisionError;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use super::bench::{ADMIN, Bench, SHOP, Through, provision};
use super::log::Log;

const TASKS: usize = 500;

/// Types of entitlements that can be changed, and of principals; some fit, most do not.
const TYPES: [&str; 9] = [
    "sso_group",
    "account",
    "permission_set_assignment",
    "group",
    "iam_policy",
    "inline_policy",
    "iam_user",
    "role",
    "sso_user",
];

/// Spoils a good id in one of many ways; what comes out is no id of anything.
fn spoil(random: &mut StdRng, id: &str) -> String {
    let cut = (0..=id.len()).filter(|at| id.is_char_boundary(*at)).collect::<Vec<_>>();
    let at = *cut.choose(random).unwrap();
    let (head, tail) = id.split_at(at);
    match random.random_range(0..8) {
        0 => String::new(),
        1 => format!("{id} "),
        2 => format!("{head}\u{0}{tail}"),
        3 => format!("{head}/../{tail}\n"),
        4 => id.replace("arn:", "urn:").replace(['1', '4', '6'], "x"),
        5 => format!("{id}{}", "y".repeat(2000)),
        6 => format!("{id}::inline::"),
        _ => format!("💥{tail}"),
    }
}

#[tokio::test]
async fn five_hundred_malformed_changes_are_refused_for_good_and_write_nothing() {
    let (log, bench) = (Log::capture(), Bench::with_members(|_| {}).await);
    let mut random = StdRng::seed_from_u64(20_261_127);
    let good: Vec<String> = [
        bench.user("bob").object_id(),
        bench.group("Engineers").object_id(),
        bench.access(Through::Account, SHOP, ADMIN).id.as_str(),
        bench.access(Through::Binding, SHOP, ADMIN).resource.unwrap().object_id(),
        "arn:aws:iam::111111111111:group/Admins",
        "arn:aws:iam::111111111111:user/idle",
        "arn:aws:iam::444444444444:role/shop/Pipeline",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "arn:aws:iam::111111111111:user/o,brien+x=1::inline::Own.Inline-1",
        "666666666666",
    ]
    .map(str::to_owned)
    .to_vec();
    bench.aws.reset_counters();
    for number in 0..TASKS {
        let target_type = *TYPES.choose(&mut random).unwrap();
        let principal_type = *TYPES.choose(&mut random).unwrap();
        let (target, principal) = (good.choose(&mut random).unwrap(), good.choose(&mut random).unwrap());
        // One of both is spoilt, or both.
        let spoilt = random.random_range(0..3);
        let target = if spoilt == 0 { target.clone() } else { spoil(&mut random, target) };
        let principal = if spoilt == 1 { principal.clone() } else { spoil(&mut random, principal) };
        let entitlement = Entitlement {
            id: target.clone(),
            resource: Some(resource::reference(target_type, &target)),
            ..Entitlement::default()
        };
        let principal: Resource = resource::reference(principal_type, &principal);
        let task = number.to_string();
        let mut outcomes = vec![
            bench.grant(&task, &entitlement, &principal).await.map(drop),
            bench.revoke(&task, &entitlement, &principal).await.map(drop),
        ];
        if spoilt != 1 {
            let id = resource::id(principal_type, principal.object_id());
            let order = provision(&task, &CancellationToken::new());
            outcomes.push(bench.connector.delete(&id, None, &order).await.map(drop));
        }
        for outcome in outcomes {
            let Err(error) = outcome else { panic!("{number}: {entitlement:?} {principal:?} went through") };
            let refused = matches!(
                error,
                ProvisionError::Invalid(_) | ProvisionError::Unsupported(_) | ProvisionError::Protected(_)
            );
            assert!(refused, "{number}: {entitlement:?} {principal:?}: {error:?}");
            assert!(error.to_string().len() < 1024, "{number}: {error}");
        }
        assert!(log.audit(&task).is_empty(), "{number}");
    }
    assert_eq!(bench.aws.counters().total(), 0, "{:?}", bench.aws.counters().by_action());
}
