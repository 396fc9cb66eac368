//! An AWS that can be broken: STS, Organizations, Identity Store, SSO Admin, IAM and `CloudTrail` on one loopback
//! endpoint, for any SDK that honours `AWS_ENDPOINT_URL`.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use testbed::aws::{Effect, Fault, Fixture, Server};
//!
//! let aws = Server::start(Fixture::example()?).await?;
//! aws.arm(Fault::once("sso:ListPermissionSets", Effect::Throttle));
//! let connector = aws.credentials(); // sign with these, against aws.url()
//! assert_eq!(aws.counters().calls("sso:ListPermissionSets"), 0);
//! # Ok(()) }
//! ```

mod admin;
mod endpoint;
mod fault;
mod fixture;
mod ids;
mod knobs;
mod ledger;
mod listener;
mod metadata;
mod past;
mod quota;
mod server;
mod service;
mod signature;
mod state;
mod ticket;
mod wire;
mod world;

pub use fault::{Effect, Fault};
pub use fixture::{
    Account, AccountState, Assignment as FixtureAssignment, DelegatedAdministrator, ExternalId, Fixture,
    FixtureError, Group, IamRole, IamShape, IamUser, IdentityCenter, Instance, InstancePrefix, NetworkRules,
    Organization, OrganizationalUnit, OtherInstance, PermissionSet, Principals, Region, ServiceControlPolicy,
    Shape, Trust, User, iam,
};
pub use knobs::{AccountFields, Knobs, Lagging};
pub use ledger::{Count, Counters, Entry};
pub use quota::{Quota, Quotas, Scope, documented as documented_quotas, per_account as account_quotas};
pub use server::{Credentials, Membership, Server, StartError, Transport};
pub use service::{Served, served};
pub use world::assignments::{Assignment, PrincipalType};
