//! What AWS means in Baton: one file per resource type, each with the whole story of that type.
//!
//! To add a type: write its file (rows, entitlements, grants, provisioning, permissions) and name its kind in `KINDS`.

use prost::Name;
use prost_types::{Any, Struct};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::aws::identity_store::ExternalId;
use crate::aws::{AccessError, Api, Aws, Tag};
use crate::baton::id::{self, Directory};
use crate::baton::profile::Profile;
use crate::baton::resource::ResourceExt;
use crate::baton::v2::{
    BatonActionSchema, Capability, ConnectorCapabilities, ConnectorMetadata, CreateAccountRequest,
    CreateAccountResponse, CredentialResourceMode, DeleteResourceResponse, EncryptedData, EncryptionConfig,
    Entitlement, EventFeedMetadata, ExternalLink, Grant, GrantManagerServiceGrantResponse,
    GrantManagerServiceRevokeResponse, IssueCredentialRequest, IssueCredentialResponse, ListEventsRequest,
    ListEventsResponse, RequestId, Resource, ResourceId, ResourceType, RotateCredentialRequest,
    RotateCredentialResponse, SkipEntitlementsAndGrants,
};
use crate::baton::{any, capability};
use crate::config::{AccountKind, AwsSettings};

pub mod access_key;
pub mod account;
pub mod account_iam;
mod account_name;
mod arguments;
pub mod assignment;
mod audit;
mod conflict;
mod envelope;
mod error;
mod federation_token;
pub mod group;
mod guard;
mod holder;
mod iam_change;
mod iam_entity;
pub mod iam_policy;
pub mod iam_user;
pub mod inline_policy;
pub mod last_login;
mod new_account;
pub mod organization;
pub mod organizational_unit;
mod owner;
mod password;
pub mod permission_set;
pub mod permission_set_assignment;
pub mod policy;
mod recent;
mod rehearsal;
pub mod role;
pub mod sso_group;
pub mod sso_user;
mod turns;
mod undelivered;
mod under_way;
mod web_identity;

pub use error::ProvisionError;
pub use holder::Holder;
pub use last_login::FeedError;
pub use owner::account_of;
pub use rehearsal::{Planned, Rehearsal};
pub use undelivered::{Undelivered, Withdrawal};

/// How long the name of the account is waited for.
const ALIAS_PATIENCE: Duration = Duration::from_secs(10);

/// Every resource type of this build, by id.
const KINDS: [Kind; 14] = [
    access_key::KIND,
    account::KIND,
    account_iam::KIND,
    group::KIND,
    iam_policy::KIND,
    iam_user::KIND,
    inline_policy::KIND,
    organization::KIND,
    organizational_unit::KIND,
    permission_set::KIND,
    permission_set_assignment::KIND,
    role::KIND,
    sso_group::KIND,
    sso_user::KIND,
];

/// What the registry knows of a resource type.
struct Kind {
    resource_type: fn() -> ResourceType,
    capabilities: &'static [Capability],
    needs: Needs,
}

/// What the settings must switch on for a resource type.
#[derive(Clone, Copy)]
enum Needs {
    /// Nothing: IAM of the caller's own account is always read.
    Nothing,
    /// Organizations and Identity Center.
    Center,
    /// Reading IAM of member accounts.
    Members,
    /// Reading access keys.
    Secrets,
}

/// The connector: an identity in AWS and the settings that give its facts their ids. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    aws: Aws,
    settings: AwsSettings,
    alias: Option<String>,
    own_name: account_name::OwnName,
    turns: turns::Turns,
    under_way: under_way::UnderWay,
    recent: recent::Recent,
}

impl Connector {
    /// Resolves credentials, assumes the configured roles, and finds the Identity Center instance.
    pub async fn open(settings: &AwsSettings) -> Result<Self, AccessError> {
        let aws = Aws::connect(settings).await?;
        let alias = alias(&aws).await;
        Ok(Self {
            aws,
            settings: settings.clone(),
            alias,
            own_name: account_name::OwnName::default(),
            turns: turns::Turns::default(),
            under_way: under_way::UnderWay::default(),
            recent: recent::Recent::default(),
        })
    }

    /// The calls of a change.
    fn api(&self, provision: &Provision) -> Api {
        let api = self.aws.provisioning(provision.cancel.clone());
        if provision.rehearsal.is_some() { api.rehearsing() } else { api }
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// The way to AWS.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The directory that ids of users and groups are written with.
    pub fn directory(&self) -> Directory {
        let store = self.aws.instance().map(|instance| instance.identity_store_id.clone());
        Directory { region: self.settings.identity_center_region.clone(), store: store.unwrap_or_default() }
    }

    /// The resource types that the settings register, by id.
    pub fn resource_types(&self) -> Vec<ResourceType> {
        registered(&self.settings).map(|kind| (kind.resource_type)()).collect()
    }

    /// What Hello says of this connector. Source: message `ConnectorMetadata`.
    pub fn metadata(&self) -> ConnectorMetadata {
        let account = self.settings.role.as_ref().map(|role| role.account().to_string());
        let name = self.alias.as_deref().map_or_else(|| "AWS".to_owned(), |alias| format!("AWS ({alias})"));
        let mut metadata = ConnectorMetadata {
            display_name: name,
            capabilities: Some(of_kinds(
                announced(&self.settings),
                if self.has_events() {
                    &[Capability::Actions, Capability::EventFeedV2]
                } else {
                    &[Capability::Actions]
                },
                self.settings.account_kind,
                access_key::mode(self.settings.secrets),
            )),
            ..ConnectorMetadata::default()
        };
        metadata.account_creation_schema = Some(new_account::schema(match self.settings.account_kind {
            AccountKind::IamUser => &iam_user::create::FORM,
            AccountKind::SsoUser => &sso_user::create::FORM,
        }));
        if let Some(account) = &account {
            let url = format!("https://{account}.signin.aws.amazon.com/console");
            metadata.annotations.push(any::pack(&ExternalLink { url }));
        }
        let mut profile = Profile::new();
        if let Some(account) = account {
            profile = profile.string("account_id", account);
        }
        if let Some(alias) = &self.alias {
            profile = profile.string("account_name", alias);
        }
        metadata.profile = Some(profile).filter(|profile| !profile.is_empty()).map(Profile::build);
        metadata
    }

    /// The event feeds that the settings switch on.
    pub fn event_feeds(&self) -> Vec<EventFeedMetadata> {
        self.has_events().then(last_login::metadata).into_iter().collect()
    }

    /// The next events of a feed, one page from the request's cursor or time on.
    pub async fn events(
        &self,
        request: &ListEventsRequest,
        cancel: CancellationToken,
    ) -> Result<ListEventsResponse, FeedError> {
        if !self.has_events() || request.event_feed_id != last_login::FEED {
            return Err(FeedError::Unknown(request.event_feed_id.chars().take(256).collect()));
        }
        last_login::events(self, request, cancel).await
    }

    fn has_events(&self) -> bool {
        self.settings.last_login_events && self.settings.organizations && self.settings.identity_center
    }

    /// Grants an entitlement to a principal. Executed twice it has the effect of once.
    pub async fn grant(
        &self,
        entitlement: &Entitlement,
        principal: &Resource,
        provision: &Provision,
    ) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
        let target = resource_of(entitlement)?;
        self.guard(provision).await?.check(target, principal)?;
        let ids = [principal.object_id(), target.object_id()];
        let granting = || self.granting(target, entitlement, principal, provision);
        self.recent.until_found(&ids, provision, granting).await
    }

    async fn granting(
        &self,
        target: &Resource,
        entitlement: &Entitlement,
        principal: &Resource,
        provision: &Provision,
    ) -> Result<GrantManagerServiceGrantResponse, ProvisionError> {
        match target.type_id() {
            sso_group::ID => sso_group::add_member(self, entitlement, principal, provision).await,
            account::ID | permission_set_assignment::ID => {
                assignment::assign(self, entitlement, principal, provision).await
            }
            group::ID => group::add_member(self, entitlement, principal, provision).await,
            iam_policy::ID => iam_policy::attach(self, entitlement, principal, provision).await,
            inline_policy::ID => Err(ProvisionError::Unsupported(
                "an inline policy is part of its holder: it cannot be granted, only be revoked".to_owned(),
            )),
            other => {
                Err(ProvisionError::Unsupported(format!("{other} has no entitlement that can be granted")))
            }
        }
    }

    /// Makes an account: a user of the kind that the settings choose (`BATON_CREATE_ACCOUNT_RESOURCE_TYPE`).
    pub async fn create_account(
        &self,
        request: &CreateAccountRequest,
        provision: &Provision,
    ) -> Result<CreateAccountResponse, ProvisionError> {
        let info = request.account_info.as_ref();
        let info = info.ok_or_else(|| ProvisionError::invalid("the account is missing"))?;
        let (kind, other) = match self.settings.account_kind {
            AccountKind::IamUser => (iam_user::ID, sso_user::ID),
            AccountKind::SsoUser => (sso_user::ID, iam_user::ID),
        };
        match request.resource_type_id.as_str() {
            "" => {}
            wanted if wanted == kind => {}
            wanted if wanted == other => {
                return Err(ProvisionError::Unsupported(format!(
                    "this connector makes accounts of type {kind}: set BATON_CREATE_ACCOUNT_RESOURCE_TYPE={other}"
                )));
            }
            wanted => {
                let wanted: String = wanted.chars().take(64).collect();
                return Err(ProvisionError::Unsupported(format!(
                    "no account can be made of type {wanted:?}"
                )));
            }
        }
        match self.settings.account_kind {
            AccountKind::IamUser => {
                let created = iam_user::create::create(self, request, info, provision);
                self.delivering(provision, created).await
            }
            AccountKind::SsoUser => sso_user::create::create(self, request, info, provision).await,
        }
    }

    /// Deletes a resource. One that is gone is success, with the protocol's annotation.
    pub async fn delete(
        &self,
        id: &ResourceId,
        parent: Option<&ResourceId>,
        provision: &Provision,
    ) -> Result<DeleteResourceResponse, ProvisionError> {
        match id.resource_type.as_str() {
            iam_user::ID => iam_user::delete::delete(self, id, parent, provision).await,
            sso_user::ID => sso_user::delete::delete(self, id, provision).await,
            access_key::ID => access_key::delete::delete(self, id, parent, provision).await,
            other => {
                let other: String = other.chars().take(64).collect();
                Err(ProvisionError::Unsupported(format!("resources of type {other:?} cannot be deleted")))
            }
        }
    }

    /// Replaces the credential of a resource by one that goes to the recipients of the request alone.
    pub async fn rotate_credential(
        &self,
        request: &RotateCredentialRequest,
        provision: &Provision,
    ) -> Result<RotateCredentialResponse, ProvisionError> {
        match request.resource_id.as_ref().map(|id| id.resource_type.as_str()) {
            Some(iam_user::ID) => {
                let rotating = || iam_user::password::rotate(self, request, provision);
                let ids = [identity(request.resource_id.as_ref())];
                let rotated = self.recent.until_found(&ids, provision, rotating);
                self.delivering(provision, rotated).await
            }
            Some(access_key::ID) if self.settings.secrets => {
                self.delivering(provision, access_key::rotate::rotate(self, request, provision)).await
            }
            Some(access_key::ID) => Err(ProvisionError::Unsupported(
                "access keys are rotated where they are read: set BATON_SYNC_SECRETS".to_owned(),
            )),
            other => {
                let other: String = other.unwrap_or_default().chars().take(64).collect();
                Err(ProvisionError::Unsupported(format!("{other:?} has no credential that can be rotated")))
            }
        }
    }

    /// Makes a further credential of an identity, which goes to the recipients of the request alone.
    pub async fn issue_credential(
        &self,
        request: &IssueCredentialRequest,
        provision: &Provision,
    ) -> Result<IssueCredentialResponse, ProvisionError> {
        match request.identity_id.as_ref().map(|id| id.resource_type.as_str()) {
            Some(iam_user::ID) => {
                let issuing = || iam_user::issue::issue(self, request, provision);
                let ids = [identity(request.identity_id.as_ref())];
                let issued = self.recent.until_found(&ids, provision, issuing);
                self.delivering(provision, issued).await
            }
            other => {
                let other: String = other.unwrap_or_default().chars().take(64).collect();
                Err(ProvisionError::Unsupported(format!("no credential can be issued for {other:?}")))
            }
        }
    }

    /// The actions that there are.
    pub fn action_schemas(&self) -> Vec<BatonActionSchema> {
        let federation = federation_token::is_on(&self.settings).then(federation_token::schema);
        std::iter::once(web_identity::schema()).chain(federation).collect()
    }

    /// Whether federation tokens are to be given that AWS refuses to whom this connector works as, whatever its
    /// policies.
    pub fn vends_in_vain(&self) -> bool {
        federation_token::is_on(&self.settings) && !federation_token::is_iam_user(self.aws.caller())
    }

    /// Carries out an action to its end and gives its results. One that has secret results is not begun without
    /// recipients that can be encrypted for.
    pub async fn invoke_action(
        &self,
        name: &str,
        arguments: Struct,
        recipients: &[EncryptionConfig],
        provision: &Provision,
    ) -> Result<ActionResults, ProvisionError> {
        match name {
            web_identity::ACTION => {
                let given = web_identity::invoke(self, arguments, provision);
                let response = self.delivering(provision, given).await?;
                Ok(ActionResults { response, encrypted: Vec::new() })
            }
            federation_token::ACTION if federation_token::is_on(&self.settings) => {
                let given = federation_token::invoke(self, arguments, recipients, provision);
                self.delivering(provision, given).await
            }
            other => Err(ProvisionError::NoAction(other.chars().take(64).collect())),
        }
    }

    /// Revokes a grant. The grant is known by its entitlement and principal; its id may be a placeholder.
    pub async fn revoke(
        &self,
        grant: &Grant,
        provision: &Provision,
    ) -> Result<GrantManagerServiceRevokeResponse, ProvisionError> {
        let (entitlement, principal) = principal_of(grant)?;
        let target = resource_of(entitlement)?;
        self.guard(provision).await?.check(target, principal)?;
        match target.type_id() {
            sso_group::ID => sso_group::remove_member(self, grant, provision).await,
            account::ID | permission_set_assignment::ID => assignment::unassign(self, grant, provision).await,
            group::ID => group::remove_member(self, grant, provision).await,
            iam_policy::ID => iam_policy::detach(self, grant, provision).await,
            inline_policy::ID => inline_policy::delete(self, grant, provision).await,
            other => Err(ProvisionError::Unsupported(format!("{other} has no grant that can be revoked"))),
        }
    }
}

/// Every resource type of this build, by id, whatever the settings.
pub fn all_resource_types() -> Vec<ResourceType> {
    KINDS.iter().map(|kind| (kind.resource_type)()).collect()
}

/// The capabilities of this build, whatever the settings.
pub fn all_capabilities() -> ConnectorCapabilities {
    of_kinds(KINDS.iter(), &[Capability::Actions], AccountKind::IamUser, access_key::mode(true))
}

fn of_kinds<'a>(
    kinds: impl Iterator<Item = &'a Kind>,
    more: &[Capability],
    accounts: AccountKind,
    issued: CredentialResourceMode,
) -> ConnectorCapabilities {
    let kinds = kinds.map(|kind| ((kind.resource_type)(), kind.capabilities.to_vec()));
    capability::of_types(kinds, more, accounts == AccountKind::IamUser, issued)
}

/// The kinds that the settings switch on.
fn registered(settings: &AwsSettings) -> impl Iterator<Item = &'static Kind> {
    let center = settings.organizations && settings.identity_center;
    let members = reads_members(settings);
    let secrets = settings.secrets;
    KINDS.iter().filter(move |kind| match kind.needs {
        Needs::Nothing => true,
        Needs::Center => center,
        Needs::Members => members,
        Needs::Secrets => secrets,
    })
}

/// What a hello says there is: what a sync reads, and the type of the keys that are issued, which is to be deleted even
/// where no sync reads it.
fn announced(settings: &AwsSettings) -> impl Iterator<Item = &'static Kind> {
    registered(settings).chain((!settings.secrets).then_some(&access_key::ISSUED))
}

/// Whether IAM of member accounts is read, and may be changed.
fn reads_members(settings: &AwsSettings) -> bool {
    settings.organizations && (!settings.identity_center || settings.cross_account_iam)
}

/// The types of a sync as a type filter leaves them: users and permission sets have no grants but those of managed
/// policies.
pub fn under_filter(types: Vec<ResourceType>) -> Vec<ResourceType> {
    if types.iter().any(|kind| kind.id == iam_policy::ID) {
        return types;
    }
    let skipping = |mut kind: ResourceType| {
        if [iam_user::ID, permission_set::ID].contains(&kind.id.as_str()) {
            kind.annotations.push(any::pack(&SkipEntitlementsAndGrants {}));
        }
        kind
    };
    types.into_iter().map(skipping).collect()
}

/// The name of the caller's account, when it has exactly one. Nothing else depends on it: without the permission the
/// connector goes unnamed.
async fn alias(aws: &Aws) -> Option<String> {
    let iam = aws.sync(CancellationToken::new()).iam();
    match timeout(ALIAS_PATIENCE, iam.account_aliases()).await.ok()? {
        Ok(aliases) => <[String; 1]>::try_from(aliases).ok().map(|[alias]| alias),
        Err(error) => {
            tracing::debug!(%error, "the account's alias is not known");
            None
        }
    }
}

/// What an action gives.
#[derive(Clone, Debug, Default)]
pub struct ActionResults {
    /// The open results, by name.
    pub response: Struct,
    /// The secret ones, each for every recipient, under the name that the action's schema gives it.
    pub encrypted: Vec<EncryptedData>,
}

/// The task that asks for a change.
#[derive(Clone, Debug)]
pub struct Provision {
    /// The id of the task, for the audit line; `one-shot` from the command line.
    pub task_id: String,
    /// Ends waits and calls; what AWS was already told may still happen.
    pub cancel: CancellationToken,
    /// Where the change is only rehearsed: nothing is written, and what would be is kept there.
    pub rehearsal: Option<Rehearsal>,
    /// The credential that the task made, as long as it is not handed out.
    pub undelivered: Undelivered,
}

impl Provision {
    /// A change that is made.
    pub fn new(task_id: impl Into<String>, cancel: CancellationToken) -> Self {
        Self { task_id: task_id.into(), cancel, rehearsal: None, undelivered: Undelivered::default() }
    }

    /// Notes a credential that is made, or is about to be, until it is handed out.
    fn makes(&self, credential: undelivered::Credential) {
        if self.rehearsal.is_none() {
            self.undelivered.set(credential);
        }
    }

    /// Waits; cancelled, it ends at once.
    async fn pause(&self, wait: Duration) -> Result<(), ProvisionError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(ProvisionError::Cancelled),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

/// The object id; empty where there is none.
fn identity(id: Option<&ResourceId>) -> &str {
    id.map_or("", |id| &id.resource)
}

fn marker<M: Name>(annotation: &M) -> Any {
    any::pack(annotation)
}

fn resource_of(entitlement: &Entitlement) -> Result<&Resource, ProvisionError> {
    let resource = entitlement.resource.as_ref().filter(|resource| !resource.type_id().is_empty());
    resource.ok_or_else(|| ProvisionError::invalid("the entitlement names no resource"))
}

fn principal_of(grant: &Grant) -> Result<(&Entitlement, &Resource), ProvisionError> {
    match (&grant.entitlement, &grant.principal) {
        (Some(entitlement), Some(principal)) => Ok((entitlement, principal)),
        _ => Err(ProvisionError::invalid("the grant names no entitlement or no principal")),
    }
}

fn granted(
    grants: Vec<Grant>,
    annotations: Vec<Any>,
    request_id: Option<String>,
) -> GrantManagerServiceGrantResponse {
    GrantManagerServiceGrantResponse { annotations: with_request_id(annotations, request_id), grants }
}

fn revoked(annotations: Vec<Any>, request_id: Option<String>) -> GrantManagerServiceRevokeResponse {
    GrantManagerServiceRevokeResponse { annotations: with_request_id(annotations, request_id) }
}

fn with_request_id(mut annotations: Vec<Any>, request_id: Option<String>) -> Vec<Any> {
    annotations.extend(request_id.map(|request_id| any::pack(&RequestId { request_id })));
    annotations
}

/// A grant as the protocol's kit makes it: the entitlement with its id and resource alone.
fn plain_grant(resource: &Resource, slug: &str, principal: Resource) -> Grant {
    let entitlement = id::entitlement_id(resource.type_id(), resource.object_id(), slug);
    Grant {
        id: id::grant_id(&entitlement, principal.type_id(), principal.object_id()),
        entitlement: Some(Entitlement {
            id: entitlement,
            resource: Some(resource.clone()),
            ..Entitlement::default()
        }),
        principal: Some(principal),
        ..Grant::default()
    }
}

/// The resource type of this id.
fn type_of(id: &str) -> Option<ResourceType> {
    KINDS.iter().map(|kind| (kind.resource_type)()).find(|kind| kind.id == id)
}

/// Tags as the object that a profile always holds, empty without any.
fn tags_object(tags: &[Tag]) -> Profile {
    tags.iter().fold(Profile::new(), |profile, tag| profile.string(&tag.key, &tag.value))
}

/// Adds the text of a policy, when it is known and not empty.
fn with_document(profile: Profile, document: Option<&str>) -> Profile {
    match document.filter(|document| !document.is_empty()) {
        Some(document) => profile.string("policy_document", document),
        None => profile,
    }
}

/// Adds the ids that an external directory knows a user or group by, when there are any.
fn with_external_ids(profile: Profile, ids: &[ExternalId]) -> Profile {
    if ids.is_empty() {
        return profile;
    }
    let ids = ids.iter().map(|id| Profile::new().string("id", &id.id).string("issuer", &id.issuer));
    profile.list("external_ids", ids)
}

#[cfg(test)]
mod tests;
