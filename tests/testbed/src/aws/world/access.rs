//! Principals, their keys and sessions, and which role trusts whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::organization::Organization;
use crate::CANARY;
use crate::aws::fixture::{FixtureError, IamRole, IamUser, Principals, Trust};
use crate::aws::ids::{Ids, random_hex};
use crate::aws::quota::matches;

/// Who may call, and with which keys.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) users: Vec<User>,
    pub(crate) roles: Vec<Role>,
    /// ARN to the place among `roles`.
    places: BTreeMap<String, usize>,
    /// Access key id to what it stands for.
    keys: BTreeMap<String, Key>,
    /// The user whose keys the connector starts with.
    pub(crate) connector: String,
    /// The ARN of the role that the connector is meant to assume, if there is one.
    pub(crate) connector_role: Option<String>,
}

/// An IAM user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) unique_id: String,
    access_key_id: String,
    policy: Policy,
}

/// An IAM role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) unique_id: String,
    pub(crate) trust: Vec<Trust>,
    pub(crate) max_session: Duration,
    pub(crate) web_identity_tokens: Vec<String>,
    pub(crate) container_token: Option<String>,
    pub(crate) instance_profile: bool,
    /// Whether it was deleted.
    is_hidden: bool,
    policy: Policy,
}

/// The actions that a principal may use.
#[derive(Clone, Debug)]
struct Policy {
    allow: Vec<String>,
    deny: Vec<String>,
}

impl Policy {
    fn permits(&self, action: &str) -> bool {
        self.decision(action) == "allowed"
    }

    fn decision(&self, action: &str) -> &'static str {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        match (any(&self.deny), any(&self.allow)) {
            (true, _) => "explicitDeny",
            (false, true) => "allowed",
            (false, false) => "implicitDeny",
        }
    }
}

/// An access key with its secret.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) secret: String,
    /// Present on the keys of a session.
    pub(crate) session: Option<Session>,
    principal: Principal,
}

/// What a session adds to a key.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) expires: Timestamp,
    name: String,
    transitive_tags: bool,
}

/// An index into users or roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Principal {
    User(usize),
    Role(usize),
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// User ARN or session ARN.
    pub(crate) arn: String,
    /// User ARN or role ARN: what policies and trust statements name.
    pub(crate) principal_arn: String,
    /// `AIDA...` or `AROA...:session`.
    pub(crate) user_id: String,
    /// Whether the caller is itself a role session.
    pub(crate) is_session: bool,
    /// Whether the session's tags pass on to the next hop.
    pub(crate) transitive_tags: bool,
    policy: Policy,
}

impl Caller {
    /// The caller of an operation that needs no signature.
    pub(crate) fn anonymous() -> Self {
        Self {
            account: String::new(),
            arn: String::new(),
            principal_arn: String::new(),
            user_id: String::new(),
            is_session: false,
            transitive_tags: false,
            policy: Policy { allow: Vec::new(), deny: Vec::new() },
        }
    }

    /// The name of a calling user; `None` for a role session.
    pub(crate) fn user_name(&self) -> Option<&str> {
        if self.is_session {
            return None;
        }
        self.arn.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Whether the caller's own policy allows an action.
    pub(crate) fn may(&self, action: &str) -> bool {
        self.policy.permits(action)
    }
}

/// Fresh credentials of a role session.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    expires: Timestamp,
    pub(crate) assumed_role_id: String,
    pub(crate) session_arn: String,
}

impl Issued {
    /// Credentials of a federated user, which no call accepts; their token has so many bytes at least.
    pub(crate) fn federated(account: &str, name: &str, duration: Duration, least: usize) -> Option<Self> {
        let expires = Timestamp::now().checked_add(SignedDuration::try_from(duration).ok()?).ok()?;
        Some(Self {
            access_key_id: format!("ASIA{}", random_hex(16).to_uppercase()),
            secret: format!("{CANARY}/{}", random_hex(20)),
            token: format!("{CANARY}/{}", random_hex(100.max(least))),
            expires,
            assumed_role_id: format!("{account}:{name}"),
            session_arn: format!("arn:aws:sts::{account}:federated-user/{name}"),
        })
    }

    /// When the session ends, as AWS writes it.
    pub(crate) fn expires_text(&self) -> String {
        self.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl Access {
    pub(crate) fn build(
        fixture: &Principals,
        organization: &Organization,
        ids: &Ids,
    ) -> Result<Self, FixtureError> {
        let mut access = Self {
            users: Vec::new(),
            roles: Vec::new(),
            places: BTreeMap::new(),
            keys: BTreeMap::new(),
            connector: fixture.connector.clone(),
            connector_role: None,
        };
        for user in &fixture.users {
            access.add_user(user, organization, ids)?;
        }
        if !access.users.iter().any(|user| user.name == fixture.connector) {
            return Err(FixtureError::Unknown {
                kind: "user",
                name: fixture.connector.clone(),
                wanted_by: "principals.connector".to_owned(),
            });
        }
        for role in &fixture.roles {
            access.add_role(role, organization, ids)?;
        }
        if fixture.organization_access_role {
            access.add_organization_roles(organization, ids)?;
        }
        let names = access.names();
        for role in &mut access.roles {
            let wanted_by = format!("trust policy of role {:?}", role.name);
            for principal in role.trust.iter_mut().flat_map(|statement| &mut statement.principals) {
                *principal = trusted(principal, &names, organization, &wanted_by)?;
            }
        }
        access.connector_role =
            access.roles.iter().find(|role| role.name == fixture.connector_role).map(|role| role.arn.clone());
        Ok(access)
    }

    fn add_user(
        &mut self,
        user: &IamUser,
        organization: &Organization,
        ids: &Ids,
    ) -> Result<(), FixtureError> {
        let account = home(user.account.as_deref(), organization, &user.name)?;
        let access_key_id = user
            .access_key_id
            .clone()
            .unwrap_or_else(|| format!("AKIA{}", ids.upper(16, &["access key", &user.name])));
        let secret = user
            .secret_access_key
            .clone()
            .unwrap_or_else(|| format!("{CANARY}/{}", ids.hex(20, &["secret", &user.name])));
        let principal = Principal::User(self.users.len());
        if self.keys.insert(access_key_id.clone(), Key { secret, session: None, principal }).is_some()
            || self.users.iter().any(|other| other.name == user.name)
        {
            return Err(FixtureError::Duplicate { kind: "user or access key", name: user.name.clone() });
        }
        self.users.push(User {
            arn: format!("arn:aws:iam::{account}:user/{}", user.name),
            unique_id: format!("AIDA{}", ids.upper(17, &["user id", &user.name])),
            access_key_id,
            policy: Policy { allow: user.allow.clone(), deny: user.deny.clone() },
            name: user.name.clone(),
            account,
        });
        Ok(())
    }

    fn add_role(
        &mut self,
        role: &IamRole,
        organization: &Organization,
        ids: &Ids,
    ) -> Result<(), FixtureError> {
        let account = home(role.account.as_deref(), organization, &role.name)?;
        let path = role.path.as_deref().unwrap_or("/");
        let added = Role {
            arn: format!("arn:aws:iam::{account}:role{path}{}", role.name),
            unique_id: format!("AROA{}", ids.upper(17, &["role id", &account, &role.name])),
            trust: role.trust.clone(),
            max_session: Duration::from_secs(role.max_session_seconds.into()),
            web_identity_tokens: role.web_identity_tokens.clone(),
            container_token: role.container_token.clone(),
            instance_profile: role.instance_profile,
            is_hidden: false,
            policy: Policy { allow: role.allow.clone(), deny: role.deny.clone() },
            name: role.name.clone(),
            account,
        };
        if self.places.insert(added.arn.clone(), self.roles.len()).is_some() {
            return Err(FixtureError::Duplicate { kind: "role", name: added.arn });
        }
        self.roles.push(added);
        Ok(())
    }

    /// The role that AWS puts into each account that an organization creates. A role of that name in the fixture
    /// goes before it.
    fn add_organization_roles(&mut self, organization: &Organization, ids: &Ids) -> Result<(), FixtureError> {
        const NAME: &str = "OrganizationAccountAccessRole";
        let named = self.roles.iter().filter(|role| role.name == NAME);
        let given: BTreeSet<String> = named.map(|role| role.account.clone()).collect();
        for account in organization.accounts.keys().filter(|account| **account != organization.management) {
            if given.contains(account) {
                continue;
            }
            let role = IamRole {
                name: NAME.to_owned(),
                account: Some(account.clone()),
                trust: vec![Trust { principals: vec![organization.management.clone()], ..Trust::default() }],
                ..IamRole::default()
            };
            self.add_role(&role, organization, ids)?;
        }
        Ok(())
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.places.get(arn).and_then(|place| self.roles.get(*place))
    }

    /// A role by its account and name.
    pub(crate) fn role_named(&self, account: &str, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.account == account && role.name == name && !role.is_hidden)
    }

    /// Lets no look find a role any more; sessions of it go on. False when there is none to be found.
    pub(crate) fn hide_role(&mut self, account: &str, name: &str) -> bool {
        let mut roles = self.roles.iter_mut();
        match roles.find(|role| role.account == account && role.name == name && !role.is_hidden) {
            Some(role) => {
                role.is_hidden = true;
                true
            }
            None => false,
        }
    }

    /// What the policy of a user or role says of actions, in the words of `SimulatePrincipalPolicy`.
    pub(crate) fn decisions(&self, principal: &str, actions: &[&str]) -> Option<Vec<&'static str>> {
        let user = self.users.iter().find(|user| user.arn == principal).map(|user| &user.policy);
        let policy = user.or_else(|| self.role(principal).map(|role| &role.policy))?;
        Some(actions.iter().map(|action| policy.decision(action)).collect())
    }

    pub(crate) fn key(&self, access_key_id: &str) -> Option<&Key> {
        self.keys.get(access_key_id)
    }

    /// Access key id and secret of a user.
    pub(crate) fn key_of_user(&self, name: &str) -> Option<(&str, &str)> {
        let user = self.users.iter().find(|user| user.name == name)?;
        let key = self.keys.get(&user.access_key_id)?;
        Some((&user.access_key_id, &key.secret))
    }

    /// The caller that a key stands for.
    pub(crate) fn caller(&self, key: &Key) -> Option<Caller> {
        match key.principal {
            Principal::User(index) => self.users.get(index).map(|user| Caller {
                account: user.account.clone(),
                arn: user.arn.clone(),
                principal_arn: user.arn.clone(),
                user_id: user.unique_id.clone(),
                is_session: false,
                transitive_tags: false,
                policy: user.policy.clone(),
            }),
            Principal::Role(index) => {
                let role = self.roles.get(index)?;
                let session = key.session.as_ref()?;
                Some(Caller {
                    account: role.account.clone(),
                    arn: role.session_arn(&session.name),
                    principal_arn: role.arn.clone(),
                    user_id: format!("{}:{}", role.unique_id, session.name),
                    is_session: true,
                    transitive_tags: session.transitive_tags,
                    policy: role.policy.clone(),
                })
            }
        }
    }

    /// Starts a session of a role.
    pub(crate) fn issue(
        &mut self,
        role_arn: &str,
        session_name: &str,
        duration: Duration,
        transitive_tags: bool,
    ) -> Option<Issued> {
        let index = *self.places.get(role_arn)?;
        let role = self.roles.get(index)?;
        let expires = Timestamp::now().checked_add(SignedDuration::try_from(duration).ok()?).ok()?;
        let issued = Issued {
            access_key_id: format!("ASIA{}", random_hex(16).to_uppercase()),
            secret: format!("{CANARY}/{}", random_hex(20)),
            token: format!("{CANARY}/{}", random_hex(100)),
            expires,
            assumed_role_id: format!("{}:{session_name}", role.unique_id),
            session_arn: role.session_arn(session_name),
        };
        let session =
            Session { token: issued.token.clone(), expires, name: session_name.to_owned(), transitive_tags };
        let key =
            Key { secret: issued.secret.clone(), session: Some(session), principal: Principal::Role(index) };
        self.keys.insert(issued.access_key_id.clone(), key);
        Some(issued)
    }

    /// Makes all sessions expire now, or those of the roles of one account.
    pub(crate) fn expire_sessions(&mut self, account: Option<&str>) {
        let now = Timestamp::now();
        for key in self.keys.values_mut() {
            let Principal::Role(index) = key.principal else { continue };
            let role = self.roles.get(index);
            let hit = account.is_none_or(|account| role.is_some_and(|role| role.account == account));
            if let Some(session) = key.session.as_mut().filter(|_| hit) {
                session.expires = session.expires.min(now);
            }
        }
    }

    /// Replaces the denied actions of every user and role of this name, of `account` alone if one is given. False
    /// when there is none.
    pub(crate) fn set_denied(&mut self, name: &str, account: Option<&str>, deny: &[String]) -> bool {
        let here = |home: &str| account.is_none_or(|account| account == home);
        let users = self
            .users
            .iter_mut()
            .filter(|user| (user.name == name || user.arn == name) && here(&user.account))
            .map(|user| &mut user.policy);
        let roles = self
            .roles
            .iter_mut()
            .filter(|role| (role.name == name || role.arn == name) && here(&role.account))
            .map(|role| &mut role.policy);
        let mut found = false;
        for policy in users.chain(roles) {
            policy.deny = deny.to_vec();
            found = true;
        }
        found
    }

    /// Replaces the statements of a role's trust policy; principals are named as in a fixture. False when there is no
    /// such role.
    pub(crate) fn set_trust(
        &mut self,
        role_arn: &str,
        mut statements: Vec<Trust>,
        organization: &Organization,
    ) -> Result<bool, FixtureError> {
        let names = self.names();
        let wanted_by = format!("trust policy of {role_arn}");
        for principal in statements.iter_mut().flat_map(|statement| &mut statement.principals) {
            *principal = trusted(principal, &names, organization, &wanted_by)?;
        }
        let Some(role) = self.roles.iter_mut().find(|role| role.arn == role_arn) else { return Ok(false) };
        role.trust = statements;
        Ok(true)
    }

    /// Names and ARNs of all users and roles.
    fn names(&self) -> Vec<(String, String)> {
        let users = self.users.iter().map(|user| (user.name.clone(), user.arn.clone()));
        users.chain(self.roles.iter().map(|role| (role.name.clone(), role.arn.clone()))).collect()
    }

    /// Empties a role's trust policy: nobody can assume it any more. False when there is no such role.
    pub(crate) fn distrust(&mut self, role_arn: &str) -> bool {
        match self.roles.iter_mut().find(|role| role.arn == role_arn) {
            Some(role) => {
                role.trust.clear();
                true
            }
            None => false,
        }
    }
}

impl Role {
    fn session_arn(&self, session: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, self.name)
    }
}

/// The account of a principal: one of the organization by id or name, or an id outside of it.
fn home(account: Option<&str>, organization: &Organization, owner: &str) -> Result<String, FixtureError> {
    match account {
        None => Ok(organization.management.clone()),
        Some(id) if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) => Ok(id.to_owned()),
        Some(name) => organization.resolve(name, &format!("principal {owner:?}")),
    }
}

/// Turns a principal of a trust statement into `*`, an ARN, or the ARN of an account's root.
fn trusted(
    principal: &str,
    names: &[(String, String)],
    organization: &Organization,
    wanted_by: &str,
) -> Result<String, FixtureError> {
    if principal == "*" || principal.starts_with("arn:") {
        return Ok(principal.to_owned());
    }
    if let Some((_, arn)) = names.iter().find(|(name, _)| name == principal) {
        return Ok(arn.clone());
    }
    home(Some(principal), organization, wanted_by).map(|account| format!("arn:aws:iam::{account}:root"))
}
