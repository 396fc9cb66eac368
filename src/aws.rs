//! What AWS says and does, typed: access, quotas, retries, and the calls of each service.
//!
//! [`Aws::connect`] finds credentials and the Identity Center instance. [`Aws::sync`] and [`Aws::provisioning`] give
//! the calls themselves, which all leave through one gate: they wait for their quota, stop when they are cancelled,
//! are counted, and are repeated where that helps and does no harm.

mod account;
mod call;
mod clock;
pub mod cloudtrail;
mod credentials;
mod error;
mod http;
pub mod iam;
pub mod identity_store;
mod input;
mod instance;
mod members;
mod operation;
pub mod organizations;
mod pages;
mod quota;
pub mod sso_admin;
mod stats;
pub mod sts;
mod tag;

pub use account::{AccountId, AccountIdError};
pub use error::{
    AccessError, CallError, Class, Denial, Hop, NETWORK_RULES, PolicyKind, Step, VisibleInstance, Withheld,
};
pub use input::Input;
pub use operation::Service;
pub use quota::Saturation;
pub use sso_admin::Instance;
pub use stats::{Counts, Stats};
pub use sts::Caller;
pub use tag::Tag;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use self::call::{Calls, Lane};
use self::cloudtrail::CloudTrail;
use self::credentials::{Foundation, Refreshing};
use self::http::Base;
use self::iam::{Iam, Shelf};
use self::identity_store::IdentityStore;
use self::members::Members;
use self::operation::Operation;
use self::organizations::Organizations;
use self::quota::{Priority, Quotas};
use self::sso_admin::SsoAdmin;
use self::sts::Sts;
use crate::config::AwsSettings;

/// Access to AWS as one identity. Clones share connections, credentials, quotas and counts.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Arc<Calls>,
    clients: Clients,
    members: Members,
    caller: Caller,
    foundation: Foundation,
    instance: Option<Instance>,
    shelf: Shelf,
}

#[derive(Debug)]
struct Clients {
    credentials: Refreshing,
    sts: aws_sdk_sts::Client,
    iam: aws_sdk_iam::Client,
    organizations: aws_sdk_organizations::Client,
    sso_admin: aws_sdk_ssoadmin::Client,
    identity_store: aws_sdk_identitystore::Client,
    cloud_trail: aws_sdk_cloudtrail::Client,
}

impl Aws {
    /// Finds credentials as the settings say, assumes the roles, asks who it is
    /// (`sts:GetCallerIdentity`) and, with Identity Center on, which instance to use (`sso:ListInstances`).
    ///
    /// Cancel-safe: dropping the future leaves nothing behind.
    pub async fn connect(settings: &AwsSettings) -> Result<Self, AccessError> {
        let quotas = Quotas::new(&settings.quotas, settings.workers)?;
        let calls = Arc::new(Calls::new(quotas));
        let base = Base::load(settings).await?;
        let (credentials, foundation) = credentials::establish(settings, &base, &calls).await?;
        let here = base.client_config(base.region(), &credentials);
        let center = base.client_config(&settings.identity_center_region, &credentials);
        let clients = Clients {
            sts: aws_sdk_sts::Client::new(&here),
            iam: aws_sdk_iam::Client::new(&here),
            organizations: aws_sdk_organizations::Client::new(&here),
            sso_admin: aws_sdk_ssoadmin::Client::new(&center),
            identity_store: aws_sdk_identitystore::Client::new(&center),
            cloud_trail: aws_sdk_cloudtrail::Client::new(&center),
            credentials,
        };
        let lane = |account| {
            let credentials = clients.credentials.clone();
            Lane::new(Arc::clone(&calls), credentials, account, Priority::Sync, CancellationToken::new())
        };
        let caller = Sts::new(clients.sts.clone(), lane(None)).caller_identity().await;
        let caller = caller.map_err(|error| AccessError::of_call(error, base.region()))?;
        let lane = lane(Some(caller.account.clone()));
        let instance = if settings.identity_center {
            let organizations = Organizations::new(clients.organizations.clone(), lane.clone());
            let center = clients.sso_admin.clone();
            Some(instance::find(center, lane, settings, &caller.account, &organizations).await?)
        } else {
            None
        };
        let members = Members::new(settings.clone(), base);
        Ok(Self(Arc::new(Inner {
            calls,
            clients,
            members,
            caller,
            foundation,
            instance,
            shelf: Shelf::default(),
        })))
    }

    /// Whoever takes a step on the way to AWS, and IAM of their account: for looking into why the step is refused.
    ///
    /// Cancel-safe.
    pub async fn before(settings: &AwsSettings, step: Step) -> Result<(Caller, Iam), AccessError> {
        let calls = Arc::new(Calls::new(Quotas::new(&settings.quotas, settings.workers)?));
        let base = Base::load(settings).await?;
        let credentials = credentials::before(settings, &base, &calls, step).await?;
        let config = base.client_config(base.region(), &credentials);
        let lane = Lane::for_credentials(calls, credentials);
        let caller = Sts::new(aws_sdk_sts::Client::new(&config), lane.clone()).caller_identity().await;
        let caller = caller.map_err(|error| AccessError::of_call(error, base.region()))?;
        let iam = Iam::new(aws_sdk_iam::Client::new(&config), lane, caller.account.clone());
        Ok((caller, iam))
    }

    /// How far this host's clock is ahead of that of STS, to the second; negative when it is behind. `None` when the
    /// answer tells no time. AWS refuses requests that are signed more than five minutes off.
    ///
    /// An answer that refuses tells the time as well. Cancel-safe.
    pub async fn clock_ahead(&self) -> Result<Option<SignedDuration>, CallError> {
        let lane = self.sync(CancellationToken::new()).lane;
        clock::ahead(&self.0.clients.sts, &lane).await
    }

    /// The same with the base credentials, for where there is no way in: a clock that is off may be why.
    pub async fn clock_ahead_outside(settings: &AwsSettings) -> Result<Option<SignedDuration>, AccessError> {
        let calls = Arc::new(Calls::new(Quotas::new(&settings.quotas, settings.workers)?));
        let base = Base::load(settings).await?;
        let credentials = credentials::ambient(&base).await?;
        let client = aws_sdk_sts::Client::new(&base.client_config(base.region(), &credentials));
        clock::ahead(&client, &Lane::for_credentials(calls, credentials))
            .await
            .map_err(|error| AccessError::of_call(error, base.region()))
    }

    /// The identity behind the calls.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// Whoever the process works as or started as; the identity behind the calls first. STS was asked at the start, and
    /// is asked again where it gave no answer. Cancel-safe.
    pub async fn callers(&self) -> Result<Vec<&Caller>, CallError> {
        let mut callers = vec![self.caller()];
        if let Some(owner) = &self.0.foundation.owner {
            callers.push(owner.caller().await?);
        }
        Ok(callers)
    }

    /// The id of the access key that the process started with; that of a session when its source gives sessions.
    pub fn base_key(&self) -> &str {
        &self.0.foundation.key
    }

    /// The Identity Center instance; `None` when Identity Center is off in the settings.
    pub fn instance(&self) -> Option<&Instance> {
        self.0.instance.as_ref()
    }

    /// Whether the caller's account is the management account of the organization, to which the organization's
    /// instance of Identity Center belongs.
    pub fn is_management_account(&self) -> bool {
        let owner = self.instance().and_then(|instance| instance.owner_account_id.as_deref());
        owner == Some(self.caller().account.as_str())
    }

    /// The texts of AWS-managed policies that were read before.
    pub fn policy_shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// The calls of a crawl. They end with [`Class::Cancelled`] once `cancel` is cancelled.
    pub fn sync(&self, cancel: CancellationToken) -> Api {
        self.api(Priority::Sync, cancel)
    }

    /// The calls of a task that changes AWS: they go before a crawl's where both wait for the same quota. They end
    /// with [`Class::Cancelled`] once `cancel` is cancelled.
    pub fn provisioning(&self, cancel: CancellationToken) -> Api {
        self.api(Priority::Provisioning, cancel)
    }

    /// The counts of all calls so far.
    pub fn stats(&self) -> Stats {
        self.0.calls.stats()
    }

    /// How far each bucket of the quotas was used so far; empty with quotas off.
    pub fn saturation(&self) -> Vec<Saturation> {
        self.0.calls.saturation()
    }

    fn api(&self, priority: Priority, cancel: CancellationToken) -> Api {
        let account = Some(self.0.caller.account.clone());
        let credentials = self.0.clients.credentials.clone();
        let lane = Lane::new(Arc::clone(&self.0.calls), credentials, account, priority, cancel);
        Api { aws: self.clone(), lane }
    }
}

/// The calls of all services, with one priority and one way to be cancelled.
#[derive(Clone, Debug)]
pub struct Api {
    aws: Aws,
    lane: Lane,
}

impl Api {
    /// The same calls, of which none that writes is sent: it answers at once what it would if AWS did as asked.
    #[must_use]
    pub fn rehearsing(self) -> Self {
        Self { lane: self.lane.rehearsing(), ..self }
    }

    /// Calls of STS.
    pub fn sts(&self) -> Sts {
        Sts::new(self.aws.0.clients.sts.clone(), self.lane.clone())
    }

    /// Calls of IAM in the caller's own account.
    pub fn iam(&self) -> Iam {
        Iam::new(self.aws.0.clients.iam.clone(), self.lane.clone(), self.aws.0.caller.account.clone())
    }

    /// Calls of IAM in a member account, by the role that the settings name (`sts:AssumeRole`), entered once per
    /// process; those of the caller's own account need no role.
    ///
    /// # Errors
    /// [`AccessError::is_refusal`] tells a role that refuses from trouble with asking it. Ends when the calls are
    /// cancelled.
    pub async fn member_iam(&self, account: &AccountId) -> Result<Iam, AccessError> {
        let Inner { calls, clients, members, caller, .. } = &*self.aws.0;
        if *account == caller.account {
            return Ok(self.iam());
        }
        let entry = members.enter(account, &caller.partition, calls, &clients.credentials);
        let member = self.lane.until_cancelled(ENTER, entry).await??;
        Ok(Iam::new(member.iam, self.lane.of(account.clone(), member.credentials), account.clone()))
    }

    /// Calls of Organizations.
    pub fn organizations(&self) -> Organizations {
        Organizations::new(self.aws.0.clients.organizations.clone(), self.lane.clone())
    }

    /// Calls of `CloudTrail`, in the region of Identity Center.
    pub fn cloud_trail(&self) -> CloudTrail {
        CloudTrail::new(self.aws.0.clients.cloud_trail.clone(), self.lane.clone())
    }

    /// Calls of SSO Admin. Without an instance ([`Aws::instance`]) AWS refuses them.
    pub fn sso_admin(&self) -> SsoAdmin {
        let instance = self.aws.instance().map(|instance| instance.arn.clone()).unwrap_or_default();
        SsoAdmin::new(self.aws.0.clients.sso_admin.clone(), self.lane.clone(), instance)
    }

    /// Calls of the identity store. Without an instance ([`Aws::instance`]) AWS refuses them.
    pub fn identity_store(&self) -> IdentityStore {
        let store =
            self.aws.instance().map(|instance| instance.identity_store_id.clone()).unwrap_or_default();
        IdentityStore::new(self.aws.0.clients.identity_store.clone(), self.lane.clone(), store)
    }
}

/// What the entry into a member account is called by.
const ENTER: Operation = Operation::safe(Service::Sts, "AssumeRole");

/// What a change gave, with AWS's id of the request, as `CloudTrail` shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written<T> {
    /// What AWS answered.
    pub value: T,
    /// AWS's id of the request.
    pub request_id: Option<String>,
}
