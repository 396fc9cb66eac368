//! What can go wrong with AWS, as data: what a caller may do next, and what an operator should.

mod access;
mod denial;

pub use access::{AccessError, Hop, Step, VisibleInstance};
pub use denial::{Denial, PolicyKind, Withheld};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::account::AccountId;
use super::operation::{Operation, Service};
use crate::text::{self, printable};

/// A call to AWS that did not give its answer.
///
/// `Display` is the operator's message: action, account, what is wrong and what to do. Cloning is cheap, so that
/// callers who share one flight can share its failure. It never carries request or response bodies.
#[derive(Clone, Debug)]
pub struct CallError(Arc<Details>);

#[derive(Debug)]
struct Details {
    operation: Operation,
    account: Option<AccountId>,
    failure: Failure,
    attempts: u32,
}

/// What one attempt came to, before it is known whether another one follows.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) request_id: Option<String>,
    /// The request may have reached AWS and may have been carried out.
    pub(super) may_have_happened: bool,
    /// AWS says that the credentials are past their time; newer ones may do.
    pub(super) expired: bool,
}

/// What a failed call means for its caller.
#[derive(Clone, Debug)]
pub enum Class {
    /// The caller lacks a permission on this very operation.
    Denied,
    /// The customer's KMS key that encrypts the data refuses, is disabled or is gone.
    KeyUnusable,
    /// What the call names does not exist.
    NotFound,
    /// The call contradicts the present state.
    Conflict {
        /// Whether the contradiction passes by itself: an earlier change is still under way.
        passing: bool,
    },
    /// AWS refuses the request as it is; repeating it changes nothing.
    Invalid,
    /// Too many requests.
    Throttled {
        /// How long AWS asks to wait.
        retry_after: Option<Duration>,
    },
    /// Trouble on the way or inside AWS that passes.
    Transient,
    /// There were no valid credentials to make the call with. Never a statement about the called resource.
    Credentials(Arc<AccessError>),
    /// AWS's answer lacks what its own model requires, or has it in another shape.
    Malformed,
    /// AWS's answer is larger than what is read of one, and was not read.
    TooLarge {
        /// The bytes that are read at most.
        bound: usize,
    },
    /// The caller's own cancellation ended the call.
    Cancelled,
}

impl Class {
    /// One word for logs and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::KeyUnusable => "key unusable",
            Self::NotFound => "not found",
            Self::Conflict { .. } => "conflict",
            Self::Invalid => "invalid",
            Self::Throttled { .. } => "throttled",
            Self::Transient => "transient",
            Self::Credentials(_) => "credentials",
            Self::Malformed => "malformed",
            Self::TooLarge { .. } => "too large",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict { passing } => *passing,
            Self::Throttled { .. } | Self::Transient => true,
            Self::Credentials(error) => error.is_retryable(),
            Self::Denied
            | Self::KeyUnusable
            | Self::NotFound
            | Self::Invalid
            | Self::Malformed
            | Self::TooLarge { .. }
            | Self::Cancelled => false,
        }
    }
}

impl CallError {
    pub(super) fn new(
        operation: Operation,
        account: Option<AccountId>,
        failure: Failure,
        attempts: u32,
    ) -> Self {
        Self(Arc::new(Details { operation, account, failure, attempts }))
    }

    /// An answer that arrived but does not hold what AWS's model promises.
    pub(super) fn malformed(operation: Operation, account: Option<AccountId>, message: &str) -> Self {
        Self::of_answer(operation, account, Class::Malformed, message)
    }

    /// A listing that was read whole and does not hold what was looked for.
    pub(super) fn not_found(operation: Operation, account: Option<AccountId>, message: &str) -> Self {
        Self::of_answer(operation, account, Class::NotFound, message)
    }

    fn of_answer(operation: Operation, account: Option<AccountId>, class: Class, message: &str) -> Self {
        let failure = Failure {
            may_have_happened: matches!(class, Class::Malformed),
            class,
            code: None,
            message: printable(message, text::MESSAGE).into_owned(),
            request_id: None,
            expired: false,
        };
        Self::new(operation, account, failure, 1)
    }

    /// The called service.
    pub fn service(&self) -> Service {
        self.0.operation.service
    }

    /// The called operation, for example `ListUsers`.
    pub fn operation(&self) -> &'static str {
        self.0.operation.name
    }

    /// The account whose credentials made the call, where it was known already.
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.as_ref()
    }

    /// What the failure means.
    pub fn class(&self) -> &Class {
        &self.0.failure.class
    }

    /// AWS's error code, for example `AccessDeniedException`.
    pub fn code(&self) -> Option<&str> {
        self.0.failure.code.as_deref()
    }

    /// AWS's own words, or a description of the trouble on the way to AWS.
    pub fn message(&self) -> &str {
        &self.0.failure.message
    }

    /// AWS's id of the last request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.failure.request_id.as_deref()
    }

    /// How many requests were sent; 0 when the call failed before its first.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        self.class().is_retryable()
    }

    /// Whether AWS may have carried the request out although the call failed: the answer to one of its attempts was
    /// lost or is unusable.
    pub fn may_have_happened(&self) -> bool {
        self.0.failure.may_have_happened
    }

    /// The IAM action that the caller lacks, for example `sso:ListPermissionSets`; `None` unless the class is
    /// [`Class::Denied`] or [`Class::KeyUnusable`]. AWS's message goes before the called operation, since some
    /// operations need permissions of other services.
    pub fn missing_action(&self) -> Option<String> {
        match self.class() {
            Class::Denied => {
                Some(denied_action(self.message()).map_or_else(|| self.0.operation.action(), str::to_owned))
            }
            Class::KeyUnusable => Some("kms:Decrypt".to_owned()),
            _ => None,
        }
    }

    /// What stands behind a denial; `None` unless the class is [`Class::Denied`].
    pub fn denial(&self) -> Option<Denial> {
        matches!(self.class(), Class::Denied).then(|| Denial::read(self.message()))
    }

    /// The kind of policy whose statement denies the call; `None` unless AWS says that one does.
    pub fn explicit_deny(&self) -> Option<PolicyKind> {
        match self.denial()? {
            Denial::Withheld(Withheld { by, explicit: true }) => Some(by),
            _ => None,
        }
    }

    /// Whether the network rules of Identity Center may be what denies the call: no policy explains it. AWS documents no
    /// words of its own for them.
    pub fn may_be_network_rules(&self) -> bool {
        let is_center = matches!(self.service(), Service::SsoAdmin | Service::IdentityStore);
        let is_its_own = self.missing_action().is_some_and(|action| {
            let service = action.split(':').next();
            service == self.0.operation.action().split(':').next()
        });
        is_center
            && is_its_own
            && matches!(self.class(), Class::Denied)
            && !Denial::is_explained(self.message())
    }

    /// The statement, as JSON, that would permit what was denied; `None` unless that helps ([`Denial::Missing`]).
    pub fn statement(&self) -> Option<String> {
        (self.denial() == Some(Denial::Missing)).then(|| {
            let action = serde_json::Value::String(self.missing_action().unwrap_or_default());
            format!(r#"{{"Effect":"Allow","Action":{action},"Resource":"*"}}"#)
        })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.operation.action())?;
        if let Some(account) = self.account() {
            write!(f, " in account {account}")?;
        }
        write!(f, ": ")?;
        let message = self.message();
        match self.class() {
            Class::Denied => {
                let action = self.missing_action().unwrap_or_default();
                write!(f, "access denied, {action} is missing")?;
                if !message.is_empty() {
                    write!(f, " ({message})")?;
                }
                match Denial::read(message) {
                    Denial::Missing => {
                        write!(f, "; allow it with {}", self.statement().unwrap_or_default())?;
                        if self.may_be_network_rules() {
                            write!(f, "; {NETWORK_RULES}")?;
                        }
                    }
                    Denial::Withheld(withheld) => write!(f, "; {withheld}")?,
                    Denial::WrongAccount => write!(
                        f,
                        "; no statement helps in this account: the service answers the management account of the \
                         organization and delegated administrators alone, so use a role of such an account"
                    )?,
                }
            }
            Class::KeyUnusable => write!(
                f,
                "the KMS key that encrypts Identity Center cannot be used ({message}); let the key's policy allow \
                 the connector's role kms:Decrypt and see that the key is enabled",
            )?,
            Class::NotFound => write!(f, "not found ({message})")?,
            Class::Conflict { passing: true } => {
                write!(f, "an earlier change is still under way ({message})")?;
            }
            Class::Conflict { passing: false } => write!(f, "conflict ({message})")?,
            Class::Invalid => write!(f, "AWS refuses the request ({message})")?,
            Class::Throttled { .. } => write!(
                f,
                "throttled ({message}); other tools may be using the same quota, or BATON_AWS_QUOTAS allows more \
                 than the account has",
            )?,
            // Trouble on the way may stay until somebody changes something.
            Class::Transient if self.code().is_none() && !message.starts_with("HTTP status") => {
                write!(f, "no answer of AWS ({message})")?;
            }
            Class::Transient => write!(f, "temporary trouble ({message})")?,
            Class::Credentials(error) => write!(f, "no valid credentials: {error}")?,
            Class::Malformed => write!(f, "AWS's answer cannot be used ({message})")?,
            Class::TooLarge { bound } => write!(
                f,
                "the answer is larger than {} MiB, the bound of this operation, and was not read; AWS sends no such \
                 answer: look at what stands between (a proxy, AWS_ENDPOINT_URL), else report it as a fault of batond",
                bound >> 20,
            )?,
            Class::Cancelled => write!(f, "cancelled")?,
        }
        let mut separator = " [";
        if let Some(code) = self.code() {
            write!(f, "{separator}{code}")?;
            separator = ", ";
        }
        if let Some(id) = self.request_id() {
            write!(f, "{separator}request {id}")?;
            separator = ", ";
        }
        if self.attempts() > 1 {
            write!(f, "{separator}{} attempts", self.attempts())?;
            separator = ", ";
        }
        if separator == ", " { write!(f, "]") } else { Ok(()) }
    }
}

/// What to look at where no policy explains a denial of Identity Center.
pub const NETWORK_RULES: &str = "if a policy allows it already, look at the network rules of Identity Center: they may \
                                 demand that calls take a VPC endpoint, name the VPCs that may call, and have a list \
                                 of addresses that are always let in";

/// The failed access to AWS stands in the text already; a source would repeat it.
impl std::error::Error for CallError {}

/// The action that an AWS denial names: `... is not authorized to perform: <action> on resource: ...`.
pub(super) fn denied_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?.trim_end_matches(['.', ',', ';']);
    let (service, name) = action.split_once(':')?;
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (is_word(service) && is_word(name)).then_some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST_USERS: Operation = Operation::safe(Service::IdentityStore, "ListUsers");

    fn denied(message: &str) -> CallError {
        let failure = Failure {
            class: Class::Denied,
            code: Some("AccessDeniedException".to_owned()),
            message: message.to_owned(),
            request_id: Some("r-1".to_owned()),
            may_have_happened: false,
            expired: false,
        };
        CallError::new(LIST_USERS, Some("111111111111".parse().unwrap()), failure, 1)
    }

    #[test]
    fn a_denied_account_is_named_in_the_error_with_the_missing_action_and_its_remedy() {
        let error = denied("");
        assert_eq!(error.missing_action().as_deref(), Some("identitystore:ListUsers"));
        assert_eq!(
            error.to_string(),
            "identitystore:ListUsers in account 111111111111: access denied, identitystore:ListUsers is missing; \
             allow it with {\"Effect\":\"Allow\",\"Action\":\"identitystore:ListUsers\",\"Resource\":\"*\"}; \
             if a policy allows it already, look at the network rules of Identity Center: they may demand that calls \
             take a VPC endpoint, name the VPCs that may call, and have a list of addresses that are always let in \
             [AccessDeniedException, request r-1]"
        );
    }

    #[test]
    fn network_rules_are_named_only_where_identity_center_denies_and_no_policy_explains_it() {
        let own = "User: arn:aws:iam::1:user/c is not authorized to perform: identitystore:ListUsers on resource: *";
        for (message, named) in [
            (own.to_owned(), true),
            (String::new(), true),
            (
                format!("{own} because no identity-based policy allows the identitystore:ListUsers action"),
                false,
            ),
            (format!("{own} with an explicit deny in a service control policy"), false),
            (own.replace("identitystore:ListUsers", "iam:GetSAMLProvider"), false),
        ] {
            let error = denied(&message);
            assert_eq!(error.may_be_network_rules(), named, "{message}");
            assert_eq!(error.to_string().contains(NETWORK_RULES), named, "{error}");
        }
        let list = Operation::safe(Service::Iam, "ListUsers");
        let failure = Failure {
            class: Class::Denied,
            code: None,
            message: String::new(),
            request_id: None,
            may_have_happened: false,
            expired: false,
        };
        assert!(!CallError::new(list, None, failure, 1).may_be_network_rules(), "IAM has no such rules");
    }

    #[test]
    fn an_explicit_deny_gets_no_statement_but_what_helps() {
        let error = denied(
            "User: arn:aws:sts::111111111111:assumed-role/r/s is not authorized to perform: identitystore:ListUsers with \
             an explicit deny in a service control policy",
        );
        assert_eq!(error.explicit_deny(), Some(PolicyKind::ServiceControl));
        assert_eq!(error.statement(), None);
        let text = error.to_string();
        assert!(text.contains("explicit deny in a service control policy withholds it"), "{text}");
        assert!(text.contains("administers the organization") && !text.contains("Allow"), "{text}");
        assert_eq!(denied("").explicit_deny(), None);
    }

    #[test]
    fn an_account_that_the_service_does_not_answer_gets_no_statement() {
        let error = denied("You don't have permissions to access this resource.");
        let text = error.to_string();
        assert!(text.contains("delegated administrators") && !text.contains("Allow"), "{text}");
    }

    #[test]
    fn the_action_that_aws_names_goes_before_the_called_one() {
        let error = denied(
            "User: arn:aws:sts::111111111111:assumed-role/r/s is not authorized to perform: iam:GetSAMLProvider on \
             resource: arn:aws:iam::222222222222:saml-provider/x",
        );
        assert_eq!(error.missing_action().as_deref(), Some("iam:GetSAMLProvider"));
        let vague = denied("User is not authorized to perform: this action");
        assert_eq!(vague.missing_action().as_deref(), Some("identitystore:ListUsers"));
    }
}
