//! The beginning of an IAM user, in the connector's own account and without a password.

use futures::TryStreamExt;

use super::{EMAIL_TAG, ID, resource};
use crate::aws::iam::{Iam, Tag, User};
use crate::aws::{CallError, Class};
use crate::baton::v2::create_account_response::{AlreadyExistsResult, Result as Created, SuccessResult};
use crate::baton::v2::{AccountInfo, CreateAccountRequest, CreateAccountResponse};
use crate::connector::audit::{Audit, State, Write};
use crate::connector::iam_change::CONFLICT;
use crate::connector::new_account::{self, Entry};
use crate::connector::{Connector, Provision, ProvisionError, with_request_id};

/// The form of a new user.
pub(in crate::connector) const FORM: [Entry; 2] = [
    Entry { key: "username", label: "Username", required: false, placeholder: "jdoe" },
    Entry { key: "email", label: "Email", required: true, placeholder: "jdoe@example.com" },
];

/// Makes a user, whose address is a tag where it is not the name. A user of that name and address that exists is the
/// protocol's `AlreadyExists`; one of another address, or whose address cannot be read, is an error: it may be
/// somebody else.
///
/// Source: `iam:CreateUser`, `GetUser`, `ListUserTags`. Cancel-safe: a repetition finds the user.
pub(in crate::connector) async fn create(
    connector: &Connector,
    request: &CreateAccountRequest,
    info: &AccountInfo,
    provision: &Provision,
) -> Result<CreateAccountResponse, ProvisionError> {
    new_account::without_password(request, ID)?;
    let email = new_account::address(info, "email")?;
    let name = new_account::text(info, "username")?.unwrap_or(email);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if name.len() > 64 || !name.bytes().all(legal) {
        return Err(ProvisionError::invalid(
            "the name of an IAM user has 1 to 64 letters of the Latin alphabet, digits and +=,.@_-: fill in \"username\"",
        ));
    }
    let tags: Vec<Tag> = (name != email)
        .then(|| Tag { key: EMAIL_TAG.to_owned(), value: email.to_owned() })
        .into_iter()
        .collect();
    let caller = connector.aws.caller();
    let arn = format!("arn:{}:iam::{}:user/{name}", caller.partition, caller.account);
    let iam = connector.aws.provisioning(provision.cancel.clone()).iam();
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
            let result = SuccessResult {
                resource: Some(resource(&written.value, &tags, None, None)),
                is_create_account_result: true,
                ..SuccessResult::default()
            };
            Ok(response(Created::Success(result), written.request_id))
        }
        // A quota is a conflict, too, and nobody's name.
        Err(ProvisionError::Call(error)) if error.code() == Some("EntityAlreadyExists") => {
            match same(&iam, name, email).await {
                Ok(Some(user)) => {
                    audit.already(&error);
                    let result = AlreadyExistsResult {
                        resource: Some(resource(&user, &tags, None, None)),
                        is_create_account_result: true,
                    };
                    Ok(response(Created::AlreadyExists(result), error.request_id().map(str::to_owned)))
                }
                Ok(None) => Err(audit.failed(ProvisionError::Taken(format!(
                    "{error}; the user {name} that exists has another address, or its tags may not be read \
                     (iam:ListUserTags): it may be somebody else's, and was left as it is"
                )))),
                Err(other) => Err(audit.failed(other).into()),
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

/// The user of this name, if it is provably the one that is asked for.
async fn same(iam: &Iam, name: &str, email: &str) -> Result<Option<User>, CallError> {
    let user = match iam.user(name).await {
        Ok(user) if user.name == name => user,
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.class(), Class::NotFound | Class::Denied) => return Ok(None),
        Err(error) => return Err(error),
    };
    if name == email {
        return Ok(Some(user));
    }
    let tags: Result<Vec<Tag>, CallError> = iam.user_tags(name).try_concat().await;
    match tags {
        Ok(tags) => {
            let is_its = |tag: &Tag| tag.key == EMAIL_TAG && tag.value.eq_ignore_ascii_case(email);
            Ok(tags.iter().any(is_its).then_some(user))
        }
        Err(error) if matches!(error.class(), Class::Denied) => Ok(None),
        Err(error) => Err(error),
    }
}
