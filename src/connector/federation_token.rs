//! The action that gives a federated user credentials, encrypted for the recipients of its task.
//!
//! AWS gives them to the access keys of an IAM user alone, and no more than that user may do itself, which for a
//! connector is a lot. So the settings list whose name may be asked for, and which policies; by default nobody is.

use std::time::Duration;

use prost_types::Struct;

use super::arguments::{fits, number, policy, required, tags, texts};
use super::audit::{Audit, State, Write};
use super::conflict::Patience;
use super::iam_change::CONFLICT;
use super::undelivered::Credential;
use super::{ActionResults, Connector, Provision, ProvisionError, envelope, guard, iam_user};
use crate::aws::sts::{FederatedSession, Federation};
use crate::aws::{Caller, Input, Tag};
use crate::baton::config_v1::field::Field as FieldKind;
use crate::baton::config_v1::{Field, IntField, StringField, StringMapField, StringSliceField};
use crate::baton::encryption::{Plaintext, Recipients};
use crate::baton::id::Arn;
use crate::baton::profile::Profile;
use crate::baton::v2::{ActionType, BatonActionSchema, EncryptionConfig};
use crate::config::AwsSettings;

/// The name of the action.
pub(super) const ACTION: &str = "issue_federation_token";
/// The name of its secret result.
const CREDENTIALS: &str = "credentials";

/// STS's own limits of the credentials' life, in seconds.
const SECONDS: std::ops::RangeInclusive<u32> = 900..=129_600;
/// Those of the least size of a token, in bytes.
const TOKEN_SIZE: std::ops::RangeInclusive<u32> = 0..=4096;
const MOST_POLICIES: usize = 10;
const MOST_TAGS: usize = 50;
/// Lists any policy, also one that is written into the request.
const ANY: &str = "*";

/// The action as the control plane shows it, in the words of baton-aws. Source: message `BatonActionSchema`.
pub(super) fn schema() -> BatonActionSchema {
    let text = || FieldKind::StringField(StringField::default());
    let number = || FieldKind::IntField(IntField::default());
    let map = || FieldKind::StringMapField(StringMapField::default());
    let field = |name: &str, label: &str, description: &str, field: FieldKind| Field {
        name: name.to_owned(),
        display_name: label.to_owned(),
        description: description.to_owned(),
        field: Some(field),
        ..Field::default()
    };
    let mut arguments = vec![
        field(
            "name",
            "Federated user name",
            "Name used to identify the federated user (2-32 AWS-compatible characters).",
            text(),
        ),
        field(
            "duration_seconds",
            "Duration seconds",
            "Optional session lifetime from 900 to 129600 seconds. AWS defaults to 43200 seconds.",
            number(),
        ),
        field(
            "policy",
            "Inline session policy",
            "Optional restrictive IAM policy JSON. Without an inline or managed policy, the credentials have no \
             permissions.",
            text(),
        ),
        field(
            "policy_arns",
            "Managed policy ARNs",
            "Up to 10 IAM managed policy ARNs from the same account as the calling IAM user.",
            FieldKind::StringSliceField(StringSliceField::default()),
        ),
        field("tags", "Session tags", "Optional session tag key-value pairs (up to 50).", map()),
        field(
            "minimum_session_token_size",
            "Minimum session token size",
            "Optional minimum session-token size in bytes, from 0 to 4096.",
            number(),
        ),
    ];
    for argument in &mut arguments {
        argument.is_required = argument.name == "name";
    }
    let credentials = Field {
        is_required: true,
        is_secret: true,
        ..field(
            CREDENTIALS,
            "Credentials",
            "JSON containing the access key ID, secret access key, session token, and expiration. Returned only as \
             encrypted data.",
            text(),
        )
    };
    BatonActionSchema {
        name: ACTION.to_owned(),
        display_name: "Issue federated AWS STS credentials".to_owned(),
        description:
            "Issue temporary AWS credentials with STS GetFederationToken. The connector credentials must \
                      belong to an IAM user; assumed-role credentials cannot call this operation."
                .to_owned(),
        action_type: vec![ActionType::Dynamic.into()],
        arguments,
        return_types: vec![
            credentials,
            field(
                "federated_user",
                "Federated user",
                "The ARN and ID assigned to the federated user.",
                map(),
            ),
            field("session_token_size", "Session token size", "", number()),
            field("session_token_utilization", "Session token utilization", "", number()),
        ],
        ..BatonActionSchema::default()
    }
}

/// Whether the settings list anybody who may be given credentials.
pub(super) fn is_on(settings: &AwsSettings) -> bool {
    !settings.vend_federated_users.is_empty()
}

/// The arguments, checked.
#[derive(Debug)]
struct Order {
    name: String,
    seconds: Option<i32>,
    policy: Option<String>,
    policies: Vec<String>,
    tags: Vec<Tag>,
    token_size: Option<i32>,
}

/// Gives credentials to a federated user whom the settings list.
///
/// Source: `sts:GetFederationToken`. Cancel-safe: credentials that nobody got end by themselves.
pub(super) async fn invoke(
    connector: &Connector,
    arguments: Struct,
    configs: &[EncryptionConfig],
    provision: &Provision,
) -> Result<ActionResults, ProvisionError> {
    let order = Order::parse(arguments)?;
    let recipients = Recipients::parse(configs)?;
    let caller = connector.aws.caller();
    let user = order.admit(&connector.settings, caller)?;
    let sts = connector.api(provision).sts();
    let federation = order.federation();
    let mut audit = Audit::begin(
        provision,
        Write {
            operation: "sts:GetFederationToken",
            target_type: "federated_user",
            target: &user,
            principal_type: iam_user::ID,
            principal: &caller.arn,
            wanted: State::Held,
        },
    );
    let once = Patience { limit: Duration::ZERO, ..CONFLICT };
    let given = match once.send(&mut audit, provision, || sts.federation_token(&federation)).await {
        Ok(given) => given,
        Err(ProvisionError::Call(error)) => return Err(audit.failed(ProvisionError::NoFederation(error))),
        Err(error) => return Err(audit.failed(error)),
    };
    provision.makes(Credential::Session {
        arn: given.value.arn.clone(),
        expiration: given.value.credentials.expiration.to_string(),
    });
    audit.changed(given.request_id.as_deref());
    results(&given.value, &recipients)
}

/// What is open, and what is sealed: the credentials are in no open result.
fn results(session: &FederatedSession, recipients: &Recipients) -> Result<ActionResults, ProvisionError> {
    let secret = envelope::of_session(&session.credentials).ok_or(ProvisionError::Broken)?;
    let description = "AWS STS temporary credentials";
    let plaintext = Plaintext { name: CREDENTIALS, description, schema: envelope::SESSION_SCHEMA, secret };
    let encrypted = recipients.seal(&plaintext)?;
    let user = Profile::new().string("arn", &*session.arn).string("federated_user_id", &*session.id);
    let sizes = [
        ("session_token_size", session.token_size),
        ("session_token_utilization", session.token_utilization),
    ];
    let open = sizes.into_iter().filter_map(|(name, size)| Some((name, size?)));
    let open = open.fold(Profile::new(), |open, (name, size)| open.number(name, size));
    Ok(ActionResults { response: open.object("federated_user", user).build(), encrypted })
}

impl Order {
    fn parse(mut arguments: Struct) -> Result<Self, ProvisionError> {
        let arguments = &mut arguments;
        let name = required(arguments, "name")?;
        fits("name", &name, Input::FederatedName)?;
        let seconds = number(arguments, "duration_seconds", SECONDS)?;
        let policy = policy(arguments, "policy")?;
        if policy.as_ref().is_some_and(|policy| policy.len() > 2048) {
            return Err(ProvisionError::invalid("policy has more than 2048 bytes"));
        }
        let policies = texts(arguments, "policy_arns", MOST_POLICIES)?;
        policies.iter().try_for_each(|arn| fits("an item of policy_arns", arn, Input::PolicyArn))?;
        let tags = tags(arguments, "tags", MOST_TAGS)?;
        let token_size = number(arguments, "minimum_session_token_size", TOKEN_SIZE)?;
        Ok(Self { name, seconds, policy, policies, tags, token_size })
    }

    /// The ARN of the federated user, where the settings list it and all that is asked for, and the caller is one to
    /// whom AWS gives tokens.
    fn admit(&self, settings: &AwsSettings, caller: &Caller) -> Result<String, ProvisionError> {
        let refuse = |why: String| Err(ProvisionError::Protected(why));
        let user = format!("arn:{}:sts::{}:federated-user/{}", caller.partition, caller.account, self.name);
        // Other policies name federated users, and tell upper from lower case.
        if !settings.vend_federated_users.iter().any(|pattern| guard::fits(pattern, &user)) {
            return refuse(format!(
                "no credentials are given to {user}: BATON_VEND_FEDERATED_USERS does not list it"
            ));
        }
        let listed = &settings.vend_federated_policies;
        if self.policy.is_some() && !listed.iter().any(|pattern| pattern == ANY) {
            return refuse(format!(
                "no credentials are given under a policy that the request brings along, as it may say anything: \
                 BATON_VEND_FEDERATED_POLICIES does not list {ANY}"
            ));
        }
        let unlisted = |arn: &&String| !listed.iter().any(|pattern| guard::matches(pattern, arn));
        if let Some(arn) = self.policies.iter().find(unlisted) {
            return refuse(format!(
                "no credentials are given under the policy {}: BATON_VEND_FEDERATED_POLICIES does not list it",
                arn.chars().take(256).collect::<String>()
            ));
        }
        if !is_iam_user(caller) {
            return refuse(format!(
                "AWS gives federation tokens to the access keys of an IAM user alone, and this connector works as {}: \
                 let it work with a user's keys and without BATON_ROLE_ARN",
                caller.arn
            ));
        }
        Ok(user)
    }

    fn federation(&self) -> Federation<'_> {
        Federation {
            name: &self.name,
            seconds: self.seconds,
            policy: self.policy.as_deref(),
            policies: &self.policies,
            tags: &self.tags,
            token_size: self.token_size,
        }
    }
}

/// Whether the caller may be given federation tokens at all. The root user may, and should not have keys.
pub(super) fn is_iam_user(caller: &Caller) -> bool {
    Arn::parse(&caller.arn).is_some_and(|arn| arn.resource.starts_with("user/"))
}
