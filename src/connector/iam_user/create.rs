//! The beginning of an IAM user, in the connector's own account.

use std::time::Duration;

use futures::TryStreamExt;
use tracing::{debug, warn};

use super::password::{self, Password};
use super::{About, EMAIL_TAG, ID, resource};
use crate::aws::iam::{Iam, User, Verified};
use crate::aws::{CallError, Class, Input, Tag};
use crate::baton::encryption::Recipients;
use crate::baton::v2::create_account_response::{
    ActionRequiredResult, AlreadyExistsResult, Result as Created, SuccessResult,
};
use crate::baton::v2::{AccountInfo, CreateAccountRequest, CreateAccountResponse, EncryptedData, Resource};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::new_account::{self, Entry};
use crate::connector::password::Recipe;
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// How often a user that was made a moment ago is looked for.
const ATTEMPTS: u32 = 6;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);

/// The form of a new user.
pub(in crate::connector) const FORM: [Entry; 2] = [
    Entry {
        key: "username",
        label: "Username",
        description: "The IAM user name. Defaults to email if omitted.",
        required: false,
        placeholder: "jdoe",
    },
    Entry {
        key: "email",
        label: "Email",
        description: "The user's primary work email.",
        required: true,
        placeholder: "jdoe@example.com",
    },
];

/// Makes a user, whose address is a tag where it is not the name and AWS takes it as one. A user of that name and
/// address that exists is the protocol's `AlreadyExists`; one of another address, or whose address cannot be read, is
/// an error: it may be somebody else.
///
/// A user that exists keeps what it signs in with. One that is made gets a password where the request asks for a
/// random one; if AWS refuses that, the answer is the protocol's `ActionRequired`.
///
/// Source: `iam:CreateUser`, `GetUser`, `ListUserTags`, `CreateLoginProfile`. Cancel-safe: a repetition finds the user.
pub(in crate::connector) async fn create(
    connector: &Connector,
    request: &CreateAccountRequest,
    info: &AccountInfo,
    provision: &Provision,
) -> Result<CreateAccountResponse, ProvisionError> {
    let password = wanted(request)?;
    let email = new_account::address(info, "email")?;
    let name = new_account::text(info, "username")?.unwrap_or(email);
    if !Input::NewUserName.takes(name) {
        return Err(ProvisionError::invalid(format!(
            "the name of an IAM user has {}: fill in \"username\"",
            Input::NewUserName.told()
        )));
    }
    let tags = tags(name, email);
    let caller = connector.aws.caller();
    let arn = format!("arn:{}:iam::{}:user/{name}", caller.partition, caller.account);
    let iam = connector.api(provision).iam();
    // Asked for first: the user should not wait for its password meanwhile.
    let account_name = account_name(connector, provision).await;
    let account_name = account_name.as_deref();
    let mut audit = Audit::begin(
        provision,
        Write {
            operation: "iam:CreateUser",
            target_type: ID,
            target: &arn,
            principal_type: ID,
            principal: &arn,
            wanted: State::Held,
        },
    );
    let _turn = match connector.turns.wait((arn.clone(), ID, arn.clone()), provision).await {
        Ok(turn) => turn,
        Err(error) => return Err(audit.failed(error)),
    };
    match CONFLICT.send(&mut audit, provision, || iam.create_user(name, &tags)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            connector.recent.note(&written.value.arn);
            let made = Some(row(connector, account_name, &written.value, &tags));
            let encrypted = match &password {
                None => Ok(Vec::new()),
                Some(wanted) => wanted.set(&iam, &written.value, provision).await,
            };
            let (result, encrypted_data) = match encrypted {
                Ok(encrypted_data) => {
                    let result = SuccessResult {
                        resource: made,
                        is_create_account_result: true,
                        ..SuccessResult::default()
                    };
                    (Created::Success(result), encrypted_data)
                }
                // The user is there, and a repetition would find it and say so: what is missing must be told now.
                Err(error) => {
                    let left = connector.withdraw(provision).await.map(|left| format!(" ({})", left.told));
                    let left = left.unwrap_or_default();
                    let message = format!(
                        "the user {name} was made, but not its password: {error}{left}; rotate its credentials to give \
                         it one"
                    );
                    let result =
                        ActionRequiredResult { resource: made, message, is_create_account_result: true };
                    (Created::ActionRequired(result), Vec::new())
                }
            };
            Ok(CreateAccountResponse { encrypted_data, ..response(result, written.request_id) })
        }
        // A quota is a conflict, too, and nobody's name.
        Err(ProvisionError::Call(error)) if error.code() == Some("EntityAlreadyExists") => {
            match known(&iam, name, email, error.may_have_happened(), provision).await {
                Ok(Some(user)) => {
                    audit.already(&error);
                    let result = AlreadyExistsResult {
                        resource: Some(row(connector, account_name, &user, &tags)),
                        is_create_account_result: true,
                    };
                    Ok(response(Created::AlreadyExists(result), error.request_id().map(str::to_owned)))
                }
                Ok(None) => Err(audit.failed(ProvisionError::Taken(format!(
                    "{error}; the user {name} that exists has another address or none, or its tags may not be read \
                     (iam:ListUserTags): it may be somebody else's, and was left as it is"
                )))),
                Err(other) => Err(audit.failed(other)),
            }
        }
        Err(error) => Err(audit.failed(error)),
    }
}

/// The tag that holds the address where it is not the name. An address that AWS does not take as a tag is left out.
fn tags(name: &str, email: &str) -> Vec<Tag> {
    if name == email {
        return Vec::new();
    }
    if !Input::TagValue.takes(email) {
        warn!(
            user = name,
            allowed = Input::TagValue.told(),
            "the address of the user holds what IAM does not take as a tag: the user is made without its address"
        );
        return Vec::new();
    }
    vec![Tag { key: EMAIL_TAG.to_owned(), value: email.to_owned() }]
}

/// The name of the account that the user is made in. It may stay unknown: that is no reason not to make the user.
async fn account_name(connector: &Connector, provision: &Provision) -> Option<String> {
    match connector.own_account_name(&connector.api(provision)).await {
        Ok(name) => name,
        Err(error) => {
            debug!(%error, "the account's name is not known");
            None
        }
    }
}

/// The row of a user in the connector's own account, with the tags that it was made with.
fn row(connector: &Connector, account_name: Option<&str>, user: &User, tags: &[Tag]) -> Resource {
    let about = About {
        tags,
        addresses_in_tags: true,
        account_name,
        names_account: connector.names_accounts_of_users(),
        ..About::default()
    };
    resource(user, &about)
}

/// A password that is made, and could be encrypted, before the user is.
struct Wanted {
    password: Password,
    encrypted: Vec<EncryptedData>,
}

fn wanted(request: &CreateAccountRequest) -> Result<Option<Wanted>, ProvisionError> {
    let Some(random) = new_account::random_password(request)? else { return Ok(None) };
    let reset = request.credential_options.as_ref().is_some_and(|options| options.force_change_at_next_login);
    let recipients = Recipients::parse(&request.encryption_configs)?;
    let password = Password { text: Recipe::parse(random)?.make(), reset };
    let encrypted = recipients.seal(&password.plaintext())?;
    Ok(Some(Wanted { password, encrypted }))
}

impl Wanted {
    /// Gives the user, who was made a moment ago, the password. AWS may not know the user everywhere yet.
    async fn set(
        &self,
        iam: &Iam,
        user: &User,
        provision: &Provision,
    ) -> Result<Vec<EncryptedData>, ProvisionError> {
        let user = Verified::from(user);
        let mut attempt = 1;
        loop {
            match password::create(iam, &user, &self.password, provision).await {
                Err(ProvisionError::Call(error))
                    if matches!(error.class(), Class::NotFound) && attempt < ATTEMPTS =>
                {
                    provision.pause(BETWEEN_ATTEMPTS).await?;
                    attempt += 1;
                }
                set => return set.map(|_| self.encrypted.clone()),
            }
        }
    }
}

fn response(result: Created, request_id: Option<String>) -> CreateAccountResponse {
    CreateAccountResponse {
        annotations: with_request_id(vec![], request_id),
        result: Some(result),
        ..CreateAccountResponse::default()
    }
}

/// What AWS shows of the user whose name is taken.
enum Shown {
    /// Provably the one that is asked for.
    Same(User),
    /// Perhaps somebody else, or not to be read.
    Other,
    /// Nothing, or no address.
    Nothing,
}

/// The user of this name, if it is provably the one that is asked for. AWS's reads lag behind its writes: a user who
/// does not show is looked for again, and so is the address of one who may be `ours`, made by an attempt whose answer
/// was lost.
async fn known(
    iam: &Iam,
    name: &str,
    email: &str,
    ours: bool,
    provision: &Provision,
) -> Result<Option<User>, ProvisionError> {
    for attempt in 1.. {
        match shown(iam, name, email, ours).await? {
            Shown::Same(user) => return Ok(Some(user)),
            Shown::Nothing if attempt < ATTEMPTS => provision.pause(BETWEEN_ATTEMPTS).await?,
            Shown::Nothing | Shown::Other => break,
        }
    }
    Ok(None)
}

async fn shown(iam: &Iam, name: &str, email: &str, ours: bool) -> Result<Shown, CallError> {
    let user = match iam.user(name).await {
        Ok(user) if user.name == name => user,
        Ok(_) => return Ok(Shown::Other),
        Err(error) if matches!(error.class(), Class::NotFound) => return Ok(Shown::Nothing),
        Err(error) if matches!(error.class(), Class::Denied) => return Ok(Shown::Other),
        Err(error) => return Err(error),
    };
    if name == email {
        return Ok(Shown::Same(user));
    }
    let tags: Vec<Tag> = match iam.user_tags(name).try_concat().await {
        Ok(tags) => tags,
        Err(error) if matches!(error.class(), Class::NotFound) => return Ok(Shown::Nothing),
        Err(error) if matches!(error.class(), Class::Denied) => return Ok(Shown::Other),
        Err(error) => return Err(error),
    };
    match tags.iter().find(|tag| tag.key == EMAIL_TAG) {
        Some(tag) if tag.value.eq_ignore_ascii_case(email) => Ok(Shown::Same(user)),
        None if ours => Ok(Shown::Nothing),
        Some(_) | None => Ok(Shown::Other),
    }
}
