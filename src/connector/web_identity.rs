//! The action that gives the holder of a web identity token a session of a role, encrypted for one age recipient.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_types::Struct;
use secrecy::{ExposeSecret as _, SecretString};

use super::arguments::{fits, number, policy, required};
use super::audit::{Audit, State, Write};
use super::conflict::Patience;
use super::iam_change::CONFLICT;
use super::undelivered::Credential;
use super::{Connector, Provision, ProvisionError, envelope, guard, role};
use crate::aws::Input;
use crate::aws::sts::{WebIdentity, WebSession};
use crate::baton::config_v1::field::Field as FieldKind;
use crate::baton::config_v1::{Field, IntField, StringField};
use crate::baton::encryption::{AgeRecipient, key_id};
use crate::baton::profile::Profile;
use crate::baton::v2::{ActionType, BatonActionSchema};

/// The name of the action.
pub(super) const ACTION: &str = "assume_role_with_web_identity";

/// STS's own limits of a session, in seconds.
const SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;

/// The action as the control plane shows it, in the words of baton-aws. Source: message `BatonActionSchema`.
pub(super) fn schema() -> BatonActionSchema {
    let text = || FieldKind::StringField(StringField::default());
    let field = |name: &str, label: &str, description: &str, field: FieldKind| Field {
        name: name.to_owned(),
        display_name: label.to_owned(),
        description: description.to_owned(),
        field: Some(field),
        ..Field::default()
    };
    let mut arguments = vec![
        field("role_arn", "Role ARN", "Customer role trusted to accept the C1 OIDC token.", text()),
        field(
            "web_identity_token",
            "OIDC token",
            "Short-lived token minted by the configured C1 OIDC issuer for this request.",
            text(),
        ),
        field(
            "age_recipient",
            "Encryption recipient",
            "Platform-provided age recipient. STS credentials are encrypted before leaving the connector.",
            text(),
        ),
        field("session_name", "Session name", "Auditable AWS role session name.", text()),
        field(
            "duration_seconds",
            "Duration seconds",
            "Requested STS session lifetime (900-43200, additionally limited by the role).",
            FieldKind::IntField(IntField::default()),
        ),
        field(
            "policy_json",
            "Session policy",
            "Optional restrictive inline session policy, for example an aws:SourceIp deny boundary.",
            text(),
        ),
    ];
    for argument in &mut arguments {
        argument.is_required = argument.name != "policy_json";
        argument.is_secret = argument.name == "web_identity_token";
    }
    BatonActionSchema {
        name: ACTION.to_owned(),
        display_name: "Issue AWS STS Session".to_owned(),
        description:
            "Exchange a short-lived C1-issued OIDC token for an AWS STS role session. The target role trust \
                      policy must explicitly trust the C1 issuer, audience, and subject profile."
                .to_owned(),
        action_type: vec![ActionType::Dynamic.into()],
        arguments,
        return_types: vec![
            field(
                "encrypted_credentials",
                "Encrypted credential envelope",
                "Base64-encoded age ciphertext; never plaintext STS material.",
                text(),
            ),
            field("encryption_key_id", "Encryption key ID", "", text()),
            field("expiration", "Expiration", "", text()),
            field("assumed_role_arn", "Assumed role ARN", "", text()),
        ],
        ..BatonActionSchema::default()
    }
}

/// The arguments, checked.
#[derive(Debug)]
struct Order {
    role: String,
    token: SecretString,
    recipient: AgeRecipient,
    key_id: String,
    session_name: String,
    seconds: i32,
    policy: Option<String>,
}

/// Gives a session of a role, unless the settings keep the role back.
///
/// Source: `sts:AssumeRoleWithWebIdentity`. Cancel-safe: a session that nobody got ends by itself.
pub(super) async fn invoke(
    connector: &Connector,
    arguments: Struct,
    provision: &Provision,
) -> Result<Struct, ProvisionError> {
    let order = Order::parse(arguments)?;
    let vended = &connector.settings.vend_roles;
    if !vended.is_empty() && !vended.iter().any(|pattern| guard::matches(pattern, &order.role)) {
        return Err(ProvisionError::Protected(format!(
            "no session of {} is given: BATON_VEND_ROLES does not list it",
            order.role.chars().take(256).collect::<String>()
        )));
    }
    let sts = connector.api(provision).sts();
    let identity = WebIdentity {
        role: &order.role,
        token: &order.token,
        session_name: &order.session_name,
        seconds: order.seconds,
        policy: order.policy.as_deref(),
    };
    let mut audit = Audit::begin(
        provision,
        Write {
            operation: "sts:AssumeRoleWithWebIdentity",
            target_type: role::ID,
            target: &order.role,
            principal_type: "session",
            principal: &order.session_name,
            wanted: State::Held,
        },
    );
    let once = Patience { limit: std::time::Duration::ZERO, ..CONFLICT };
    let given = match once.send(&mut audit, provision, || sts.assume_role_with_web_identity(&identity)).await
    {
        Ok(given) => given,
        Err(ProvisionError::Call(error)) if !error.is_retryable() && refuses_token(error.code()) => {
            return Err(audit.failed(ProvisionError::Token(error)));
        }
        Err(error) => return Err(audit.failed(error)),
    };
    provision.makes(Credential::Session {
        arn: given.value.arn.clone(),
        expiration: given.value.credentials.expiration.to_string(),
    });
    audit.changed(given.request_id.as_deref());
    seal(&order, &given.value)
}

/// Whether STS says that the token, not the role, is what it does not accept.
fn refuses_token(code: Option<&str>) -> bool {
    const CODES: [&str; 4] =
        ["ExpiredToken", "ExpiredTokenException", "InvalidIdentityToken", "IDPRejectedClaim"];
    code.is_some_and(|code| CODES.contains(&code))
}

fn seal(order: &Order, session: &WebSession) -> Result<Struct, ProvisionError> {
    // Neither can fail for texts and a key that was read.
    let unsealed = || ProvisionError::invalid("the session cannot be encrypted for the age recipient");
    let plaintext = envelope::of_session(&session.credentials).ok_or_else(unsealed)?;
    let file = order.recipient.encrypt(plaintext.expose_secret().as_bytes()).map_err(|_| unsealed())?;
    Ok(Profile::new()
        .string("encrypted_credentials", BASE64_STANDARD.encode(file))
        .string("encryption_key_id", &*order.key_id)
        .string("expiration", session.credentials.expiration.to_string())
        .string("assumed_role_arn", &*session.arn)
        .build())
}

impl Order {
    fn parse(mut arguments: Struct) -> Result<Self, ProvisionError> {
        let role = required(&mut arguments, "role_arn")?;
        fits("role_arn", &role, Input::RoleArn)?;
        let token = required(&mut arguments, "web_identity_token")?;
        fits("web_identity_token", &token, Input::WebIdentityToken)?;
        let recipient = required(&mut arguments, "age_recipient")?;
        let key = recipient.parse().map_err(ProvisionError::Invalid)?;
        let session_name = required(&mut arguments, "session_name")?;
        fits("session_name", &session_name, Input::SessionName)?;
        let seconds = number(&mut arguments, "duration_seconds", SECONDS)?;
        let seconds = seconds.ok_or_else(|| ProvisionError::invalid("duration_seconds is missing"))?;
        let policy = policy(&mut arguments, "policy_json")?;
        Ok(Self {
            role,
            token: token.into(),
            key_id: key_id(&recipient),
            recipient: key,
            session_name,
            seconds,
            policy,
        })
    }
}
