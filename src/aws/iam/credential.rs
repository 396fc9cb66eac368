//! What a user signs in with: a password, access keys.

use aws_sdk_iam::types::StatusType;
use aws_types::request_id::RequestId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::change::change;
use super::{AccessKey, Iam, Verified, present, status, time};
use crate::aws::Written;
use crate::aws::call::Answer;
use crate::aws::error::CallError;
use crate::aws::operation::{Operation, Service};

// A second creation is answered with a conflict, a second update changes nothing more.
const CREATE_LOGIN_PROFILE: Operation = Operation::safe(Service::Iam, "CreateLoginProfile");
const GET_LOGIN_PROFILE: Operation = Operation::safe(Service::Iam, "GetLoginProfile");
const UPDATE_LOGIN_PROFILE: Operation = Operation::safe(Service::Iam, "UpdateLoginProfile");
// A second creation makes a second key.
const CREATE_ACCESS_KEY: Operation = Operation::once(Service::Iam, "CreateAccessKey");
// A second update changes nothing more.
const UPDATE_ACCESS_KEY: Operation = Operation::safe(Service::Iam, "UpdateAccessKey");

/// What a user signs in to the console with, without the password itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginProfile {
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether the next sign-in asks for a new password.
    pub reset_required: bool,
}

/// A key as it was made, with the secret that AWS tells this once.
#[derive(Debug)]
pub struct NewAccessKey {
    /// The key, as listings show it.
    pub key: AccessKey,
    /// Its secret.
    pub secret: SecretString,
}

impl Iam {
    /// What a user signs in to the console with (`iam:GetLoginProfile`). A user without a password has none, which is
    /// a [`Class::NotFound`](crate::aws::Class::NotFound), as a user that does not exist is.
    pub async fn login_profile(&self, user: &str) -> Result<LoginProfile, CallError> {
        let request = self.client.get_login_profile().user_name(user);
        // The SDK would make up what is missing.
        let whole = Answer::xml(GET_LOGIN_PROFILE.name).holding("CreateDate");
        let answer = self
            .lane
            .send(GET_LOGIN_PROFILE, || request.clone().customize().interceptor(whole).send())
            .await?;
        let profile = answer.login_profile;
        let profile =
            profile.ok_or_else(|| self.lane.malformed(GET_LOGIN_PROFILE, "it holds no login profile"))?;
        Ok(LoginProfile {
            created: time(&self.lane, GET_LOGIN_PROFILE, Some(profile.create_date))?,
            reset_required: profile.password_reset_required,
        })
    }

    /// Gives a user who has none a password (`iam:CreateLoginProfile`). One who has is a
    /// [`Class::Conflict`](crate::aws::Class::Conflict) that does not pass.
    pub async fn create_login_profile(
        &self,
        user: &Verified,
        password: &SecretString,
        reset: bool,
    ) -> Result<Written<()>, CallError> {
        let request = self.client.create_login_profile().user_name(user.name());
        let request = request.password(password.expose_secret()).password_reset_required(reset);
        change!(self, CREATE_LOGIN_PROFILE, request)
    }

    /// Replaces the password of a user (`iam:UpdateLoginProfile`). A user without one, like one who does not exist, is
    /// a [`Class::NotFound`](crate::aws::Class::NotFound).
    pub async fn update_login_profile(
        &self,
        user: &Verified,
        password: &SecretString,
        reset: bool,
    ) -> Result<Written<()>, CallError> {
        let request = self.client.update_login_profile().user_name(user.name());
        let request = request.password(password.expose_secret()).password_reset_required(reset);
        change!(self, UPDATE_LOGIN_PROFILE, request)
    }

    /// Makes an access key (`iam:CreateAccessKey`). It is sent once: after a lost reply there may be a key whose secret
    /// nobody has.
    pub async fn create_access_key(&self, user: &Verified) -> Result<Written<NewAccessKey>, CallError> {
        if self.lane.rehearses() {
            let key = AccessKey { id: "AKIA".to_owned(), created: None, status: status(None) };
            return Ok(Written {
                value: NewAccessKey { key, secret: String::new().into() },
                request_id: None,
            });
        }
        let request = self.client.create_access_key().user_name(user.name());
        let whole = Answer::xml(CREATE_ACCESS_KEY.name);
        let answer = self
            .lane
            .send(CREATE_ACCESS_KEY, || request.clone().customize().interceptor(whole).send())
            .await?;
        let request_id = answer.request_id().map(str::to_owned);
        let made =
            answer.access_key.ok_or_else(|| self.lane.malformed(CREATE_ACCESS_KEY, "it holds no key"))?;
        let id = present(&self.lane, CREATE_ACCESS_KEY, "AccessKeyId", Some(made.access_key_id))?;
        let secret = present(&self.lane, CREATE_ACCESS_KEY, "SecretAccessKey", Some(made.secret_access_key))?;
        let created = time(&self.lane, CREATE_ACCESS_KEY, made.create_date)?;
        let key = AccessKey { id, created, status: status(Some(&made.status)) };
        Ok(Written { value: NewAccessKey { key, secret: secret.into() }, request_id })
    }

    /// Makes an access key of a user work again (`iam:UpdateAccessKey`). A key that the user has not is a
    /// [`Class::NotFound`](crate::aws::Class::NotFound).
    pub async fn activate_access_key(&self, user: &Verified, key: &str) -> Result<Written<()>, CallError> {
        let request = self.client.update_access_key().user_name(user.name()).access_key_id(key);
        change!(self, UPDATE_ACCESS_KEY, request.status(StatusType::Active))
    }

    /// Makes an access key of a user work no longer (`iam:UpdateAccessKey`); it can be made to work again. A key that the
    /// user has not is a [`Class::NotFound`](crate::aws::Class::NotFound).
    pub async fn deactivate_access_key(&self, user: &Verified, key: &str) -> Result<Written<()>, CallError> {
        let request = self.client.update_access_key().user_name(user.name()).access_key_id(key);
        change!(self, UPDATE_ACCESS_KEY, request.status(StatusType::Inactive))
    }
}
