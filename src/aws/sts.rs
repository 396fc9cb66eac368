//! Security Token Service: who calls, and sessions of roles.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use secrecy::ExposeSecret;

use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};
use crate::config::{RoleArn, Secret};

const GET_CALLER_IDENTITY: Operation = Operation::safe(Service::Sts, "GetCallerIdentity");
// A second session does no harm.
const ASSUME_ROLE: Operation = Operation::safe(Service::Sts, "AssumeRole");

/// Calls of STS.
#[derive(Clone, Debug)]
pub struct Sts {
    client: Client,
    lane: Lane,
}

impl Sts {
    pub(super) fn new(client: Client, lane: Lane) -> Self {
        Self { client, lane }
    }

    /// Who calls (`sts:GetCallerIdentity`). Needs no permission.
    pub async fn caller_identity(&self) -> Result<Caller, CallError> {
        let whole = Answer::xml(GET_CALLER_IDENTITY.name);
        let answer = self
            .lane
            .send(GET_CALLER_IDENTITY, || {
                self.client.get_caller_identity().customize().interceptor(whole).send()
            })
            .await?;
        let caller = Caller::from_arn(answer.arn().unwrap_or_default(), answer.account().unwrap_or_default());
        caller.ok_or_else(|| self.lane.malformed(GET_CALLER_IDENTITY, "it names no account or no ARN"))
    }

    /// A session of a role (`sts:AssumeRole`) with STS's default life of one hour, which role chaining allows too.
    /// The external id is sent as given; the secrets of the answer go into the credentials alone.
    pub(super) async fn assume_role(
        &self,
        role: &RoleArn,
        external_id: Option<&Secret>,
        session_name: &str,
    ) -> Result<Credentials, CallError> {
        let answer = self
            .lane
            .send(ASSUME_ROLE, || {
                self.client
                    .assume_role()
                    .role_arn(role.to_string())
                    .role_session_name(session_name)
                    .set_external_id(external_id.map(|id| id.expose_secret().to_owned()))
                    .customize()
                    .interceptor(Answer::xml(ASSUME_ROLE.name))
                    .send()
            })
            .await?;
        let session =
            answer.credentials().ok_or_else(|| self.lane.malformed(ASSUME_ROLE, "no credentials in it"))?;
        let expiry = SystemTime::try_from(*session.expiration())
            .map_err(|_| self.lane.malformed(ASSUME_ROLE, "the credentials' expiration is no time"))?;
        Ok(Credentials::new(
            session.access_key_id(),
            session.secret_access_key(),
            Some(session.session_token().to_owned()),
            Some(expiry),
            "assumed role",
        ))
    }
}

/// The identity behind the calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The account that the calls are made from.
    pub account: AccountId,
    /// The ARN of the user or of the role's session.
    pub arn: String,
    /// The partition, for example `aws`.
    pub partition: String,
}

impl Caller {
    pub(super) fn from_arn(arn: &str, account: &str) -> Option<Self> {
        let partition =
            arn.strip_prefix("arn:")?.split(':').next().filter(|partition| !partition.is_empty())?;
        Some(Self { account: account.parse().ok()?, arn: arn.to_owned(), partition: partition.to_owned() })
    }
}
