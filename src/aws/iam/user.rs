//! A user's beginning and end: what makes one, and what deletes all that one may have.

use aws_sdk_iam::types;
use aws_types::request_id::RequestId;
use futures::stream::BoxStream;

use super::change::change;
use super::{Iam, PAGE, User, Verified, next, present, read};
use crate::aws::call::Answer;
use crate::aws::error::CallError;
use crate::aws::operation::{Operation, Service};
use crate::aws::pages::pages;
use crate::aws::{Tag, Written};

const GET_USER: Operation = Operation::safe(Service::Iam, "GetUser");
// A second creation is answered with a conflict, a second deletion with "not found": neither does harm.
const CREATE_USER: Operation = Operation::safe(Service::Iam, "CreateUser");
const DELETE_USER: Operation = Operation::safe(Service::Iam, "DeleteUser");
const DELETE_LOGIN_PROFILE: Operation = Operation::safe(Service::Iam, "DeleteLoginProfile");
const DELETE_ACCESS_KEY: Operation = Operation::safe(Service::Iam, "DeleteAccessKey");
const LIST_SIGNING_CERTIFICATES: Operation = Operation::safe(Service::Iam, "ListSigningCertificates");
const DELETE_SIGNING_CERTIFICATE: Operation = Operation::safe(Service::Iam, "DeleteSigningCertificate");
const LIST_SSH_PUBLIC_KEYS: Operation = Operation::safe(Service::Iam, "ListSSHPublicKeys");
const DELETE_SSH_PUBLIC_KEY: Operation = Operation::safe(Service::Iam, "DeleteSSHPublicKey");
const LIST_SERVICE_CREDENTIALS: Operation = Operation::safe(Service::Iam, "ListServiceSpecificCredentials");
const DELETE_SERVICE_CREDENTIAL: Operation = Operation::safe(Service::Iam, "DeleteServiceSpecificCredential");
const LIST_MFA_DEVICES: Operation = Operation::safe(Service::Iam, "ListMFADevices");
const DEACTIVATE_MFA_DEVICE: Operation = Operation::safe(Service::Iam, "DeactivateMFADevice");
const DELETE_VIRTUAL_MFA_DEVICE: Operation = Operation::safe(Service::Iam, "DeleteVirtualMFADevice");

/// Something that a user has and that has an id of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Belonging {
    /// An access key.
    AccessKey,
    /// A signing certificate.
    SigningCertificate,
    /// An SSH public key.
    SshPublicKey,
    /// A credential for a single service.
    ServiceCredential,
    /// An MFA device, by its serial number; that of a virtual one is an ARN.
    MfaDevice,
}

/// Ids of one kind of belongings, by pages.
macro_rules! ids {
    ($iam:ident, $user:ident, $operation:expr, $method:ident, $list:literal, |$page:ident| $items:expr) => {{
        let (client, user) = ($iam.client.clone(), $user.to_owned());
        pages($iam.lane.clone(), $operation, move |lane, marker| {
            let request = client.$method().user_name(&user).max_items(PAGE).set_marker(marker);
            async move {
                let whole = Answer::xml($operation.name).holding($list);
                let $page =
                    lane.send($operation, || request.clone().customize().interceptor(whole).send()).await?;
                let next = next(&lane, $operation, $page.is_truncated, $page.marker)?;
                read($items, next, |id| present(&lane, $operation, "id", Some(id)))
            }
        })
    }};
}

impl Iam {
    /// A user (`iam:GetUser`). One that does not exist is a [`Class::NotFound`](crate::aws::Class::NotFound).
    pub async fn user(&self, name: &str) -> Result<User, CallError> {
        let request = self.client.get_user().user_name(name);
        let whole = Answer::xml(GET_USER.name);
        let answer =
            self.lane.send(GET_USER, || request.clone().customize().interceptor(whole).send()).await?;
        let user = answer.user.ok_or_else(|| self.lane.malformed(GET_USER, "it holds no user"))?;
        User::read(user, GET_USER, &self.lane)
    }

    /// Makes a user with these tags, at path `/` (`iam:CreateUser`). A name that is taken, in whatever case, is a
    /// [`Class::Conflict`](crate::aws::Class::Conflict) that does not pass.
    pub async fn create_user(&self, name: &str, tags: &[Tag]) -> Result<Written<User>, CallError> {
        if self.lane.rehearses() {
            let value = User {
                arn: format!("arn:aws:iam::{}:user/{name}", self.account),
                id: String::new(),
                name: name.to_owned(),
                path: "/".to_owned(),
                password_last_used: None,
            };
            return Ok(Written { value, request_id: None });
        }
        let tags = tags.iter().map(|tag| types::Tag::builder().key(&tag.key).value(&tag.value).build());
        let tags: Result<Vec<_>, _> = tags.collect();
        let tags = tags.map_err(|error| self.lane.malformed(CREATE_USER, error.to_string()))?;
        let tags = Some(tags).filter(|tags| !tags.is_empty());
        let request = self.client.create_user().user_name(name).set_tags(tags);
        let whole = Answer::xml(CREATE_USER.name);
        let answer =
            self.lane.send(CREATE_USER, || request.clone().customize().interceptor(whole).send()).await?;
        let request_id = answer.request_id().map(str::to_owned);
        let user = answer.user.ok_or_else(|| self.lane.malformed(CREATE_USER, "it holds no user"))?;
        Ok(Written { value: User::read(user, CREATE_USER, &self.lane)?, request_id })
    }

    /// Deletes a user who has nothing any more (`iam:DeleteUser`).
    pub async fn delete_user(&self, user: &Verified) -> Result<Written<()>, CallError> {
        change!(self, DELETE_USER, self.client.delete_user().user_name(user.name()))
    }

    /// Deletes a user's password (`iam:DeleteLoginProfile`).
    pub async fn delete_login_profile(&self, user: &Verified) -> Result<Written<()>, CallError> {
        change!(self, DELETE_LOGIN_PROFILE, self.client.delete_login_profile().user_name(user.name()))
    }

    /// Ids of what a user has of one kind, by pages (`iam:ListAccessKeys`, `ListSigningCertificates`,
    /// `ListSSHPublicKeys`, `ListServiceSpecificCredentials`, `ListMFADevices`).
    pub fn belongings(
        &self,
        user: &str,
        of: Belonging,
    ) -> BoxStream<'static, Result<Vec<String>, CallError>> {
        use futures::{StreamExt as _, TryStreamExt as _};
        match of {
            Belonging::AccessKey => {
                let keys = self.access_keys(user);
                keys.map_ok(|keys| keys.into_iter().map(|key| key.id).collect()).boxed()
            }
            Belonging::SigningCertificate => ids!(
                self,
                user,
                LIST_SIGNING_CERTIFICATES,
                list_signing_certificates,
                "Certificates",
                |page| page.certificates.into_iter().map(|one| one.certificate_id).collect()
            ),
            Belonging::SshPublicKey => {
                ids!(self, user, LIST_SSH_PUBLIC_KEYS, list_ssh_public_keys, "SSHPublicKeys", |page| page
                    .ssh_public_keys
                    .unwrap_or_default()
                    .into_iter()
                    .map(|one| one.ssh_public_key_id)
                    .collect())
            }
            Belonging::ServiceCredential => ids!(
                self,
                user,
                LIST_SERVICE_CREDENTIALS,
                list_service_specific_credentials,
                "ServiceSpecificCredentials",
                |page| page
                    .service_specific_credentials
                    .unwrap_or_default()
                    .into_iter()
                    .map(|one| one.service_specific_credential_id)
                    .collect()
            ),
            Belonging::MfaDevice => {
                ids!(self, user, LIST_MFA_DEVICES, list_mfa_devices, "MFADevices", |page| page
                    .mfa_devices
                    .into_iter()
                    .map(|one| one.serial_number)
                    .collect())
            }
        }
    }

    /// Takes one of these from a user (`iam:DeleteAccessKey`, `DeleteSigningCertificate`, `DeleteSSHPublicKey`,
    /// `DeleteServiceSpecificCredential`, `DeactivateMFADevice`).
    pub async fn remove_belonging(
        &self,
        user: &Verified,
        of: Belonging,
        id: &str,
    ) -> Result<Written<()>, CallError> {
        let (client, user) = (&self.client, user.name());
        match of {
            Belonging::AccessKey => {
                change!(self, DELETE_ACCESS_KEY, client.delete_access_key().user_name(user).access_key_id(id))
            }
            Belonging::SigningCertificate => change!(
                self,
                DELETE_SIGNING_CERTIFICATE,
                client.delete_signing_certificate().user_name(user).certificate_id(id)
            ),
            Belonging::SshPublicKey => change!(
                self,
                DELETE_SSH_PUBLIC_KEY,
                client.delete_ssh_public_key().user_name(user).ssh_public_key_id(id)
            ),
            Belonging::ServiceCredential => change!(
                self,
                DELETE_SERVICE_CREDENTIAL,
                client
                    .delete_service_specific_credential()
                    .user_name(user)
                    .service_specific_credential_id(id)
            ),
            Belonging::MfaDevice => change!(
                self,
                DEACTIVATE_MFA_DEVICE,
                client.deactivate_mfa_device().user_name(user).serial_number(id)
            ),
        }
    }

    /// Deletes a virtual MFA device that nobody uses any more (`iam:DeleteVirtualMFADevice`).
    pub async fn delete_virtual_mfa_device(&self, serial: &str) -> Result<Written<()>, CallError> {
        let request = self.client.delete_virtual_mfa_device().serial_number(serial);
        change!(self, DELETE_VIRTUAL_MFA_DEVICE, request)
    }
}
