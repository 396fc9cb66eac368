//! What is never changed, whoever asks: the connector's own identities, roles that AWS manages, and what the settings
//! protect. It is refused before any call.

use super::iam_entity::Entity;
use super::{Connector, Provision, ProvisionError, group, iam_policy, inline_policy, sso_group};
use crate::aws::Caller;
use crate::aws::iam::EntityKind;
use crate::baton::id::{self, Arn, Directory};
use crate::baton::resource::ResourceExt;
use crate::baton::v2::Resource;
use crate::config::AwsSettings;

impl Connector {
    /// What keeps a change from what must not be changed. Where STS does not say who the process started as, there is
    /// none, and no change.
    pub(super) async fn guard(&self, provision: &Provision) -> Result<Guard<'_>, ProvisionError> {
        let callers = tokio::select! {
            biased;
            () = provision.cancel.cancelled() => return Err(ProvisionError::Cancelled),
            callers = self.aws.callers() => callers,
        };
        let callers = callers.map_err(|error| ProvisionError::GuardBlind {
            what: "STS does not say who this process started as, whom no task may change",
            error,
        })?;
        Ok(Guard { settings: &self.settings, callers, directory: self.directory() })
    }
}

/// What a change is held against.
pub(super) struct Guard<'a> {
    pub(super) settings: &'a AwsSettings,
    /// Whoever the process works as or started as.
    pub(super) callers: Vec<&'a Caller>,
    pub(super) directory: Directory,
}

impl Guard<'_> {
    /// Refuses to give `principal` what `target` is about, or to take it away, where one of them is protected.
    pub(super) fn check(&self, target: &Resource, principal: &Resource) -> Result<(), ProvisionError> {
        self.identity(principal.object_id())?;
        self.held(target.type_id(), target.object_id())
    }

    /// Refuses to change who is in a group, or who has a policy, where that is protected.
    pub(super) fn held(&self, kind: &str, id: &str) -> Result<(), ProvisionError> {
        let has_members = [group::ID, sso_group::ID].contains(&kind);
        if has_members && is_listed(&self.settings.protected_principals, &self.directory, id) {
            return refuse(id, "BATON_PROTECTED_PRINCIPALS lists it");
        }
        let is_policy = [iam_policy::ID, inline_policy::ID].contains(&kind);
        if is_policy && is_listed(&self.settings.protected_policies, &self.directory, id) {
            return refuse(id, "BATON_PROTECTED_POLICIES lists it");
        }
        Ok(())
    }

    /// Refuses to change or delete what this id names, where it is protected. The path of an IAM entity is taken from
    /// the id; [`Entity::verify`] makes sure of it before the change.
    pub(super) fn identity(&self, id: &str) -> Result<(), ProvisionError> {
        if let Some(entity) = Entity::named(id) {
            if is_own(self.settings, &self.callers, &entity) {
                return refuse(id, "the connector itself works as it");
            }
            if entity.kind == EntityKind::Role {
                let name = entity.name.to_ascii_lowercase();
                if entity.path.starts_with("/aws-service-role/") || name.starts_with("awsservicerolefor") {
                    return refuse(id, "a service-linked role is its service's own");
                }
                if entity.path.starts_with("/aws-reserved/") || name.starts_with("awsreservedsso_") {
                    return refuse(id, "Identity Center keeps it: change the permission set");
                }
            }
        }
        if is_listed(&self.settings.protected_principals, &self.directory, id) {
            return refuse(id, "BATON_PROTECTED_PRINCIPALS lists it");
        }
        Ok(())
    }

    /// Whether the settings protect anything that somebody may have.
    pub(super) fn protects_what_is_held(&self) -> bool {
        !self.settings.protected_principals.is_empty() || !self.settings.protected_policies.is_empty()
    }
}

fn refuse(what: &str, why: &str) -> Result<(), ProvisionError> {
    Err(ProvisionError::Protected(format!("{what} is not changed: {why}")))
}

/// Whether the connector works as this entity, or did on its way.
fn is_own(settings: &AwsSettings, callers: &[&Caller], entity: &Entity<'_>) -> bool {
    if callers.iter().any(|caller| is_caller(caller, entity)) {
        return true;
    }
    if entity.kind != EntityKind::Role {
        return false;
    }
    let hops = [&settings.role, &settings.binding_role];
    let on_the_way = hops.into_iter().flatten().any(|role| {
        entity.account.as_str() == role.account() && entity.name.eq_ignore_ascii_case(role.name())
    });
    let of_members = settings.member_role_name.rsplit('/').next();
    let in_a_member = callers.first().is_some_and(|caller| entity.account != caller.account)
        && super::reads_members(settings)
        && of_members.is_some_and(|name| entity.name.eq_ignore_ascii_case(name));
    on_the_way || in_a_member
}

/// Whether a caller is this user, or a session of this role.
fn is_caller(caller: &Caller, entity: &Entity<'_>) -> bool {
    let named = |name: &str| entity.account == caller.account && entity.name.eq_ignore_ascii_case(name);
    if entity.kind != EntityKind::Role {
        let own = Entity::named(&caller.arn);
        return caller.arn.eq_ignore_ascii_case(entity.arn)
            || own.is_some_and(|own| own.kind == entity.kind && named(own.name));
    }
    Arn::parse(&caller.arn)
        .and_then(|arn| arn.resource.strip_prefix("assumed-role/")?.split_once('/'))
        .is_some_and(|(name, _session)| named(name))
}

/// Whether a pattern names this id, or what it is an id of: of a user or group of the directory, only the last part
/// tells who it is. A pattern from the time when ids in China began with `arn:aws:` protects whom it protected then.
fn is_listed(patterns: &[String], directory: &Directory, id: &str) -> bool {
    let user = id::sso_user_of(id).map(|user| directory.user(user));
    let member = user.or_else(|_| id::sso_group_of(id).map(|group| directory.group(group))).ok();
    let in_china = member.as_deref().and_then(|member| member.strip_prefix("arn:aws-cn:"));
    let before = in_china.map(|rest| format!("arn:aws:{rest}"));
    let ids = [Some(id), member.as_deref(), before.as_deref()];
    patterns.iter().any(|pattern| ids.into_iter().flatten().any(|id| matches(pattern, id)))
}

/// Whether `id` is what the pattern says, in any case: names in IAM are the same in any.
pub(super) fn matches(pattern: &str, id: &str) -> bool {
    fits(&pattern.to_ascii_lowercase(), &id.to_ascii_lowercase())
}

/// Whether `id` is exactly what the pattern says, in which `*` stands for any text.
pub(super) fn fits(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| id.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::resource;
    use crate::connector::{iam_user, role, sso_user};

    const POLICY: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

    fn caller(arn: &str) -> Caller {
        Caller { account: "111111111111".parse().unwrap(), arn: arn.into(), partition: "aws".into() }
    }

    fn settings() -> AwsSettings {
        AwsSettings {
            role: Some("arn:aws:iam::111111111111:role/path/Baton".parse().unwrap()),
            binding_role: Some("arn:aws:iam::999999999999:role/Binding".parse().unwrap()),
            member_role_name: "ops/Member".into(),
            organizations: true,
            ..AwsSettings::default()
        }
    }

    fn refusal(
        settings: &AwsSettings,
        caller_arn: &str,
        target: (&str, &str),
        kind: &str,
        id: &str,
    ) -> Option<String> {
        let target = resource::reference(target.0, target.1);
        let directory = Directory { region: "us-east-1".into(), store: "d-1".into() };
        let principal = resource::reference(kind, id);
        let caller = caller(caller_arn);
        let guard = Guard { settings, callers: vec![&caller], directory };
        guard.check(&target, &principal).err().map(|error| error.to_string())
    }

    #[test]
    fn the_connector_does_not_change_what_it_works_as() {
        let session = "arn:aws:sts::111111111111:assumed-role/Pod/session";
        let own = |kind, id| refusal(&settings(), session, (iam_policy::ID, POLICY), kind, id).is_some();
        assert!(own(role::ID, "arn:aws:iam::111111111111:role/Pod"));
        assert!(own(role::ID, "arn:aws:iam::111111111111:role/path/Baton"));
        assert!(own(role::ID, "arn:aws:iam::999999999999:role/Binding"));
        assert!(own(role::ID, "arn:aws:iam::444444444444:role/ops/Member"));
        assert!(!own(role::ID, "arn:aws:iam::444444444444:role/Baton"), "of another account");
        assert!(!own(role::ID, "arn:aws:iam::111111111111:role/Member"), "in the own account it is another");
        assert!(!own(iam_user::ID, "arn:aws:iam::111111111111:user/Pod"));
        assert!(
            own(role::ID, "arn:aws:iam::111111111111:role/other/path/BATON"),
            "a name is one in any case and path"
        );
        let user = "arn:aws:iam::111111111111:user/people/robot";
        let pathless = "arn:aws:iam::111111111111:user/Robot";
        assert!(refusal(&settings(), user, (iam_policy::ID, POLICY), iam_user::ID, pathless).is_some());
        assert!(refusal(&settings(), user, (iam_policy::ID, POLICY), iam_user::ID, user).is_some());
    }

    #[test]
    fn what_the_connector_started_as_is_its_own_too() {
        let at_work = caller("arn:aws:sts::111111111111:assumed-role/Baton/session");
        let own = |base: &str, id: &str| {
            let base = Caller { account: "999999999999".parse().unwrap(), ..caller(base) };
            let directory = Directory { region: "us-east-1".into(), store: "d-1".into() };
            let settings = settings();
            Guard { settings: &settings, callers: vec![&at_work, &base], directory }.identity(id).is_err()
        };
        let pod = "arn:aws:sts::999999999999:assumed-role/Pod/session";
        assert!(own(pod, "arn:aws:iam::999999999999:role/ops/Pod"));
        assert!(!own(pod, "arn:aws:iam::111111111111:role/Pod"), "of another account");
        assert!(!own(pod, "arn:aws:iam::111111111111:role/Member"), "in the own account it is another");
        let user = "arn:aws:iam::999999999999:user/vendor";
        assert!(own(user, user) && !own(user, "arn:aws:iam::999999999999:user/other"));
    }

    #[test]
    fn roles_of_aws_are_left_to_it() {
        for (id, word) in [
            ("arn:aws:iam::222222222222:role/x", None),
            ("arn:aws:iam::111111111111:role/aws-service-role/a.amazonaws.com/X", Some("service-linked")),
            (
                "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_0",
                Some("Identity Center"),
            ),
            ("arn:aws:iam::111111111111:role/AWSReservedSSO_A_0", Some("Identity Center")),
        ] {
            let refused = refusal(&settings(), "arn:x", (iam_policy::ID, POLICY), role::ID, id);
            assert_eq!(refused.is_some(), word.is_some(), "{id}");
            assert!(refused.unwrap_or_default().contains(word.unwrap_or_default()), "{id}");
        }
    }

    #[test]
    fn in_china_a_listed_user_is_protected_by_either_partition_in_the_list_and_in_the_task() {
        let directory = || Directory { region: "cn-north-1".into(), store: "d-1".into() };
        let [now, before] = ["aws-cn", "aws"]
            .map(|partition| format!("arn:{partition}:identitystore:cn-north-1::d-1/user/u-1"));
        for listed in [&now, &before] {
            let settings =
                AwsSettings { protected_principals: vec![listed.clone()], ..AwsSettings::default() };
            let guard = Guard { settings: &settings, callers: Vec::new(), directory: directory() };
            assert!(guard.identity(&now).is_err() && guard.identity(&before).is_err(), "{listed}");
            assert!(guard.identity(&now.replace("u-1", "u-2")).is_ok(), "{listed}");
        }
    }

    #[test]
    fn what_the_settings_list_is_refused_by_their_name() {
        let user = "arn:aws:identitystore:us-east-1::d-1/user/u-1";
        let group = "arn:aws:identitystore:us-east-1::d-1/group/g-1";
        let with = |principals: &[&str], policies: &[&str]| AwsSettings {
            protected_principals: principals.iter().map(|&one| one.to_owned()).collect(),
            protected_policies: policies.iter().map(|&one| one.to_owned()).collect(),
            ..AwsSettings::default()
        };
        let refused = |settings: &AwsSettings, target| {
            refusal(settings, "arn:x", target, sso_user::ID, user).unwrap_or_default()
        };
        assert_eq!(refused(&with(&[], &[]), (sso_group::ID, group)), "");
        assert!(refused(&with(&[user], &[]), (sso_group::ID, group)).contains("BATON_PROTECTED_PRINCIPALS"));
        assert!(refused(&with(&["*/group/g-1"], &[]), (sso_group::ID, group)).starts_with(group));
        assert_eq!(refused(&with(&[], &["*"]), (sso_group::ID, group)), "");
        let elsewhere = "arn:aws:identitystore:eu-west-1::d-2/user/u-1";
        let disguised =
            refusal(&with(&[user], &[]), "arn:x", (sso_group::ID, group), sso_user::ID, elsewhere);
        assert!(disguised.is_some(), "the same user under another region and store");
        assert!(
            refused(&with(&[], &["*:policy/Admin*"]), (iam_policy::ID, POLICY))
                .contains("BATON_PROTECTED_POLICIES")
        );
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, id, is) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axc", false),
            ("ab", "abc", false),
            ("a*a", "a", false),
            ("**b", "ab", true),
            ("*ab", "aab", true),
            ("role/Admin", "role/ADMIN", true),
        ] {
            assert_eq!(matches(pattern, id), is, "{pattern} {id}");
        }
    }
}
