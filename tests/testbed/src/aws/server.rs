//! The running testbed as a test sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::endpoint::answer;
use super::fault::{Fault, Faults};
use super::fixture::{Fixture, FixtureError, Instance, ServiceControlPolicy, Trust};
use super::ids::random_uuid;
use super::knobs::Knobs;
use super::ledger::{Counters, Entry};
use super::listener::serve;
use super::state::State;
use super::world::World;
use super::world::assignments::{Assignment, PrincipalType};
use super::world::trail::Event;
use super::{admin, metadata};
use crate::tls::{Tls, TlsError};

/// A running AWS. It stops, and closes its connections, when it is dropped.
///
/// All methods may be called while calls are in flight; a change holds for calls that are carried out after it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
    ca_pem: Option<String>,
}

/// How the endpoint is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// HTTP.
    #[default]
    Plain,
    /// HTTPS with a certificate of an authority made for this server; see [`Server::ca_pem`].
    Tls,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The fixture contradicts itself.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// The address cannot be bound.
    #[error("bind {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An access key.
#[derive(Clone)]
pub struct Credentials {
    /// `AKIA...`
    pub access_key_id: String,
    /// The secret, which contains [`crate::CANARY`] unless the fixture gives another.
    pub secret_access_key: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A user in a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Membership {
    /// Id of the membership.
    pub id: String,
    /// Id of the group.
    pub group: String,
    /// Id of the user.
    pub user: String,
}

impl Server {
    /// Starts on a free loopback port, over plain HTTP.
    pub async fn start(fixture: Fixture) -> Result<Self, StartError> {
        Self::start_on(fixture, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Transport::Plain).await
    }

    /// Starts on a free loopback port, over HTTPS.
    pub async fn start_tls(fixture: Fixture) -> Result<Self, StartError> {
        Self::start_on(fixture, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Transport::Tls).await
    }

    /// Starts on a given address.
    pub async fn start_on(
        fixture: Fixture,
        address: SocketAddr,
        transport: Transport,
    ) -> Result<Self, StartError> {
        let tls = match transport {
            Transport::Plain => None,
            Transport::Tls => Some(Tls::generate(&[b"http/1.1"])?),
        };
        let world = World::build(&fixture)?;
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let state = Arc::new(State::new(world, fixture.knobs, Faults::new(fixture.faults)));
        let router = Router::new()
            .merge(admin::routes())
            .merge(metadata::routes())
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        let task = tokio::spawn(serve(listener, acceptor, router));
        Ok(Self { address, state, task, ca_pem })
    }

    /// The endpoint: what `AWS_ENDPOINT_URL` must be.
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address that the endpoint is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that a client must trust: the content of the file that `AWS_CA_BUNDLE`
    /// names. `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The connector's own access key.
    pub fn credentials(&self) -> Credentials {
        let name = self.state.lock().world.access.connector.clone();
        self.credentials_of(&name)
            .unwrap_or_else(|| Credentials { access_key_id: String::new(), secret_access_key: String::new() })
    }

    /// The access key of a user of the fixture.
    pub fn credentials_of(&self, user: &str) -> Option<Credentials> {
        let inner = self.state.lock();
        let (access_key_id, secret) = inner.world.access.key_of_user(user)?;
        Some(Credentials { access_key_id: access_key_id.to_owned(), secret_access_key: secret.to_owned() })
    }

    /// ARN of the role that the connector is meant to assume, if the fixture has it.
    pub fn connector_role_arn(&self) -> Option<String> {
        self.state.lock().world.access.connector_role.clone()
    }

    /// ARN of a role of the fixture by name; the first one if several accounts have it.
    pub fn role_arn(&self, name: &str) -> Option<String> {
        let inner = self.state.lock();
        inner.world.access.roles.iter().find(|role| role.name == name).map(|role| role.arn.clone())
    }

    /// Changes knobs.
    pub fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.state.lock().knobs);
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> Knobs {
        self.state.lock().knobs.clone()
    }

    /// Arms a fault behind those that are armed.
    pub fn arm(&self, fault: Fault) {
        self.state.lock().faults.arm(fault);
    }

    /// Disarms all faults.
    pub fn disarm(&self) {
        self.state.lock().faults.clear();
    }

    /// How many calls wait for the faults to be disarmed ([`Effect::Hold`](super::Effect::Hold)).
    pub fn held(&self) -> usize {
        self.state.lock().faults.held
    }

    /// The faults that are still armed.
    pub fn armed(&self) -> Vec<Fault> {
        self.state.lock().faults.armed().to_vec()
    }

    /// Replaces the denied actions of every user and role of this name, sessions included. False when nobody has
    /// the name.
    pub fn deny(&self, principal: &str, actions: &[&str]) -> bool {
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        self.state.lock().world.access.set_denied(principal, None, &actions)
    }

    /// Replaces the denied actions of the users and roles of this name in one account alone, given by name or id:
    /// `OrganizationAccountAccessRole` of one member, for example. False when it has none.
    pub fn deny_in(&self, account: &str, principal: &str, actions: &[&str]) -> bool {
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        let mut inner = self.state.lock();
        let id = inner.world.organization.resolve(account, "deny_in").unwrap_or_else(|_| account.to_owned());
        inner.world.access.set_denied(principal, Some(&id), &actions)
    }

    /// Puts a new version of a managed policy into force, of an account or of AWS; its id, such as `v2`. `None` when
    /// there is no such policy.
    pub fn publish_policy(&self, arn: &str, document: &str) -> Option<String> {
        self.state.lock().world.iam.publish(arn, document)
    }

    /// Empties the trust policy of a role: nobody can assume it any more. False when there is no such role.
    pub fn distrust(&self, role_arn: &str) -> bool {
        self.state.lock().world.access.distrust(role_arn)
    }

    /// Replaces the statements of a role's trust policy; principals are named as in a fixture. False when there is no
    /// such role. Sessions that have begun go on.
    ///
    /// # Errors
    /// A principal that nobody has.
    pub fn trust(&self, role_arn: &str, statements: Vec<Trust>) -> Result<bool, FixtureError> {
        let mut inner = self.state.lock();
        let World { access, organization, .. } = &mut inner.world;
        access.set_trust(role_arn, statements, organization)
    }

    /// Replaces the service control policies of the organization.
    ///
    /// # Errors
    /// A target that nobody has.
    pub fn control(&self, policies: &[ServiceControlPolicy]) -> Result<(), FixtureError> {
        let mut inner = self.state.lock();
        let World { organization, ids, .. } = &mut inner.world;
        organization.set_controls(policies, ids)
    }

    /// Changes what AWS tells of the organization's instance of Identity Center, except its id.
    pub fn change_instance(&self, change: impl FnOnce(&mut Instance)) {
        change(&mut self.state.lock().world.center.instance);
    }

    /// Makes all role sessions expire now.
    pub fn expire_sessions(&self) {
        self.state.lock().world.access.expire_sessions(None);
    }

    /// Makes the sessions of the roles of one account, given by id, expire now.
    pub fn expire_sessions_of(&self, account: &str) {
        self.state.lock().world.access.expire_sessions(Some(account));
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.state.lock().ledger.counters()
    }

    /// The calls that have ended, in the order of their ends.
    pub fn transcript(&self) -> Vec<Entry> {
        self.state.lock().ledger.transcript()
    }

    /// Empties counters and transcript and refills all quotas.
    pub fn reset_counters(&self) {
        let mut inner = self.state.lock();
        inner.ledger.reset();
        inner.buckets.refill();
    }

    /// Records that a user of Identity Center, given by id, entered an account, given by name or id, with a
    /// permission set: a `Federate` event of `sso.amazonaws.com`. The id of the event.
    pub fn sign_in(&self, user_id: &str, account: &str, role: &str, at: Timestamp) -> String {
        let mut inner = self.state.lock();
        let id = inner.world.organization.resolve(account, "sign_in").unwrap_or_else(|_| account.to_owned());
        let event = inner.world.recorder().federate(user_id, &id, role, at);
        inner.world.trail.add(event)
    }

    /// Records that a user of Identity Center, given by id, signed in to the access portal: an `Authenticate` event
    /// of `sso.amazonaws.com`. The id of the event.
    pub fn authenticate(&self, user_id: &str, at: Timestamp) -> String {
        let mut inner = self.state.lock();
        let event = inner.world.recorder().authenticate(user_id, at);
        inner.world.trail.add(event)
    }

    /// Records `count` events that say nothing of sign-ins, every third of them of `sso.amazonaws.com`.
    pub fn noise(&self, count: usize, at: Timestamp) {
        let mut inner = self.state.lock();
        for index in 0..count {
            let event = inner.world.recorder().noise(index, at);
            inner.world.trail.add(event);
        }
    }

    /// Records an event whose record is any text, broken ones too. The id of the event.
    pub fn record(&self, source: &str, name: &str, at: Timestamp, record: &str) -> String {
        let event = Event {
            id: random_uuid(),
            source: source.to_owned(),
            name: name.to_owned(),
            at,
            user: None,
            record: record.to_owned(),
        };
        self.state.lock().world.trail.add(event)
    }

    /// ARN of the organization's instance of Identity Center.
    pub fn instance_arn(&self) -> String {
        self.state.lock().world.center.instance_arn.clone()
    }

    /// Id of the identity store.
    pub fn identity_store_id(&self) -> String {
        self.state.lock().world.directory.store_id.clone()
    }

    /// Id of the management account.
    pub fn management_account(&self) -> String {
        self.state.lock().world.organization.management.clone()
    }

    /// Id of the first account of this name.
    pub fn account_id(&self, name: &str) -> Option<String> {
        let inner = self.state.lock();
        inner
            .world
            .organization
            .accounts
            .values()
            .find(|account| account.name == name)
            .map(|one| one.id.clone())
    }

    /// Id of a user by user name.
    pub fn user_id(&self, name: &str) -> Option<String> {
        self.state.lock().world.directory.user_named(name).map(|user| user.id.clone())
    }

    /// Id of a group by display name.
    pub fn group_id(&self, name: &str) -> Option<String> {
        self.state.lock().world.directory.group_named(name).map(|group| group.id.clone())
    }

    /// ARN of a permission set by name.
    pub fn permission_set_arn(&self, name: &str) -> Option<String> {
        let inner = self.state.lock();
        inner.world.center.permission_sets.values().find(|set| set.name == name).map(|set| set.arn.clone())
    }

    /// All assignments that are in force, ordered.
    pub fn assignments(&self) -> Vec<Assignment> {
        self.state.lock().world.center.assignments.iter().cloned().collect()
    }

    /// Whether an assignment is in force, by names of account, permission set and principal.
    pub fn is_assigned(
        &self,
        account: &str,
        permission_set: &str,
        kind: PrincipalType,
        principal: &str,
    ) -> bool {
        self.assignment(account, permission_set, kind, principal)
            .is_some_and(|assignment| self.state.lock().world.center.assignments.contains(&assignment))
    }

    /// The assignment with these names, whether in force or not; `None` when a name is unknown.
    pub fn assignment(
        &self,
        account: &str,
        permission_set: &str,
        kind: PrincipalType,
        principal: &str,
    ) -> Option<Assignment> {
        let principal_id = match kind {
            PrincipalType::User => self.user_id(principal),
            PrincipalType::Group => self.group_id(principal),
        };
        Some(Assignment {
            account: self.account_id(account)?,
            permission_set: self.permission_set_arn(permission_set)?,
            principal_type: kind,
            principal_id: principal_id?,
        })
    }

    /// Puts an assignment into force, as if somebody else had made it. False when it already was.
    pub fn assign(&self, assignment: Assignment) -> bool {
        self.state.lock().world.center.assign(assignment)
    }

    /// Takes an assignment out of force, as if somebody else had done it. False when it was not in force.
    pub fn unassign(&self, assignment: &Assignment) -> bool {
        self.state.lock().world.center.unassign(assignment)
    }

    /// All group memberships, ordered by id.
    pub fn memberships(&self) -> Vec<Membership> {
        let inner = self.state.lock();
        inner
            .world
            .directory
            .memberships
            .values()
            .map(|one| Membership { id: one.id.clone(), group: one.group.clone(), user: one.user.clone() })
            .collect()
    }

    /// Whether a user is in a group, by names.
    pub fn is_member(&self, group: &str, user: &str) -> bool {
        let inner = self.state.lock();
        let directory = &inner.world.directory;
        match (directory.group_named(group), directory.user_named(user)) {
            (Some(group), Some(user)) => directory.membership(&group.id, &user.id).is_some(),
            _ => false,
        }
    }

    /// The groups of an IAM user of an account, by names; none without the user.
    pub fn iam_groups(&self, account: &str, user: &str) -> Vec<String> {
        let inner = self.state.lock();
        let user = inner.world.iam.account(account).and_then(|account| account.users.get(user));
        user.map(|user| user.groups.clone()).unwrap_or_default()
    }

    /// Whether an account has an IAM user of this name.
    pub fn has_iam_user(&self, account: &str, user: &str) -> bool {
        let inner = self.state.lock();
        inner.world.iam.account(account).is_some_and(|account| account.users.contains_key(user))
    }

    /// The password that was set last for an IAM user, and whether it must be changed at the next sign-in.
    pub fn password(&self, account: &str, user: &str) -> Option<(String, bool)> {
        let inner = self.state.lock();
        let user = inner.world.iam.account(account)?.users.get(user)?;
        user.password.clone().filter(|_| user.has_password)
    }

    /// The access keys of an IAM user, with the secrets of those that were made by a call.
    pub fn access_keys(&self, account: &str, user: &str) -> Vec<(String, Option<String>)> {
        let inner = self.state.lock();
        let user = inner.world.iam.account(account).and_then(|account| account.users.get(user));
        let keys =
            user.map(|user| user.keys.iter().map(|key| (key.id.clone(), key.secret.clone())).collect());
        keys.unwrap_or_default()
    }

    /// The access keys of an IAM user that work.
    pub fn active_keys(&self, account: &str, user: &str) -> Vec<String> {
        let inner = self.state.lock();
        let user = inner.world.iam.account(account).and_then(|account| account.users.get(user));
        let active = user.map(|user| user.keys.iter().filter(|key| key.active).map(|key| key.id.clone()));
        active.map(Iterator::collect).unwrap_or_default()
    }

    /// The virtual MFA devices of an account, in use or not.
    pub fn virtual_mfa_devices(&self, account: &str) -> Vec<String> {
        let inner = self.state.lock();
        let devices =
            inner.world.iam.account(account).map(|account| account.virtual_devices.iter().cloned().collect());
        devices.unwrap_or_default()
    }

    /// The ARNs of the managed policies and the names of the inline ones that an IAM entity has, by its ARN.
    pub fn iam_policies(&self, arn: &str) -> (Vec<String>, Vec<String>) {
        let inner = self.state.lock();
        let rights = inner.world.iam.rights(arn);
        let attached = rights.map(|rights| rights.attached.iter().map(|(_, arn)| arn.clone()).collect());
        let inline = rights.map(|rights| rights.inline.keys().cloned().collect());
        (attached.unwrap_or_default(), inline.unwrap_or_default())
    }

    /// Removes a user from the directory, as if somebody else had done it; its assignments stay.
    pub fn remove_user(&self, id: &str) -> bool {
        self.state.lock().world.directory.remove_user(id)
    }

    /// Removes a group from the directory, as if somebody else had done it; its assignments stay.
    pub fn remove_group(&self, id: &str) -> bool {
        self.state.lock().world.directory.remove_group(id)
    }

    /// Adds a user to the directory, as if somebody else had done it; its id.
    pub fn add_user(&self, name: &str) -> String {
        let user = super::fixture::User { name: name.to_owned(), ..super::fixture::User::default() };
        self.state.lock().world.directory.add_user(&user)
    }

    /// Puts a user into a group, both given by id, as if somebody else had done it. False when it already was.
    pub fn add_member(&self, group: &str, user: &str) -> bool {
        self.state.lock().world.directory.add_member(group, user).is_some()
    }

    /// Adds an empty group, as if somebody else had done it; its id.
    pub fn add_group(&self, name: &str) -> String {
        self.state.lock().world.directory.add_group(name, None)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
