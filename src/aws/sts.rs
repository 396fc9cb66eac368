//! Security Token Service: who calls, whose an access key is, and sessions of roles.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag as StsTag};
use aws_types::request_id::RequestId as _;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::Written;
use super::account::AccountId;
use super::call::{Answer, Lane};
use super::error::CallError;
use super::operation::{Operation, Service};
use super::tag::Tag;
use crate::config::{RoleArn, Secret};

pub(super) const GET_CALLER_IDENTITY: Operation = Operation::safe(Service::Sts, "GetCallerIdentity");
const GET_ACCESS_KEY_INFO: Operation = Operation::safe(Service::Sts, "GetAccessKeyInfo");
// Of all three, a second session does no harm.
const ASSUME_ROLE: Operation = Operation::safe(Service::Sts, "AssumeRole");
const GET_FEDERATION_TOKEN: Operation = Operation::safe(Service::Sts, "GetFederationToken");
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

/// A session of a role for the holder of a token.
#[derive(Debug)]
pub struct WebSession {
    /// The ARN of the session.
    pub arn: String,
    /// What it calls with.
    pub credentials: SessionCredentials,
}

/// Which federated user is to have credentials. AWS gives them what both the calling user and a policy here may do.
#[derive(Debug)]
pub struct Federation<'a> {
    /// The name of the federated user: a label.
    pub name: &'a str,
    /// The life of the credentials, in seconds; `None` leaves it to AWS.
    pub seconds: Option<i32>,
    /// What they may do, as JSON.
    pub policy: Option<&'a str>,
    /// The ARNs of managed policies that say so.
    pub policies: &'a [String],
    /// The tags of the session.
    pub tags: &'a [Tag],
    /// The least size of the session's token, in bytes; `None` leaves it to AWS.
    pub token_size: Option<i32>,
}

/// A session of a federated user.
#[derive(Debug)]
pub struct FederatedSession {
    /// The ARN of the federated user.
    pub arn: String,
    /// AWS's id of it.
    pub id: String,
    /// The size of the session's token, in bytes, where AWS tells it.
    pub token_size: Option<i32>,
    /// How much of the room for policies and tags is used, in percent, where AWS tells it.
    pub token_utilization: Option<i32>,
    /// What it calls with.
    pub credentials: SessionCredentials,
}

/// The credentials of a session. `Debug` shows none of them. No length of a token is taken for granted.
#[derive(Debug)]
pub struct SessionCredentials {
    /// The id of its key.
    pub access_key_id: SecretString,
    /// The secret of its key.
    pub secret_access_key: SecretString,
    /// Its token.
    pub session_token: SecretString,
    /// When it ends.
    pub expiration: Timestamp,
}

impl SessionCredentials {
    /// What an answer holds, whole or not at all; the error says what is missing.
    fn of(given: Option<aws_sdk_sts::types::Credentials>) -> Result<Self, &'static str> {
        let given = given.ok_or("no credentials in it")?;
        let whole = [&given.access_key_id, &given.secret_access_key, &given.session_token];
        if whole.into_iter().any(String::is_empty) {
            return Err("the credentials are incomplete");
        }
        let expiration = Timestamp::from_second(given.expiration.secs())
            .map_err(|_| "the credentials' expiration is no time")?;
        Ok(Self {
            access_key_id: given.access_key_id.into(),
            secret_access_key: given.secret_access_key.into(),
            session_token: given.session_token.into(),
            expiration,
        })
    }
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
        let credentials = SessionCredentials::of(answer.credentials).map_err(malformed)?;
        Ok(Written { value: WebSession { arn, credentials }, request_id })
    }

    /// A session of a federated user (`sts:GetFederationToken`). AWS gives it to the access keys of an IAM user alone,
    /// not to a session.
    pub async fn federation_token(
        &self,
        federation: &Federation<'_>,
    ) -> Result<Written<FederatedSession>, CallError> {
        const CALL: Operation = GET_FEDERATION_TOKEN;
        let malformed = |what: &str| self.lane.malformed(CALL, what);
        let arns = federation.policies.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
        let tags =
            federation.tags.iter().map(|tag| StsTag::builder().key(&tag.key).value(&tag.value).build());
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(|_| malformed("a tag cannot be sent"))?;
        let request = self
            .client
            .get_federation_token()
            .name(federation.name)
            .set_duration_seconds(federation.seconds)
            .set_policy(federation.policy.map(str::to_owned))
            .set_policy_arns(Some(arns.collect()).filter(|arns: &Vec<_>| !arns.is_empty()))
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
            .set_minimum_session_token_size(federation.token_size);
        // The SDK would make up what is missing.
        let whole = Answer::xml(CALL.name).holding("Expiration");
        let answer = self.lane.send(CALL, || request.clone().customize().interceptor(whole).send()).await?;
        let request_id = answer.request_id().map(str::to_owned);
        let user = answer.federated_user.filter(|user| !user.arn.is_empty());
        let user = user.ok_or_else(|| malformed("it names no federated user"))?;
        let value = FederatedSession {
            arn: user.arn,
            id: user.federated_user_id,
            token_size: answer.session_token_size,
            token_utilization: answer.session_token_utilization,
            credentials: SessionCredentials::of(answer.credentials).map_err(malformed)?,
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
