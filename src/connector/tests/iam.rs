//! Rows of IAM, to the letter.

use super::*;
use crate::aws::Tag;
use crate::aws::iam::{
    AccessKey, AttachedPolicy, Group as IamGroup, KeyUse, LoginProfile, Policy, Role, User as IamUser,
};
use crate::aws::sso_admin::CustomerPolicy;
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::non_human_identity_trait::NhiType;
use crate::baton::v2::status::ResourceStatus;
use crate::baton::v2::{NonHumanIdentityTrait, ResourceId, SecretTrait, UserTrait, user_trait};

use crate::connector::access_key::LastUse;
use crate::connector::account_iam::Below;
use crate::connector::iam_user::{About, Activity, Console, KeyActivity};

const ADA: &str = "arn:aws:iam::123456789012:user/team/ada@example.com";
const ADMINS: &str = "arn:aws:iam::123456789012:group/admins";
const DEPLOY: &str = "arn:aws:iam::123456789012:role/ci/deploy";
const READER: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn ada() -> IamUser {
    IamUser {
        arn: ADA.into(),
        id: "AIDA1".into(),
        name: "ada@example.com".into(),
        path: "/team/".into(),
        password_last_used: None,
    }
}

fn admins() -> IamGroup {
    IamGroup { arn: ADMINS.into(), id: "AGPA1".into(), name: "admins".into(), path: "/".into() }
}

fn deploy(trust: Option<&str>) -> Role {
    Role {
        arn: DEPLOY.into(),
        id: "AROA1".into(),
        name: "deploy".into(),
        path: "/ci/".into(),
        description: Some("Deploys".into()),
        max_session_seconds: Some(7200),
        trust: trust.map(str::to_owned),
    }
}

fn reader() -> Policy {
    Policy { arn: READER.into(), name: "ReadOnlyAccess".into(), default_version: "v7".into() }
}

fn account() -> Account {
    Account {
        id: ACCOUNT.parse().unwrap(),
        arn: Some("arn:aws:organizations::1:account/o/123456789012".into()),
        name: Some("Shop".into()),
        state: AccountState::Active,
        paths: vec![],
    }
}

fn member() -> ResourceId {
    account_iam::parent(&ACCOUNT.parse().unwrap())
}

fn number(resource: &Resource, key: &str) -> Option<f64> {
    match resource.profile.as_ref()?.fields.get(key)?.kind {
        Some(ValueKind::NumberValue(number)) => Some(number),
        _ => None,
    }
}

fn children(resource: &Resource) -> Vec<String> {
    let children = resource.annotations.iter().filter(|any| any.type_url.ends_with("ChildResourceType"));
    children.map(|any| child(std::slice::from_ref(any))).collect()
}

#[test]
fn an_iam_user_is_keyed_by_its_arn_and_its_tags_are_an_object_even_when_empty() {
    let user = iam_user::resource(&ada(), &About::default());
    assert_eq!((user.type_id(), user.object_id()), ("iam_user", ADA));
    assert_eq!((user.display_name.as_str(), &user.parent_resource_id), ("ada@example.com", &None));
    assert_eq!(names(&user.annotations), ["V1Identifier", "ChildResourceType", "UserTrait"]);
    assert_eq!((v1(&user.annotations), child(&user.annotations)), (ADA.into(), "inline_policy".into()));
    let expected = [
        ("aws_account_id", ACCOUNT),
        ("aws_arn", ADA),
        ("aws_path", "/team/"),
        ("aws_user_id", "AIDA1"),
        ("aws_user_type", "iam"),
    ];
    assert_eq!(texts(&user), expected);
    let tags = &user.profile.as_ref().unwrap().fields["aws_tags"];
    assert!(matches!(&tags.kind, Some(ValueKind::StructValue(tags)) if tags.fields.is_empty()));
    let its: UserTrait = any::find(&user.annotations).unwrap();
    assert_eq!(its.account_type(), user_trait::AccountType::Human);
    assert_eq!(its.status.unwrap().status(), user_trait::status::Status::Enabled);
    assert_eq!((its.last_login, its.created_at), (None, None));
    assert_eq!(its.login, "ada@example.com");
    assert_eq!(
        iam_user::resource(&ada(), &About { parent: Some(member()), ..About::default() }).parent_resource_id,
        Some(member())
    );
}

#[test]
fn only_a_tag_called_email_is_an_address_and_only_the_first_address_is_primary() {
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let tags = [
        tag("email", "ADA@example.com"),
        tag("email", "ada@work.example"),
        tag("Email", "x@y"),
        tag("a", "b"),
    ];
    let about = About { tags: &tags, addresses_in_tags: true, ..About::default() };
    let user = iam_user::resource(&ada(), &about);
    let its: UserTrait = any::find(&user.annotations).unwrap();
    let emails: Vec<_> = its.emails.iter().map(|email| (email.address.as_str(), email.is_primary)).collect();
    assert_eq!(emails, [("ada@example.com", true), ("ada@work.example", false)]);
    // Tags that are only shown say nothing about addresses.
    let user = iam_user::resource(&ada(), &About { addresses_in_tags: false, ..about });
    let its: UserTrait = any::find(&user.annotations).unwrap();
    assert_eq!(its.emails.len(), 1);
}

#[test]
fn a_user_is_named_with_its_account_where_there_are_users_of_several() {
    let name = |about: About<'_>| iam_user::resource(&ada(), &about).display_name;
    let of_several = About { names_account: true, ..About::default() };
    for (account_name, expected) in [
        (Some("Shop"), "ada@example.com (Shop)"),
        (None, "ada@example.com (123456789012)"),
        (Some(""), "ada@example.com (123456789012)"),
    ] {
        assert_eq!(name(About { account_name, ..of_several.clone() }), expected);
        assert_eq!(name(About { account_name, parent: Some(member()), ..of_several.clone() }), expected);
        assert_eq!(name(About { account_name, ..About::default() }), "ada@example.com");
    }
    let user = iam_user::resource(&ada(), &About { account_name: Some("Shop"), ..About::default() });
    assert!(texts(&user).contains(&("aws_account_name", "Shop")));
    let unnamed = iam_user::resource(&ada(), &About { account_name: Some(""), ..About::default() });
    assert!(!unnamed.profile.unwrap().fields.contains_key("aws_account_name"));
    // An ARN that says no account leaves the user without one.
    let odd = IamUser { arn: "ada".into(), ..ada() };
    let odd = iam_user::resource(&odd, &of_several);
    assert_eq!(odd.display_name, "ada@example.com");
    assert!(!odd.profile.unwrap().fields.contains_key("aws_account_id"));
}

#[test]
fn a_last_login_is_only_told_where_the_use_of_keys_is_known() {
    let (early, late) = ("2026-01-02T03:04:05.7Z".parse().unwrap(), "2026-02-03T04:05:06Z".parse().unwrap());
    let about = |password, keys| About { activity: Some(Activity { password, keys }), ..About::default() };
    let known = KeyActivity::Known;
    for (password, keys, last_login, told) in [
        (Some(early), known(Some(late)), Some(late), "available 2026-01-02T03:04:05Z 2026-02-03T04:05:06Z"),
        (Some(late), known(Some(early)), Some(late), "available 2026-02-03T04:05:06Z 2026-01-02T03:04:05Z"),
        (Some(early), known(None), Some(early), "available 2026-01-02T03:04:05Z -"),
        (None, known(Some(late)), Some(late), "available - 2026-02-03T04:05:06Z"),
        (None, known(None), None, "available - -"),
        (Some(early), KeyActivity::Unavailable, None, "unavailable 2026-01-02T03:04:05Z -"),
        (None, KeyActivity::Unavailable, None, "unavailable - -"),
    ] {
        let user = iam_user::resource(&ada(), &about(password, keys));
        let its: UserTrait = any::find(&user.annotations).unwrap();
        assert_eq!(its.last_login, last_login.map(to_proto_timestamp), "{told}");
        let texts: std::collections::BTreeMap<_, _> = texts(&user).into_iter().collect();
        let text = |key| texts.get(key).copied().unwrap_or("-");
        let keys =
            [text("access_key_activity_status"), text("password_last_used"), text("access_key_last_used")];
        assert_eq!(keys.join(" "), told);
    }
    let made = iam_user::resource(&ada(), &About::default());
    assert!(texts(&made).iter().all(|(key, _)| !key.contains("last_used") && !key.contains("status")));
}

#[test]
fn console_access_is_told_by_four_fields_and_never_guessed() {
    let fields = |console| {
        let user = iam_user::resource(&ada(), &About { console: Some(console), ..About::default() });
        let fields = user.profile.unwrap().fields;
        [
            "console_access_status",
            "console_access_enabled",
            "password_reset_required",
            "login_profile_created_at",
        ]
        .map(|key| fields.get(key).and_then(|value| value.kind.clone()))
    };
    let text = |text: &str| Some(ValueKind::StringValue(text.to_owned()));
    let truth = |value| Some(ValueKind::BoolValue(value));
    let created = Some("2025-01-02T03:04:05Z".parse().unwrap());
    let login = Console::Enabled(LoginProfile { created, reset_required: true });
    assert_eq!(fields(login), [text("enabled"), truth(true), truth(true), text("2025-01-02T03:04:05Z")]);
    let undated = Console::Enabled(LoginProfile { created: None, reset_required: false });
    assert_eq!(fields(undated), [text("enabled"), truth(true), truth(false), None]);
    assert_eq!(fields(Console::Disabled), [text("disabled"), truth(false), truth(false), None]);
    assert_eq!(fields(Console::Unavailable), [text("unavailable"), None, None, None]);
}

#[test]
fn an_iam_group_and_its_membership_have_the_ids_that_reviews_are_keyed_by() {
    let group = group::resource(&admins(), Some(member()));
    assert_eq!((group.type_id(), group.object_id()), ("group", ADMINS));
    assert_eq!(group.parent_resource_id, Some(member()));
    assert_eq!(names(&group.annotations), ["V1Identifier", "ChildResourceType", "GroupTrait"]);
    let expected = [
        ("aws_arn", ADMINS),
        ("aws_group_id", "AGPA1"),
        ("aws_group_name", "admins"),
        ("aws_group_type", "iam"),
        ("aws_path", "/"),
    ];
    assert_eq!(texts(&group), expected);

    let entitlement = group::entitlement(&group);
    assert_eq!(entitlement.id, format!("group:{ADMINS}:member"));
    assert_eq!(entitlement.slug, "member");
    assert_eq!(entitlement.display_name, "admins Group Member");
    assert_eq!(entitlement.description, "Is member of the admins IAM group in AWS");
    assert_eq!(types(&entitlement.grantable_to), ["iam_user"]);
    assert_eq!(v1(&entitlement.annotations), format!("membership:{ADMINS}"));

    let grant = group::member_grant(&group, ADA);
    assert_eq!(grant.id, format!("group:{ADMINS}:member:iam_user:{ADA}"));
    assert_eq!(v1(&grant.annotations), format!("grant:membership:{ADMINS}:{ADA}"));
    assert_eq!(grant.principal, Some(resource::reference("iam_user", ADA)));
    let held = grant.entitlement.unwrap();
    let bare = Entitlement { id: entitlement.id, resource: Some(group), ..Entitlement::default() };
    assert_eq!(held, bare);
}

#[test]
fn a_role_says_how_long_a_session_lasts_only_when_aws_does() {
    let role = role::resource(&deploy(None), &[], None);
    assert_eq!((role.type_id(), role.object_id(), role.display_name.as_str()), ("role", DEPLOY, "deploy"));
    let annotations = ["V1Identifier", "ChildResourceType", "NonHumanIdentityTrait", "RoleTrait"];
    assert_eq!(names(&role.annotations), annotations);
    let expected = [
        ("aws_arn", DEPLOY),
        ("aws_path", "/ci/"),
        ("aws_role_description", "Deploys"),
        ("aws_role_name", "deploy"),
    ];
    assert_eq!(texts(&role), expected);
    assert_eq!(number(&role, "aws_max_session_duration_seconds"), Some(7200.0));
    let silent = Role { max_session_seconds: None, description: None, ..deploy(None) };
    let silent = role::resource(&silent, &[], None);
    assert_eq!(number(&silent, "aws_max_session_duration_seconds"), None);
    assert!(texts(&silent).contains(&("aws_role_description", "")));

    let entitlement = role::entitlement(&role);
    assert_eq!(entitlement.id, format!("role:{DEPLOY}:assignment"));
    assert_eq!(entitlement.slug, "assignment");
    assert_eq!(entitlement.display_name, "deploy Role");
    assert_eq!(entitlement.description, "Can assume the deploy role in AWS");
    assert_eq!(types(&entitlement.grantable_to), ["iam_user", "role", "group", "sso_user"]);
    assert_eq!(v1(&entitlement.annotations), format!("membership:{DEPLOY}"));
}

/// A statement that lets `principal` (JSON) assume the role.
fn trusting(principal: &str) -> String {
    format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal},
            "Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}]}}"#
    )
}

#[test]
fn a_role_is_classified_by_whom_it_trusts() {
    let of = |trust: Option<&str>, path: &str| {
        let role = Role { path: path.into(), ..deploy(trust) };
        let its: NonHumanIdentityTrait = any::find(&role::resource(&role, &[], None).annotations).unwrap();
        (its.nhi_type(), its.nhi_detail)
    };
    let linked = of(Some(&trusting(r#"{"Service":"ec2.amazonaws.com"}"#)), "/aws-service-role/x/");
    assert_eq!(linked, (NhiType::ManagedIdentity, "aws.service_linked_role".into()));
    for (principal, detail) in [
        (r#"{"Service":["lambda.amazonaws.com","EC2-Fleet.amazonaws.com"]}"#, "aws.role.ec2_fleet"),
        (r#"{"Service":"ec2.amazonaws.com","AWS":"arn:aws:iam::999999999999:root"}"#, "aws.role.ec2"),
        (
            r#"{"Federated":["x","arn:aws:iam::1:saml-provider/a","arn:aws:iam::1:oidc-provider/b"]}"#,
            "aws.role.saml",
        ),
        (r#"{"Federated":"arn:aws:iam::1:oidc-provider/b"}"#, "aws.role.oidc"),
        (r#"{"Federated":"cognito-identity.amazonaws.com"}"#, "aws.role.federated"),
        (r#"{"AWS":"arn:aws:iam::999999999999:root"}"#, "aws.role.cross_account"),
        (r#"{"AWS":"arn:aws:iam::123456789012:root"}"#, "aws.role"),
        (r#"{"AWS":["999999999999","*","AIDAX"]}"#, "aws.role"),
        (r#""*""#, "aws.role"),
        // names of nothing
        (r#"{"Service":[".amazonaws.com",""]}"#, "aws.role"),
        (r#"{"Service":["",".x","lambda.amazonaws.com"]}"#, "aws.role.lambda"),
        (r#"{"Federated":""}"#, "aws.role.federated"),
        (r#"{"AWS":["","arn:aws:iam:::role/x"]}"#, "aws.role"),
    ] {
        assert_eq!(
            of(Some(&trusting(principal)), "/"),
            (NhiType::AssumableRole, detail.into()),
            "{principal}"
        );
    }
    for unreadable in [None, Some(""), Some("{}"), Some("[]"), Some(r#"{"Statement":1}"#)] {
        assert_eq!(of(unreadable, "/").1, "aws.role", "{unreadable:?}");
    }
    let web = r#"{"Statement":{"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity"],
                  "Principal":{"Federated":"arn:aws:iam::1:oidc-provider/b"}}}"#;
    assert_eq!(of(Some(web), "/").1, "aws.role.oidc");
    for action in ["sts:*", "*", "STS:assumerolewithsaml", "sts:AssumeRoleWith*"] {
        let any_way = trusting(r#"{"Service":"ec2.amazonaws.com"}"#).replace("sts:AssumeRole", action);
        assert_eq!(of(Some(&any_way), "/").1, "aws.role.ec2", "{action}");
    }
}

fn trust_grants(trust: Option<&str>) -> Vec<Grant> {
    let role = deploy(trust);
    role::trust_grants(&role::resource(&role, &[], None), &role::trust(&role).unwrap())
}

fn assumers(trust: &str) -> Vec<(String, String)> {
    let grants = trust_grants(Some(trust));
    let principal = |grant: Grant| {
        let principal = grant.principal.unwrap();
        (principal.type_id().to_owned(), principal.object_id().to_owned())
    };
    grants.into_iter().map(principal).collect()
}

#[test]
fn who_may_assume_a_role_follows_the_rules_that_reviews_have_always_seen() {
    let user = |arn: &str| vec![("iam_user".to_owned(), arn.to_owned())];
    let role = |arn: &str| vec![("role".to_owned(), arn.to_owned())];
    let (u, r) = ("arn:aws:iam::999999999999:user/a/b", "arn:aws-cn:iam::999999999999:role/p/q");
    assert_eq!(assumers(&trusting(&format!(r#"{{"AWS":"{u}"}}"#))), user(u), "any account, path and all");
    assert_eq!(assumers(&trusting(&format!(r#"{{"AWS":["{r}","",""]}}"#))), role(r), "any partition");
    let twice = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":["x","sts:AssumeRole"],"Principal":{{"AWS":"{u}"}}}},
            {{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":["{u}"]}}}}]}}"#
    );
    assert_eq!(assumers(&twice), user(u), "each once");
    for nobody in [
        trusting(r#"{"AWS":"arn:aws:iam::999999999999:root"}"#),
        trusting(r#"{"AWS":["999999999999","*","AIDAEXAMPLE","arn:aws:sts::1:assumed-role/x/y"]}"#),
        trusting(r#"{"Service":"ec2.amazonaws.com","Federated":"f","CanonicalUser":"c"}"#),
        trusting(r#""*""#),
        format!(
            r#"{{"Statement":{{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{{"AWS":"{u}"}}}}}}"#
        ),
        format!(
            r#"{{"Statement":{{"Effect":"allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{u}"}}}}}}"#
        ),
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRoleWithSAML","Principal":{{"AWS":"{u}"}}}}}}"#
        ),
        format!(r#"{{"Statement":{{"Effect":"Allow","NotAction":"sts:*","Principal":{{"AWS":"{u}"}}}}}}"#),
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","NotPrincipal":{{"AWS":"{u}"}}}}}}"#
        ),
    ] {
        assert_eq!(assumers(&nobody), [], "{nobody}");
    }
    let deep = format!(r#"{{"Statement":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for broken in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"Statement":1}"#,
        r#"{"Statement":[1]}"#,
        &deep,
        &trusting(r#"{"AWS":{"a":1}}"#),
        &trusting(&format!(r#"["{u}",null,null]"#)),
        &format!(r#"{{"Statement":["Allow","sts:AssumeRole",{{"AWS":"{u}"}}]}}"#),
        &format!(r#"[[["Allow","sts:AssumeRole",["{u}",null,null]]]]"#),
        &trusting(&format!(r#"{{"AWS":"{u}","AWS":"{r}"}}"#)),
    ] {
        let start: String = broken.chars().take(60).collect();
        assert!(role::trust(&deploy(Some(broken))).is_err(), "{start}");
    }
    assert!(trust_grants(None).is_empty());
}

#[test]
fn whoever_may_assume_a_role_by_another_spelling_is_shown_too() {
    let u = "arn:aws:iam::999999999999:user/a/b";
    let user = [("iam_user".to_owned(), u.to_owned())];
    for action in [
        r#""Action":"STS:AssumeRole""#,
        r#""Action":"sts:assumerole""#,
        r#""Action":["sts:TagSession","sts:Assume*"]"#,
        r#""Action":"sts:*""#,
        r#""Action":"*""#,
        r#""Action":"sts:AssumeRol?""#,
        r#""NotAction":["iam:*","sts:TagSession"]"#,
        r#""action":"sts:AssumeRole""#,
    ] {
        let document =
            format!(r#"{{"statement":{{"EFFECT":"Allow",{action},"principal":{{"AWS":"{u}"}}}}}}"#);
        assert_eq!(assumers(&document), user, "{action}");
    }
    let beside = trusting(&format!(r#"{{"Service":"ec2.amazonaws.com","AWS":"{u}","Federated":"f"}}"#));
    assert_eq!(assumers(&beside), user);
    let number = trusting(&format!(r#"{{"AWS":[222222222222,"{u}"]}}"#));
    assert_eq!(assumers(&number), user, "an account id may stand without quotation marks");
}

#[test]
fn whoever_may_assume_a_role_and_cannot_be_shown_is_said_not_to_be() {
    let unshown = |statement: &str| {
        let trust = role::Trust::parse(&format!(r#"{{"Statement":[{statement}]}}"#)).unwrap();
        trust.unshown().collect::<Vec<_>>()
    };
    let ways = r#""Action":"sts:AssumeRole""#;
    let named = r#"{"AWS":"arn:aws:iam::999999999999:user/a"}"#;
    for (statement, why) in [
        (format!(r#"{{"Effect":"Allow",{ways},"NotPrincipal":{named}}}"#), role::Unshown::AllBut),
        (format!(r#"{{"Effect":"allow",{ways},"Principal":{named}}}"#), role::Unshown::UnknownEffect),
        (format!(r#"{{"Effect":"Allow",{ways},"Principal":"x"}}"#), role::Unshown::UnknownPrincipal),
        (format!(r#"{{"Effect":"Allow",{ways}}}"#), role::Unshown::UnknownPrincipal),
    ] {
        assert_eq!(unshown(&statement), [why], "{statement}");
    }
    for statement in [
        format!(r#"{{"Effect":"Deny",{ways},"NotPrincipal":{named}}}"#),
        format!(r#"{{"Effect":"Allow","Action":"sts:TagSession","NotPrincipal":{named}}}"#),
        format!(r#"{{"Effect":"Allow",{ways},"Principal":"*"}}"#),
        format!(r#"{{"Effect":"Allow",{ways},"Principal":{{"AWS":"999999999999"}}}}"#),
    ] {
        assert_eq!(unshown(&statement), [], "{statement}");
    }
}

#[test]
fn whoever_may_assume_a_trusted_role_may_go_on_from_there() {
    let trusted = "arn:aws:iam::999999999999:role/p/q";
    let grants = trust_grants(Some(&trusting(&format!(r#"{{"AWS":["{trusted}","{ADA}"]}}"#))));
    assert_eq!(grants[0].id, format!("role:{DEPLOY}:assignment:role:{trusted}"));
    let through: GrantExpandable = any::find(&grants[0].annotations).unwrap();
    assert_eq!(through.entitlement_ids, [format!("role:{trusted}:assignment")]);
    assert!(!through.shallow && through.resource_type_ids.is_empty());
    assert_eq!(grants[1].id, format!("role:{DEPLOY}:assignment:iam_user:{ADA}"));
    assert!(grants[1].annotations.is_empty());
}

#[test]
fn a_managed_policy_has_its_document_and_no_legacy_id() {
    let policy = iam_policy::resource(&reader(), None, Some("{\"a\":\"b+c\"}"), None);
    assert_eq!((policy.type_id(), policy.object_id()), ("iam_policy", READER));
    assert_eq!((policy.display_name.as_str(), policy.description.as_str()), ("ReadOnlyAccess", ""));
    assert_eq!(names(&policy.annotations), ["SkipGrants", "RoleTrait"]);
    let expected = [
        ("aws_policy_arn", READER),
        ("aws_policy_name", "ReadOnlyAccess"),
        ("policy_document", "{\"a\":\"b+c\"}"),
    ];
    assert_eq!(texts(&policy), expected);
    for without in [None, Some("")] {
        assert_eq!(texts(&iam_policy::resource(&reader(), None, without, None)).len(), 2);
    }
    let entitlement = iam_policy::entitlement(&policy);
    assert_eq!(entitlement.id, format!("iam_policy:{READER}:attached"));
    assert_eq!(entitlement.slug, "attached");
    assert_eq!(entitlement.display_name, "ReadOnlyAccess Managed Policy");
    assert_eq!(entitlement.description, "Has the ReadOnlyAccess managed policy in AWS");
    let holders = ["iam_user", "role", "group", "permission_set", "permission_set_assignment"];
    assert_eq!(types(&entitlement.grantable_to), holders);
    assert!(entitlement.annotations.is_empty());
}

#[test]
fn an_attached_policy_reaches_whoever_inherits_from_its_holder() {
    let attached = AttachedPolicy { arn: READER.into(), name: "ReadOnlyAccess".into() };
    let binding = format!("{SET}-{ACCOUNT}");
    for (holder, kind, id, through) in [
        (Holder::user(ADA), "iam_user", ADA, None),
        (Holder::group(ADMINS), "group", ADMINS, Some(("member", true))),
        (Holder::role(DEPLOY), "role", DEPLOY, Some(("assignment", false))),
        (Holder::permission_set(SET), "permission_set", SET, None),
        (Holder::binding(&binding), "permission_set_assignment", &binding, Some(("assigned", false))),
    ] {
        let grant = iam_policy::grant(&attached, &holder);
        assert_eq!(grant.id, format!("iam_policy:{READER}:attached:{kind}:{id}"));
        assert_eq!(grant.principal, Some(resource::reference(kind, id)));
        let expandable: Option<GrantExpandable> = any::find(&grant.annotations);
        let expected = through.map(|(slug, shallow)| GrantExpandable {
            entitlement_ids: vec![format!("{kind}:{id}:{slug}")],
            shallow,
            ..GrantExpandable::default()
        });
        assert_eq!(expandable, expected, "{kind}");
        let stub = grant.entitlement.unwrap().resource.unwrap();
        assert_eq!(stub, resource::named("iam_policy", READER, "ReadOnlyAccess"));

        let inline = inline_policy::resource(&holder, "extra", Some("{}"));
        let grant = inline_policy::grant(&inline, &holder);
        assert_eq!(grant.id, format!("inline_policy:{id}::inline::extra:attached:{kind}:{id}"));
        assert_eq!(any::find::<GrantExpandable>(&grant.annotations), expected, "{kind}");
    }
}

#[test]
fn an_inline_policy_belongs_to_its_holder_and_to_nobody_else() {
    let policy = inline_policy::resource(&Holder::role(DEPLOY), "deploy-all", Some("{}"));
    assert_eq!(
        (policy.type_id(), policy.object_id()),
        ("inline_policy", &*format!("{DEPLOY}::inline::deploy-all"))
    );
    assert_eq!(policy.parent_resource_id, Some(resource::id("role", DEPLOY)));
    assert_eq!(policy.description, format!("Inline policy deploy-all attached to role IAM {DEPLOY}"));
    assert_eq!(names(&policy.annotations), ["RoleTrait"]);
    let expected = [("aws_parent_arn", DEPLOY), ("aws_policy_name", "deploy-all"), ("policy_document", "{}")];
    assert_eq!(texts(&policy), expected);
    let entitlement = inline_policy::entitlement(&policy);
    assert_eq!(entitlement.id, format!("inline_policy:{DEPLOY}::inline::deploy-all:attached"));
    assert_eq!(entitlement.display_name, "deploy-all Inline Policy");
    assert_eq!(entitlement.description, "Has the deploy-all inline policy in AWS");
    assert_eq!(types(&entitlement.grantable_to), ["role"]);
    let of_set =
        inline_policy::resource(&Holder::permission_set(SET), inline_policy::OF_PERMISSION_SET, None);
    assert_eq!(of_set.object_id(), format!("{SET}::inline::inline"));
    assert_eq!(of_set.description, format!("Inline policy attached to permission set {SET}"));
    assert_eq!(types(&inline_policy::entitlement(&of_set).grantable_to), ["permission_set"]);
}

#[test]
fn an_access_key_belongs_to_a_user_that_has_a_row() {
    let created = "2025-01-02T03:04:05Z".parse().unwrap();
    let key = AccessKey { id: "AKIA1".into(), created: Some(created), status: "Active".into() };
    let never = LastUse::Known(None);
    let resource = access_key::resource(&key, ADA, &ada().name, &never, None);
    assert_eq!((resource.type_id(), resource.object_id()), ("access-key", "AKIA1"));
    assert_eq!(resource.display_name, "ada@example.com|AKIA1");
    assert_eq!(resource.parent_resource_id, None);
    assert_eq!(
        access_key::resource(&key, ADA, &ada().name, &never, Some(member())).parent_resource_id,
        Some(member())
    );
    assert_eq!(resource.created_at, Some(to_proto_timestamp(created)));
    assert_eq!(names(&resource.annotations), ["V1Identifier", "SecretTrait"]);
    assert_eq!(v1(&resource.annotations), ADA);
    let secret: SecretTrait = any::find(&resource.annotations).unwrap();
    let owner = iam_user::resource(&ada(), &About::default()).id;
    assert_eq!((&secret.identity_id, &secret.created_by_id), (&owner, &owner));
    assert_eq!((secret.credential_detail.as_str(), secret.last_used_at), ("aws.access_key", None));
    assert_eq!(secret.credential_type(), crate::baton::v2::secret_trait::CredentialType::StaticSecret);
}

#[test]
fn an_access_key_tells_its_status_in_the_word_of_aws_and_where_it_was_last_used() {
    let key = |status: &str| AccessKey { id: "AKIA1".into(), created: None, status: status.into() };
    for (word, status) in [
        ("Active", ResourceStatus::Enabled),
        ("Inactive", ResourceStatus::Disabled),
        ("Expired", ResourceStatus::Disabled),
    ] {
        let row = access_key::resource(&key(word), ADA, &ada().name, &LastUse::Known(None), None);
        let its = row.status.unwrap();
        assert_eq!((its.status(), its.details.as_str()), (status, word));
    }
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let used = |service: Option<&str>, region: Option<&str>| {
        LastUse::Known(Some(KeyUse { at, service: service.map(Into::into), region: region.map(Into::into) }))
    };
    for (last_use, expected) in [
        (LastUse::Unavailable, vec![("last_used_status", "unavailable")]),
        (LastUse::Known(None), vec![("last_used_status", "available")]),
        (used(None, None), vec![("last_used_status", "available")]),
        (
            used(Some("s3"), Some("eu-west-1")),
            vec![
                ("last_used_region", "eu-west-1"),
                ("last_used_service", "s3"),
                ("last_used_status", "available"),
            ],
        ),
    ] {
        let row = access_key::resource(&key("Active"), ADA, &ada().name, &last_use, None);
        assert_eq!(texts(&row), expected);
        let secret: SecretTrait = any::find(&row.annotations).unwrap();
        assert_eq!(secret.last_used_at.is_some(), last_use.at().is_some());
    }
}

#[test]
fn only_an_account_that_was_entered_has_entities_below_it() {
    let account = account();
    let entered = account_iam::resource(&account, Below::Entities, None);
    assert_eq!(
        (entered.type_id(), entered.object_id(), &*entered.display_name),
        ("account_iam", ACCOUNT, "Shop")
    );
    assert_eq!(children(&entered), ["iam_user", "role", "group", "iam_policy"]);
    assert_eq!(v1(&entered.annotations), ACCOUNT);
    assert_eq!(names(&entered.annotations).last(), Some(&"AppTrait"));
    let with_keys = account_iam::resource(&account, Below::EntitiesAndKeys, None);
    assert_eq!(children(&with_keys), ["iam_user", "role", "group", "iam_policy", "access-key"]);
    let refused = account_iam::resource(&account, Below::Nothing, None);
    assert_eq!(names(&refused.annotations), ["V1Identifier", "AppTrait"]);
    assert_eq!(texts(&refused), texts(&entered));
}

#[test]
fn tags_of_an_account_are_an_object_and_absent_where_nobody_asks_for_them() {
    let fact = account();
    let tags = [
        Tag { key: "Owner".into(), value: "Team \"A\" 日本 + <b>".into() },
        Tag { key: "aws:cloudformation:stack-name".into(), value: String::new() },
    ];
    let of = |tags: Option<&[Tag]>| {
        [account::resource(&fact, None, tags), account_iam::resource(&fact, Below::Entities, tags)]
            .map(|row| row.profile.unwrap().fields.get("aws_tags").and_then(|value| value.kind.clone()))
    };
    assert_eq!(of(None), [None, None]);
    for row in of(Some(&[])) {
        assert!(matches!(row, Some(ValueKind::StructValue(tags)) if tags.fields.is_empty()));
    }
    for row in of(Some(&tags)) {
        let Some(ValueKind::StructValue(its)) = row else { panic!("no object") };
        let text = |key: &str| its.fields[key].kind.clone();
        assert_eq!(text("Owner"), Some(ValueKind::StringValue(tags[0].value.clone())));
        assert_eq!(text("aws:cloudformation:stack-name"), Some(ValueKind::StringValue(String::new())));
    }
}

#[test]
fn a_reference_to_a_customer_policy_is_a_policy_of_the_account_in_the_partition_of_the_set() {
    let reference = CustomerPolicy { path: "/team/".into(), name: "Boundary".into() };
    for (set, region, partition) in [
        ("arn:aws:sso:::permissionSet/ssoins-1/ps-1", "eu-west-1", "aws"),
        ("arn:aws-cn:sso:::permissionSet/ssoins-1/ps-1", "cn-north-1", "aws-cn"),
        ("arn:aws-us-gov:sso:::permissionSet/ssoins-1/ps-1", "us-gov-west-1", "aws-us-gov"),
        ("arn:aws:sso:::permissionSet/ssoins-1/ps-1", "cn-north-1", "aws"),
        ("ps-1", "cn-north-1", "aws-cn"),
        ("arn::sso:::permissionSet/ssoins-1/ps-1", "us-gov-west-1", "aws-us-gov"),
        ("ps-1", "eu-west-1", "aws"),
    ] {
        let described = PermissionSet { arn: set.into(), name: "Admin".into(), description: None };
        let policy = permission_set_assignment::customer_policy(ACCOUNT, &described, region, &reference);
        assert_eq!(policy.arn, format!("arn:{partition}:iam::123456789012:policy/team/Boundary"), "{set}");
        assert_eq!(policy.name, "Boundary");
    }
}
