//! Roles and regions of one partition, and of two.

use super::*;

const OFF: [(&str, &str); 2] =
    [("BATON_GLOBAL_AWS_ORGS_ENABLED", "false"), ("BATON_GLOBAL_AWS_SSO_ENABLED", "false")];
const CHINA: (&str, &str) = ("BATON_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/baton");
const GOV: (&str, &str) = ("BATON_ROLE_ARN", "arn:aws-us-gov:iam::123456789012:role/baton");
const AWS: (&str, &str) = ("BATON_ROLE_ARN", ROLE);
const EXTERNAL_ID: (&str, &str) = ("BATON_EXTERNAL_ID", "0123456789012345678901234567890123456789");

/// The lines of the faults, without the first that counts them.
fn faults(variables: &[(&str, &str)]) -> Vec<String> {
    resolve(variables)
        .err()
        .map_or_else(Vec::new, |error| error.faults().iter().map(ToString::to_string).collect())
}

fn region(region: &'static str) -> (&'static str, &'static str) {
    ("BATON_GLOBAL_REGION", region)
}

fn center(region: &'static str) -> (&'static str, &'static str) {
    ("BATON_GLOBAL_AWS_SSO_REGION", region)
}

#[test]
fn what_is_of_one_partition_starts_in_every_one() {
    for variables in [
        vec![],
        vec![AWS],
        vec![AWS, region("eu-west-1"), center("ap-southeast-5")],
        vec![region("eu-west-1")],
        vec![CHINA, center("cn-north-1")],
        vec![CHINA, region("cn-northwest-1"), center("cn-north-1")],
        vec![region("cn-north-1"), center("cn-north-1")],
        vec![GOV, region("us-gov-west-1"), center("us-gov-west-1")],
        vec![GOV, center("us-gov-east-1"), ("BATON_USE_ASSUME", "false")],
        // Nothing here says where this is.
        vec![center("cn-north-1")],
        vec![CHINA, OFF[0], OFF[1]],
        vec![CHINA, region("cn-north-1"), OFF[0], OFF[1]],
        vec![AWS, ("BATON_GLOBAL_ROLE_ARN", ROLE), EXTERNAL_ID],
        // The binding role is not assumed.
        vec![CHINA, center("cn-north-1"), ("BATON_GLOBAL_ROLE_ARN", ROLE), ("BATON_USE_ASSUME", "false")],
    ] {
        assert_eq!(faults(&variables), Vec::<String>::new(), "{variables:?}");
    }
}

#[test]
fn what_is_of_two_partitions_is_refused_by_the_variable_with_what_to_do() {
    for (variables, fault) in [
        (
            vec![CHINA],
            "BATON_GLOBAL_AWS_SSO_REGION: us-east-1 is in partition aws, and the role of BATON_ROLE_ARN in aws-cn: name \
             the region of that partition in which Identity Center was enabled",
        ),
        (
            vec![AWS, center("cn-north-1")],
            "BATON_GLOBAL_AWS_SSO_REGION: cn-north-1 is in partition aws-cn, and the role of BATON_ROLE_ARN in aws: name \
             the region of that partition in which Identity Center was enabled",
        ),
        (
            vec![GOV, region("us-gov-west-1")],
            "BATON_GLOBAL_AWS_SSO_REGION: us-east-1 is in partition aws, and the role of BATON_ROLE_ARN in aws-us-gov: \
             name the region of that partition in which Identity Center was enabled",
        ),
        (
            vec![region("cn-north-1")],
            "BATON_GLOBAL_AWS_SSO_REGION: us-east-1 is in partition aws, and the region of BATON_GLOBAL_REGION in \
             aws-cn: name the region of that partition in which Identity Center was enabled",
        ),
        (
            vec![CHINA, region("us-east-1"), center("cn-north-1")],
            "BATON_GLOBAL_REGION: us-east-1 is in partition aws, and the role of BATON_ROLE_ARN in aws-cn: name a region \
             of that partition, or another role",
        ),
        (
            vec![AWS, region("cn-north-1"), ("BATON_USE_ASSUME", "false")],
            "BATON_GLOBAL_REGION: cn-north-1 is in partition aws-cn, and the role of BATON_ROLE_ARN in aws: name a \
             region of that partition, or another role",
        ),
        (
            vec![CHINA, center("cn-north-1"), ("BATON_GLOBAL_ROLE_ARN", ROLE), EXTERNAL_ID],
            "BATON_GLOBAL_ROLE_ARN: the role is in partition aws, and that of BATON_ROLE_ARN in aws-cn: no role of one \
             partition can be assumed from another. Run batond in aws-cn, with credentials of that partition, and \
             unset BATON_GLOBAL_ROLE_ARN or name a role of aws-cn there",
        ),
    ] {
        assert_eq!(faults(&variables), [fault], "{variables:?}");
    }
}

#[test]
fn each_contradiction_is_told_and_in_one_order() {
    let all = [CHINA, ("BATON_GLOBAL_ROLE_ARN", ROLE), EXTERNAL_ID, region("eu-west-1")];
    let names: Vec<_> =
        faults(&all).iter().map(|fault| fault.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(names, ["BATON_GLOBAL_ROLE_ARN", "BATON_GLOBAL_REGION", "BATON_GLOBAL_AWS_SSO_REGION"]);
}

#[test]
fn what_is_malformed_is_told_once_and_compared_with_nothing() {
    assert_eq!(faults(&[CHINA, center("frankfurt")]).len(), 1);
    assert_eq!(faults(&[CHINA, region("frankfurt"), center("cn-north-1")]).len(), 1);
    assert_eq!(faults(&[("BATON_ROLE_ARN", "baton"), region("eu-west-1"), center("us-east-1")]).len(), 1);
}
