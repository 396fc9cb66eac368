//! What IAM of each account holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::access::Access;
use super::organization::Organization;
use super::{assignments::Center, created};
use crate::aws::fixture::iam::{self as fixture, Document};
use crate::aws::fixture::{Fixture, FixtureError};
use crate::aws::ids::{Ids, random_hex};

mod managed;
pub(crate) mod report;

use report::Report;

/// IAM of all accounts, and the policies that they share.
#[derive(Clone, Debug)]
pub(crate) struct Iam {
    accounts: BTreeMap<String, Account>,
    /// AWS managed policies by ARN.
    pub(crate) aws_managed: Arc<BTreeMap<String, Policy>>,
}

/// IAM of one account. Users, groups and roles by name, policies by ARN.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) policies: BTreeMap<String, Policy>,
    /// How many users, groups and roles each policy is attached to.
    attachments: BTreeMap<String, usize>,
    pub(crate) report: Option<Report>,
    /// ARNs of all virtual MFA devices, in use or not.
    pub(crate) virtual_devices: BTreeSet<String>,
    /// Ids of access keys that were deleted: AWS can still tell their account.
    pub(crate) deleted_keys: BTreeSet<String>,
}

/// What policies belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    User,
    Group,
    Role,
}

/// What users, groups, roles and policies have in common.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) arn: String,
    /// `AIDA...`, `AGPA...`, `AROA...`, `ANPA...`
    pub(crate) id: String,
    pub(crate) created: Timestamp,
}

/// What users, groups and roles may do.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// Name and ARN.
    pub(crate) attached: Vec<(String, String)>,
    /// Name and document.
    pub(crate) inline: BTreeMap<String, String>,
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) entity: Entity,
    pub(crate) rights: Rights,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) groups: Vec<String>,
    pub(crate) keys: Vec<Key>,
    pub(crate) password_last_used: Option<Timestamp>,
    pub(crate) has_password: bool,
    /// The password that was set last, and whether it must be changed at the next sign-in; fixtures have none.
    pub(crate) password: Option<(String, bool)>,
    pub(crate) certificates: Vec<String>,
    pub(crate) ssh_keys: Vec<String>,
    pub(crate) service_credentials: Vec<String>,
    /// Serial numbers of the devices in use; that of a virtual one is its ARN.
    pub(crate) mfa_devices: Vec<String>,
}

/// An access key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// Of a key that was made by a call.
    pub(crate) secret: Option<String>,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Option<Timestamp>,
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) entity: Entity,
    pub(crate) rights: Rights,
}

/// A role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) entity: Entity,
    pub(crate) rights: Rights,
    pub(crate) description: Option<String>,
    pub(crate) max_session_seconds: u32,
    pub(crate) trust: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) last_used: Option<Timestamp>,
}

/// A managed policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) entity: Entity,
    pub(crate) description: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Documents, oldest first: `v1`, `v2` and so on. The last one is in force.
    versions: Vec<(String, Timestamp)>,
}

/// One version of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Version<'a> {
    pub(crate) id: String,
    pub(crate) document: &'a str,
    pub(crate) created: Timestamp,
    pub(crate) is_default: bool,
}

impl Iam {
    pub(crate) fn build(
        fixture: &Fixture,
        organization: &Organization,
        center: &Center,
        access: &Access,
        ids: &Ids,
    ) -> Result<Self, FixtureError> {
        let mut accounts = BTreeMap::new();
        for written in &fixture.iam {
            let id = organization.resolve(&written.account, "iam")?;
            let build = Build { account: &id, management: &organization.management, access, ids };
            if accounts.insert(id.clone(), build.account(written)?).is_some() {
                return Err(FixtureError::Duplicate {
                    kind: "iam of account",
                    name: written.account.clone(),
                });
            }
        }
        let mut referred: BTreeSet<&str> = accounts.values().flat_map(Account::attached_arns).collect();
        referred.extend(
            center
                .permission_sets
                .values()
                .flat_map(|set| &set.managed_policies)
                .map(|(_, arn)| arn.as_str()),
        );
        let aws_managed = Arc::new(managed::policies(&referred, fixture.aws_managed_policies));
        Ok(Self { accounts, aws_managed })
    }

    /// IAM of an account, if it holds anything.
    pub(crate) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The account that has an access key, or had it.
    pub(crate) fn account_of_key(&self, id: &str) -> Option<&str> {
        let has = |account: &Account| account.key(id).is_some() || account.deleted_keys.contains(id);
        self.accounts.iter().find(|(_, account)| has(account)).map(|(id, _)| id.as_str())
    }

    /// The rights of a user, group or role, by its ARN.
    pub(crate) fn rights(&self, arn: &str) -> Option<&Rights> {
        let mut parts = arn.splitn(6, ':').skip(4);
        let account = self.account(parts.next()?)?;
        let (kind, path) = parts.next()?.split_once('/')?;
        let name = path.rsplit('/').next()?;
        match kind {
            "user" => account.users.get(name).map(|user| &user.rights),
            "group" => account.groups.get(name).map(|group| &group.rights),
            "role" => account.roles.get(name).map(|role| &role.rights),
            _ => None,
        }
    }

    /// IAM of an account for change.
    pub(crate) fn account_mut(&mut self, id: &str) -> &mut Account {
        self.accounts.entry(id.to_owned()).or_default()
    }

    /// A policy that an account sees: its own, or one of AWS.
    pub(crate) fn policy(&self, account: &str, arn: &str) -> Option<&Policy> {
        let own = self.accounts.get(account).and_then(|account| account.policies.get(arn));
        own.or_else(|| self.aws_managed.get(arn))
    }

    /// Puts a new version of a policy into force; its id, or `None` when there is no such policy.
    pub(crate) fn publish(&mut self, arn: &str, document: &str) -> Option<String> {
        let own = self.accounts.values_mut().find_map(|account| account.policies.get_mut(arn));
        let policy = own.or_else(|| Arc::make_mut(&mut self.aws_managed).get_mut(arn))?;
        policy.versions.push((document.to_owned(), Timestamp::now()));
        Some(policy.default_version())
    }
}

impl Account {
    /// How many users, groups and roles of the account a policy is attached to.
    pub(crate) fn attachments(&self, policy_arn: &str) -> usize {
        self.attachments.get(policy_arn).copied().unwrap_or_default()
    }

    /// Names of the members of a group.
    pub(crate) fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a User> {
        self.users.values().filter(move |user| user.groups.iter().any(|name| name == group))
    }

    /// The user that owns a key.
    pub(crate) fn key(&self, id: &str) -> Option<(&User, &Key)> {
        self.users.values().find_map(|user| Some((user, user.keys.iter().find(|key| key.id == id)?)))
    }

    /// The rights of an entity, for change.
    pub(crate) fn rights_mut(&mut self, kind: Kind, name: &str) -> Option<(&Entity, &mut Rights)> {
        match kind {
            Kind::User => self.users.get_mut(name).map(|user| (&user.entity, &mut user.rights)),
            Kind::Group => self.groups.get_mut(name).map(|group| (&group.entity, &mut group.rights)),
            Kind::Role => self.roles.get_mut(name).map(|role| (&role.entity, &mut role.rights)),
        }
    }

    /// Makes a user without anything; false if there is one of this name, in any case.
    pub(crate) fn add_user(
        &mut self,
        account: &str,
        path: &str,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> bool {
        if self.users.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return false;
        }
        let entity = Entity {
            arn: format!("arn:aws:iam::{account}:user{path}{name}"),
            id: format!("AIDA{}", random_hex(17).to_uppercase()),
            created: Timestamp::now(),
            name: name.to_owned(),
            path: path.to_owned(),
        };
        let user = User {
            entity,
            rights: Rights { attached: Vec::new(), inline: BTreeMap::new() },
            tags,
            groups: Vec::new(),
            keys: Vec::new(),
            password_last_used: None,
            has_password: false,
            password: None,
            certificates: Vec::new(),
            ssh_keys: Vec::new(),
            service_credentials: Vec::new(),
            mfa_devices: Vec::new(),
        };
        self.users.insert(name.to_owned(), user);
        true
    }

    /// Attaches a policy to an entity, unless it is; false without the entity.
    pub(crate) fn attach(&mut self, kind: Kind, name: &str, policy: (&str, &str)) -> bool {
        let Some((_, rights)) = self.rights_mut(kind, name) else { return false };
        let (policy, arn) = policy;
        if !rights.attached.iter().any(|(_, held)| held == arn) {
            rights.attached.push((policy.to_owned(), arn.to_owned()));
            *self.attachments.entry(arn.to_owned()).or_default() += 1;
        }
        true
    }

    /// Detaches a policy; whether it was attached.
    pub(crate) fn detach(&mut self, kind: Kind, name: &str, arn: &str) -> bool {
        let Some((_, rights)) = self.rights_mut(kind, name) else { return false };
        let before = rights.attached.len();
        rights.attached.retain(|(_, held)| held != arn);
        let was = rights.attached.len() < before;
        if let Some(count) = self.attachments.get_mut(arn).filter(|_| was) {
            *count -= 1;
        }
        was
    }

    fn rights(&self) -> impl Iterator<Item = &Rights> {
        let users = self.users.values().map(|user| &user.rights);
        let groups = self.groups.values().map(|group| &group.rights);
        users.chain(groups).chain(self.roles.values().map(|role| &role.rights))
    }

    fn attached_arns(&self) -> impl Iterator<Item = &str> {
        self.rights().flat_map(|rights| &rights.attached).map(|(_, arn)| arn.as_str())
    }
}

impl Policy {
    pub(crate) fn default_version(&self) -> String {
        format!("v{}", self.versions.len())
    }

    pub(crate) fn versions(&self) -> impl DoubleEndedIterator<Item = Version<'_>> {
        self.versions.iter().enumerate().map(|(index, (document, created))| Version {
            id: format!("v{}", index + 1),
            document,
            created: *created,
            is_default: index + 1 == self.versions.len(),
        })
    }

    pub(crate) fn updated(&self) -> Timestamp {
        self.versions.last().map_or(self.entity.created, |(_, created)| *created)
    }
}

/// Builds IAM of one account.
struct Build<'a> {
    account: &'a str,
    management: &'a str,
    access: &'a Access,
    ids: &'a Ids,
}

impl Build<'_> {
    fn account(&self, written: &fixture::AccountIam) -> Result<Account, FixtureError> {
        let mut account = Account::default();
        let mut names = BTreeMap::new();
        for policy in &written.policies {
            let built = self.policy(policy)?;
            let arn = built.entity.arn.clone();
            let twin = names.insert(policy.name.as_str(), arn.clone()).is_some();
            if twin || account.policies.insert(arn, built).is_some() {
                return Err(twice("policy", &policy.name));
            }
        }
        for group in &written.groups {
            let built = Group {
                entity: self.entity("group", "AGPA", &group.name, group.path.as_deref(), group.created)?,
                rights: self.rights(&group.attached, &group.inline, &names),
            };
            if account.groups.insert(group.name.clone(), built).is_some() {
                return Err(twice("IAM group", &group.name));
            }
        }
        let mut keys = BTreeSet::new();
        for user in &written.users {
            let built = self.user(user, &account, &names)?;
            account
                .virtual_devices
                .extend(built.mfa_devices.iter().filter(|it| it.starts_with("arn:")).cloned());
            if let Some(twin) = built.keys.iter().find(|key| !keys.insert(key.id.clone())) {
                return Err(twice("access key", &twin.id));
            }
            if account.users.insert(user.name.clone(), built).is_some() {
                return Err(twice("IAM user", &user.name));
            }
        }
        for role in &written.roles {
            let mut entity = self.entity("role", "AROA", &role.name, role.path.as_deref(), role.created)?;
            if let Some(id) = self.access.role(&entity.arn).map(|role| role.unique_id.clone()) {
                entity.id = id;
            }
            let built = Role {
                entity,
                rights: self.rights(&role.attached, &role.inline, &names),
                description: role.description.clone(),
                max_session_seconds: role.max_session_seconds.unwrap_or(3600),
                trust: self.document(&role.trust),
                tags: role.tags.clone(),
                last_used: role.last_used,
            };
            if account.roles.insert(role.name.clone(), built).is_some() {
                return Err(twice("IAM role", &role.name));
            }
        }
        let mut attachments = BTreeMap::new();
        for arn in account.attached_arns() {
            *attachments.entry(arn.to_owned()).or_default() += 1;
        }
        account.attachments = attachments;
        Ok(account)
    }

    fn user(
        &self,
        user: &fixture::User,
        account: &Account,
        names: &BTreeMap<&str, String>,
    ) -> Result<User, FixtureError> {
        let mut entity = self.entity("user", "AIDA", &user.name, user.path.as_deref(), user.created)?;
        if let Some(known) = self.access.users.iter().find(|known| known.arn == entity.arn) {
            entity.id = known.unique_id.clone();
        }
        if let Some(missing) = user.groups.iter().find(|name| !account.groups.contains_key(*name)) {
            return Err(FixtureError::Unknown {
                kind: "IAM group",
                name: missing.clone(),
                wanted_by: format!("IAM user {:?} of account {}", user.name, self.account),
            });
        }
        let keys = user.keys.iter().enumerate().map(|(index, key)| {
            let parts = ["listed key", self.account, &user.name, &index.to_string()];
            Key {
                id: key.id.clone().unwrap_or_else(|| format!("AKIA{}", self.ids.upper(16, &parts))),
                secret: None,
                active: !key.inactive,
                created: key.created.unwrap_or_else(|| created(self.ids, &parts)),
                last_used: key.last_used,
            }
        });
        Ok(User {
            rights: self.rights(&user.attached, &user.inline, names),
            tags: user.tags.clone(),
            groups: user.groups.clone(),
            keys: keys.collect(),
            password_last_used: user.password_last_used,
            has_password: user.password || user.password_last_used.is_some(),
            password: None,
            certificates: user.certificates.clone(),
            ssh_keys: user.ssh_keys.clone(),
            service_credentials: user.service_credentials.clone(),
            mfa_devices: user
                .mfa_devices
                .iter()
                .map(|device| match device {
                    fixture::Mfa::Virtual(name) => format!("arn:aws:iam::{}:mfa/{name}", self.account),
                    fixture::Mfa::Hardware(serial) => serial.clone(),
                })
                .collect(),
            entity,
        })
    }

    fn policy(&self, policy: &fixture::Policy) -> Result<Policy, FixtureError> {
        let entity = self.entity("policy", "ANPA", &policy.name, policy.path.as_deref(), policy.created)?;
        let documents = policy.earlier.iter().chain([&policy.document]);
        let created = entity.created;
        Ok(Policy {
            description: policy.description.clone(),
            tags: policy.tags.clone(),
            versions: documents.map(|document| (self.document(document), created)).collect(),
            entity,
        })
    }

    fn entity(
        &self,
        kind: &str,
        prefix: &str,
        name: &str,
        path: Option<&str>,
        at: Option<Timestamp>,
    ) -> Result<Entity, FixtureError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(legal) {
            return Err(FixtureError::Invalid(format!("IAM {kind} name {name:?} is not one that AWS takes")));
        }
        let path = path.unwrap_or("/");
        if !path.starts_with('/') || !path.ends_with('/') {
            return Err(FixtureError::Invalid(format!("IAM path {path:?} does not begin and end with /")));
        }
        let parts = [kind, self.account, name];
        Ok(Entity {
            arn: format!("arn:aws:iam::{}:{kind}{path}{name}", self.account),
            id: format!("{prefix}{}", self.ids.upper(17, &parts)),
            created: at.unwrap_or_else(|| created(self.ids, &parts)),
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    fn rights(
        &self,
        attached: &[String],
        inline: &BTreeMap<String, Document>,
        names: &BTreeMap<&str, String>,
    ) -> Rights {
        let attached = attached.iter().map(|policy| {
            let arn = match names.get(policy.as_str()) {
                Some(arn) => arn.clone(),
                None if policy.starts_with("arn:") => policy.clone(),
                None => format!("{}{policy}", managed::PREFIX),
            };
            (arn.rsplit('/').next().unwrap_or(&arn).to_owned(), arn)
        });
        let inline = inline.iter().map(|(name, document)| (name.clone(), self.document(document)));
        Rights { attached: attached.collect(), inline: inline.collect() }
    }

    fn document(&self, document: &Document) -> String {
        let text = document.raw();
        if !text.contains("${") {
            return text;
        }
        text.replace("${account}", self.account).replace("${management}", self.management)
    }
}

fn twice(kind: &'static str, name: &str) -> FixtureError {
    FixtureError::Duplicate { kind, name: name.to_owned() }
}
