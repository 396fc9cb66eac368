//! Which resource types the settings register.

use super::*;

const OWN: [&str; 5] = ["group", "iam_policy", "iam_user", "inline_policy", "role"];
const CENTER: [&str; 7] = [
    "account",
    "organization",
    "organizational_unit",
    "permission_set",
    "permission_set_assignment",
    "sso_group",
    "sso_user",
];

fn ids(settings: &AwsSettings) -> Vec<String> {
    registered(settings).map(|kind| (kind.resource_type)().id).collect()
}

#[test]
fn the_settings_register_the_types_of_their_column() {
    for (organizations, identity_center, cross_account_iam, members, center) in [
        (false, false, false, false, false),
        (true, false, false, true, false),
        (true, false, true, true, false),
        (true, true, false, false, true),
        (true, true, true, true, true),
    ] {
        let settings =
            AwsSettings { organizations, identity_center, cross_account_iam, ..AwsSettings::default() };
        let mut expected = OWN.to_vec();
        expected.extend(members.then_some("account_iam"));
        expected.extend(CENTER.iter().filter(|_| center));
        expected.sort_unstable();
        assert_eq!(ids(&settings), expected, "{settings:?}");
        expected.push("access-key");
        expected.sort_unstable();
        assert_eq!(ids(&AwsSettings { secrets: true, ..settings }), expected);
    }
}

#[test]
fn a_filter_without_policies_leaves_users_and_permission_sets_nothing_to_grant() {
    let skips = |types: &[ResourceType], id: &str| {
        let kind = types.iter().find(|kind| kind.id == id).unwrap();
        names(&kind.annotations).contains(&"SkipEntitlementsAndGrants")
    };
    let with = under_filter(all_resource_types());
    let without =
        under_filter(all_resource_types().into_iter().filter(|kind| kind.id != "iam_policy").collect());
    for id in ["iam_user", "permission_set"] {
        assert!(!skips(&with, id) && skips(&without, id), "{id}");
    }
    assert!(!skips(&without, "role"));
}
