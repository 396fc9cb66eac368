//! Security Token Service: who calls, whose an access key is, and sessions of roles.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_types::request_id::RequestId as _;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::Written;
use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};
use crate::config::{RoleArn, Secret};

pub(super) const GET_CALLER_IDENTITY: Operation = Operation::safe(Service::Sts, "GetCallerIdentity");
const GET_ACCESS_KEY_INFO: Operation = Operation::safe(Service::Sts, "GetAccessKeyInfo");
// Of both, a second session does no harm.
const ASSUME_ROLE: Operation = Operation::safe(Service::Sts, "AssumeRole");
const ASSUME_ROLE_WITH_WEB_IDENTITY: Operation =
    Operation::safe(Service::Sts, "AssumeRoleWithWebIdentity").unsigned();

/// Whose session of which role is asked for.
#[derive(Debug)]
pub struct WebIdentity<'a> {
    /// The ARN of the role.
    pub role: &'a str,
    /// The token of the identity, which the role's trust names the issuer of.
    pub token: &'a SecretString,
    /// The name of the session.
    pub session_name: &'a str,
    /// Its life, in seconds.
    pub seconds: i32,
    /// What narrows the role's rights, as JSON.
    pub policy: Option<&'a str>,
}

/// The credentials of a session. `Debug` shows none of them.
#[derive(Debug)]
pub struct WebSession {
    /// The ARN of the session.
    pub arn: String,
    /// The id of its key.
    pub access_key_id: SecretString,
    /// The secret of its key.
    pub secret_access_key: SecretString,
    /// Its token.
    pub session_token: SecretString,
    /// When it ends.
    pub expiration: Timestamp,
}

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

    /// The account of an access key, whoever asks (`sts:GetAccessKeyInfo`). It says nothing of the key's state: AWS may
    /// tell the account of one that is deleted. An id that AWS cannot read is a
    /// [`Class::Invalid`](super::Class::Invalid).
    pub async fn account_of_key(&self, key: &str) -> Result<AccountId, CallError> {
        let request = self.client.get_access_key_info().access_key_id(key);
        let whole = Answer::xml(GET_ACCESS_KEY_INFO.name);
        let answer = self
            .lane
            .send(GET_ACCESS_KEY_INFO, || request.clone().customize().interceptor(whole).send())
            .await?;
        let account = answer.account().and_then(|account| account.parse().ok());
        account.ok_or_else(|| self.lane.malformed(GET_ACCESS_KEY_INFO, "it names no account"))
    }

    /// A session of a role for the holder of a token (`sts:AssumeRoleWithWebIdentity`). The call is not signed and needs
    /// no permission: the token is the proof.
    pub async fn assume_role_with_web_identity(
        &self,
        identity: &WebIdentity<'_>,
    ) -> Result<Written<WebSession>, CallError> {
        const CALL: Operation = ASSUME_ROLE_WITH_WEB_IDENTITY;
        let WebIdentity { role, token, session_name, seconds, policy } = *identity;
        let answer = self
            .lane
            .send(CALL, || {
                self.client
                    .assume_role_with_web_identity()
                    .role_arn(role)
                    .web_identity_token(token.expose_secret())
                    .role_session_name(session_name)
                    .duration_seconds(seconds)
                    .set_policy(policy.map(str::to_owned))
                    .customize()
                    .interceptor(Answer::xml(CALL.name))
                    .send()
            })
            .await?;
        let request_id = answer.request_id().map(str::to_owned);
        let malformed = |what: &str| self.lane.malformed(CALL, what);
        let user = answer.assumed_role_user.filter(|user| !user.arn.is_empty());
        let arn = user.ok_or_else(|| malformed("it names no session"))?.arn;
        let session = answer.credentials.ok_or_else(|| malformed("no credentials in it"))?;
        let whole = [&session.access_key_id, &session.secret_access_key, &session.session_token];
        if whole.into_iter().any(String::is_empty) {
            return Err(malformed("the credentials are incomplete"));
        }
        let expiration = Timestamp::from_second(session.expiration.secs())
            .map_err(|_| malformed("the credentials' expiration is no time"))?;
        let value = WebSession {
            arn,
            access_key_id: session.access_key_id.into(),
            secret_access_key: session.secret_access_key.into(),
            session_token: session.session_token.into(),
            expiration,
        };
        Ok(Written { value, request_id })
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
