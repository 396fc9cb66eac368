//! The beginning of a user of Identity Center, without a password: AWS sets one with the user, not through this
//! interface.

use std::time::Duration;

use super::{ID, resource};
use crate::aws::identity_store::{IdentityStore, NewUser, User, UserStatus};
use crate::aws::{CallError, Class, Input};
use crate::baton::v2::create_account_response::{AlreadyExistsResult, Result as Created, SuccessResult};
use crate::baton::v2::{AccountInfo, CreateAccountRequest, CreateAccountResponse};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::new_account::{self, Entry};
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// How often a user that was made a moment ago is looked for.
const ATTEMPTS: u32 = 6;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);

/// The form of a new user.
pub(in crate::connector) const FORM: [Entry; 5] = [
    Entry {
        key: "username",
        label: "Username",
        description: "The Identity Center user name (login).",
        required: true,
        placeholder: "jdoe@example.com",
    },
    Entry {
        key: "given_name",
        label: "First Name",
        description: "The user's given name.",
        required: true,
        placeholder: "Jane",
    },
    Entry {
        key: "family_name",
        label: "Last Name",
        description: "The user's family name.",
        required: true,
        placeholder: "Doe",
    },
    Entry {
        key: "email",
        label: "Email",
        description: "The user's primary work email.",
        required: true,
        placeholder: "jdoe@example.com",
    },
    Entry {
        key: "display_name",
        label: "Display Name",
        description: "Optional display name. Defaults to \"<given> <family>\" if empty.",
        required: false,
        placeholder: "Jane Doe",
    },
];

/// Makes a user of the directory. A user of that name and address that exists is the protocol's `AlreadyExists`; any
/// other conflict is an error: it may be somebody else.
///
/// Source: `identitystore:CreateUser`, `GetUserId`, `DescribeUser`. Cancel-safe: a repetition finds the user.
pub(in crate::connector) async fn create(
    connector: &Connector,
    request: &CreateAccountRequest,
    info: &AccountInfo,
    provision: &Provision,
) -> Result<CreateAccountResponse, ProvisionError> {
    new_account::without_password(request, ID)?;
    let (given_name, family_name) =
        (new_account::required(info, "given_name")?, new_account::required(info, "family_name")?);
    let display_name = match new_account::text(info, "display_name")? {
        Some(name) => name.to_owned(),
        None => format!("{given_name} {family_name}"),
    };
    let new = NewUser {
        user_name: new_account::required(info, "username")?,
        display_name: &display_name,
        given_name,
        family_name,
        email: new_account::address(info, "email")?,
    };
    for (key, value, input) in [
        ("username", new.user_name, Input::DirectoryUserName),
        ("given_name", given_name, Input::DirectoryText),
        ("family_name", family_name, Input::DirectoryText),
        ("display_name", display_name.as_str(), Input::DirectoryText),
        ("email", new.email, Input::DirectoryText),
    ] {
        if !input.takes(value) {
            return Err(ProvisionError::invalid(format!(
                "{key:?} in the account's profile is not {}",
                input.told()
            )));
        }
    }
    let directory = connector.directory();
    let store = connector.api(provision).identity_store();
    let mut audit = Audit::begin(
        provision,
        Write {
            operation: "identitystore:CreateUser",
            target_type: ID,
            target: new.user_name,
            principal_type: ID,
            principal: new.user_name,
            wanted: State::Held,
        },
    );
    match CONFLICT.send(&mut audit, provision, || store.create_user(&new)).await {
        Ok(written) => {
            audit.changed(written.request_id.as_deref());
            connector.recent.note(&directory.user(&written.value));
            let user = User {
                id: written.value,
                user_name: Some(new.user_name.to_owned()),
                display_name: Some(display_name.clone()),
                status: Some(UserStatus::Enabled),
                emails: vec![new.email.to_owned()],
                external_ids: Vec::new(),
            };
            let result = SuccessResult {
                resource: Some(resource(&directory, &user)),
                is_create_account_result: true,
                ..SuccessResult::default()
            };
            Ok(response(Created::Success(result), written.request_id))
        }
        // A quota is a conflict, too, and nobody's name.
        Err(ProvisionError::Call(error)) if error.code() == Some("ConflictException") => {
            match same(&store, &new, error.may_have_happened(), provision).await {
                Ok(Some(user)) => {
                    audit.already(&error);
                    let result = AlreadyExistsResult {
                        resource: Some(resource(&directory, &user)),
                        is_create_account_result: true,
                    };
                    Ok(response(Created::AlreadyExists(result), error.request_id().map(str::to_owned)))
                }
                // Another change of the directory went on for too long: nobody's name is in the way.
                Ok(None) if matches!(error.class(), Class::Conflict { passing: true }) => {
                    Err(audit.failed(ProvisionError::Call(error)))
                }
                Ok(None) => Err(audit.failed(ProvisionError::Taken(format!(
                    "{error}; no user of the directory has both this name and this address: one of them is \
                     somebody else's, or may not be read (identitystore:GetUserId, identitystore:DescribeUser)"
                )))),
                Err(other) => Err(audit.failed(other)),
            }
        }
        Err(error) => Err(audit.failed(error)),
    }
}

fn response(result: Created, request_id: Option<String>) -> CreateAccountResponse {
    CreateAccountResponse {
        annotations: with_request_id(vec![], request_id),
        result: Some(result),
        ..CreateAccountResponse::default()
    }
}

/// The user of this name, if it is provably the one that is asked for. AWS's reads lag behind its writes: one who does
/// not show and may be `ours`, made by an attempt whose answer was lost, is looked for again.
async fn same(
    store: &IdentityStore,
    new: &NewUser<'_>,
    ours: bool,
    provision: &Provision,
) -> Result<Option<User>, ProvisionError> {
    for attempt in 1.. {
        match shown(store, new).await? {
            Shown::Same(user) => return Ok(Some(user)),
            Shown::Nobody if ours && attempt < ATTEMPTS => provision.pause(BETWEEN_ATTEMPTS).await?,
            Shown::Nobody | Shown::Other => break,
        }
    }
    Ok(None)
}

/// What the directory shows of the user whose name or address is taken.
enum Shown {
    /// Provably the one that is asked for.
    Same(User),
    /// Somebody else, or not to be read.
    Other,
    /// Nobody has the name.
    Nobody,
}

async fn shown(store: &IdentityStore, new: &NewUser<'_>) -> Result<Shown, CallError> {
    let found = async {
        let id = store.user_id(new.user_name).await?;
        store.user(&id).await
    };
    match found.await {
        Ok(user) => {
            let named =
                user.user_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(new.user_name));
            let reached = user.emails.iter().any(|email| email.eq_ignore_ascii_case(new.email));
            Ok(if named && reached { Shown::Same(user) } else { Shown::Other })
        }
        Err(error) if matches!(error.class(), Class::NotFound) => Ok(Shown::Nobody),
        Err(error) if matches!(error.class(), Class::Denied) => Ok(Shown::Other),
        Err(error) => Err(error),
    }
}
