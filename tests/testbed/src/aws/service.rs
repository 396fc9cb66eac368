//! The services: which operations there are, how they are spoken, what they answer.
//!
//! Each service is one file with a table of operations. A further service is a file and a line in [`SERVICES`].

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::fault::Effect;
use super::knobs::Knobs;
use super::world::World;
use super::world::access::Caller;
use super::world::control::Verdict;

mod cloudtrail;
mod iam;
mod identity_store;
mod organizations;
mod page;
pub(crate) mod pattern;
pub(crate) mod sso_admin;
pub(crate) mod sts;

/// All services, in the order in which a request is matched against them.
pub(crate) static SERVICES: [&Service; 6] = [
    &sts::SERVICE,
    &iam::SERVICE,
    &organizations::SERVICE,
    &identity_store::SERVICE,
    &sso_admin::SERVICE,
    &cloudtrail::SERVICE,
];

/// An operation that the testbed serves.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Served {
    /// Its action, for example `sso:ListInstances`: what faults, quotas and counters name.
    pub action: String,
    /// Whether it answers in pages.
    pub paged: bool,
}

/// All operations that the testbed serves.
pub fn served() -> Vec<Served> {
    let of = |service: &'static Service| {
        service.operations.iter().map(move |operation| Served {
            action: format!("{}:{}", service.name, operation.name),
            paged: operation.page.is_some(),
        })
    };
    SERVICES.into_iter().flat_map(of).collect()
}

/// One AWS service.
pub(crate) struct Service {
    /// Prefix of its actions and name in signatures.
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) operations: &'static [Operation],
    /// Error code of a malformed request.
    pub(crate) invalid: &'static str,
    /// Error code of a throttled request.
    pub(crate) throttled: &'static str,
    /// Error code of a failure of the service itself.
    pub(crate) internal: &'static str,
    /// The resource that a denial names.
    pub(crate) resource: fn(&World, &Caller, &str, &Value) -> String,
}

/// How a service is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON 1.1; operations are named by a header with this prefix.
    Json { target: &'static str },
    /// Form in, XML out.
    Query { version: &'static str, namespace: &'static str },
}

/// One operation of a service.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Default and largest page of a listing.
    pub(crate) page: Option<(usize, usize)>,
    /// Answered without a signature.
    pub(crate) anonymous: bool,
    pub(crate) run: fn(&mut Call<'_>) -> Result<Value, ApiError>,
}

impl Operation {
    const fn new(name: &'static str, run: fn(&mut Call<'_>) -> Result<Value, ApiError>) -> Self {
        Self { name, page: None, anonymous: false, run }
    }

    const fn listing(
        name: &'static str,
        default: usize,
        max: usize,
        run: fn(&mut Call<'_>) -> Result<Value, ApiError>,
    ) -> Self {
        Self { name, page: Some((default, max)), anonymous: false, run }
    }

    /// Whether it changes what others read.
    pub(crate) fn writes(&self) -> bool {
        const VERBS: [&str; 8] =
            ["Create", "Update", "Delete", "Deactivate", "Add", "Remove", "Attach", "Detach"];
        VERBS.iter().any(|verb| self.name.starts_with(verb))
    }

    const fn anonymous(name: &'static str, run: fn(&mut Call<'_>) -> Result<Value, ApiError>) -> Self {
        Self { name, page: None, anonymous: true, run }
    }
}

/// One authenticated and permitted request.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) knobs: &'a Knobs,
    pub(crate) caller: &'a Caller,
    pub(crate) region: &'a str,
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    pub(crate) action: &'a str,
    /// The request: the JSON body, or the form as an object of strings.
    pub(crate) input: &'a Value,
    /// A fault that changes the answer itself.
    pub(crate) quirk: Option<&'a Effect>,
}

impl<'a> Call<'a> {
    /// A text member, absent when absent or empty.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A text member that must be there.
    fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name).ok_or_else(|| {
            self.invalid(format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null"))
        })
    }

    /// A whole number, from JSON or from a form.
    fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let parsed = match self.input.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64().and_then(|number| usize::try_from(number).ok()),
        };
        parsed.map(Some).ok_or_else(|| self.invalid(format!("Value at '{name}' is not a whole number")))
    }

    /// The service's error for a malformed request.
    fn invalid(&self, message: impl Into<String>) -> ApiError {
        ApiError::new(self.service.invalid, message)
    }
}

/// Sets a member of an answer.
fn put(row: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = row.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A pause in whole seconds, never too short.
pub(crate) fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

/// An error as the caller will see it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) status: u16,
    /// Further members of the error.
    pub(crate) members: Vec<(String, Value)>,
    /// How long the caller is told to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::with_status(code, message, 400)
    }

    pub(crate) fn with_status(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        status: u16,
    ) -> Self {
        Self { code: code.into(), message: message.into(), status, members: Vec::new(), retry_after: None }
    }

    /// Tells the caller how long to wait.
    pub(crate) fn retry_after(mut self, service: &Service, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        if service.name == "identitystore" {
            return self.member("RetryAfterSeconds", whole_seconds(pause));
        }
        self
    }

    /// Whether the thing that the request names is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        ["NoSuchEntity", "ResourceNotFoundException"].contains(&self.code.as_ref())
    }

    fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.retain(|(known, _)| known != name);
        self.members.push((name.to_owned(), value.into()));
        self
    }

    /// The service's answer to too many requests.
    pub(crate) fn throttled(service: &Service) -> Self {
        let message = match service.name {
            "organizations" => {
                "AWS Organizations can't complete your request because you sent too many requests."
            }
            _ => "Rate exceeded",
        };
        let error = Self::new(service.throttled, message);
        if service.name == "identitystore" { error.member("RetryAfterSeconds", 1) } else { error }
    }

    /// The service's answer to a call that no policy allows.
    pub(crate) fn denied(service: &Service, caller: &Caller, action: &str, resource: &str) -> Self {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action",
            caller.arn
        );
        Self::access_denied(service, message)
    }

    /// The service's answer to a call that a service control policy withholds, in the words of IAM.
    pub(crate) fn controlled(
        service: &Service,
        caller: &Caller,
        action: &str,
        resource: &str,
        verdict: &Verdict,
    ) -> Self {
        let why = match verdict {
            Verdict::Denied { arn: Some(arn) } => {
                format!("with an explicit deny in a service control policy: {arn}")
            }
            Verdict::Denied { arn: None } => "with an explicit deny in a service control policy".to_owned(),
            Verdict::NotAllowed => format!("because no service control policy allows the {action} action"),
        };
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
            caller.arn
        );
        Self::access_denied(service, message)
    }

    /// Access denied, in the service's spelling, with a message of its own.
    pub(crate) fn access_denied(service: &Service, message: impl Into<String>) -> Self {
        match service.protocol {
            Protocol::Json { .. } => Self::new("AccessDeniedException", message),
            Protocol::Query { .. } => Self::with_status("AccessDenied", message, 403),
        }
    }

    /// What the request names was deleted just now.
    pub(crate) fn vanished(service: &Service) -> Self {
        let message = "What the request names cannot be found.";
        match (service.protocol, service.name) {
            (Protocol::Query { .. }, _) => Self::with_status("NoSuchEntity", message, 404),
            (Protocol::Json { .. }, "organizations") => Self::new("ParentNotFoundException", message),
            (Protocol::Json { .. }, _) => Self::new("ResourceNotFoundException", message),
        }
    }

    /// The service failed for no fault of the caller.
    pub(crate) fn internal(service: &Service, status: u16) -> Self {
        let (code, message) = if status == 503 && matches!(service.protocol, Protocol::Query { .. }) {
            ("ServiceUnavailable", "Service is unavailable")
        } else {
            (service.internal, "An internal error occurred")
        };
        Self::with_status(code, message, status)
    }

    /// Credentials that have expired.
    pub(crate) fn expired(service: &Service) -> Self {
        let message = "The security token included in the request is expired";
        match service.protocol {
            Protocol::Json { .. } => Self::new("ExpiredTokenException", message),
            Protocol::Query { .. } => Self::with_status("ExpiredToken", message, 403),
        }
    }

    /// A key that does not exist, or a session token that is not the key's.
    pub(crate) fn unknown_key(service: &Service) -> Self {
        let message = "The security token included in the request is invalid.";
        match service.protocol {
            Protocol::Json { .. } => Self::new("UnrecognizedClientException", message),
            Protocol::Query { .. } => Self::with_status("InvalidClientTokenId", message, 403),
        }
    }

    /// A signature that is not the one of this request.
    pub(crate) fn bad_signature(service: &Service) -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
        match service.protocol {
            Protocol::Json { .. } => Self::new("InvalidSignatureException", message),
            Protocol::Query { .. } => Self::with_status("SignatureDoesNotMatch", message, 403),
        }
    }

    /// No signature at all.
    pub(crate) fn unsigned(service: &Service) -> Self {
        let message = "Request is missing Authentication Token";
        match service.protocol {
            Protocol::Json { .. } => Self::new("MissingAuthenticationTokenException", message),
            Protocol::Query { .. } => Self::with_status("MissingAuthenticationToken", message, 403),
        }
    }
}
