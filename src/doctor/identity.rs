//! As whom batond works, and why it may not.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::finding::{Finding, Severity, Statement};
use super::trust::{self, Verdict};
use crate::aws::iam::{Decision, EntityKind, Iam};
use crate::aws::{AccessError, Aws, Caller, Class, Denial, Hop, Service, Step};
use crate::baton::id::Arn;
use crate::config::{AwsSettings, RoleArn, Secret};
use crate::connector::Connector;

const CHECK: &str = "identity";
const NOTHING: &str = "without it there is no access to AWS at all";

/// Connects as a run does; what hinders it is told apart as far as anybody can tell.
pub(super) async fn examine(settings: &AwsSettings) -> (Option<Connector>, Vec<Finding>) {
    match Connector::open(settings).await {
        Ok(connector) => {
            let caller = connector.aws().caller();
            let what = format!("works as {}", caller.arn);
            let mut found = vec![Finding::ok(CHECK, what).of(&caller.account)];
            if connector.vends_in_vain() {
                let what = format!(
                    "BATON_VEND_FEDERATED_USERS is set, and AWS gives no federation token to {}, whatever its policies",
                    caller.arn
                );
                let in_vain = Finding::new(Severity::Error, CHECK, what)
                    .why("every invocation of issue_federation_token is refused")
                    .next("work with the access keys of an IAM user and without BATON_ROLE_ARN, or unset the list")
                    .of(&caller.account);
                found.push(in_vain);
            }
            (Some(connector), found)
        }
        Err(error) => (None, refused(settings, &error).await),
    }
}

async fn refused(settings: &AwsSettings, error: &AccessError) -> Vec<Finding> {
    let Some(hop) = error.hop() else {
        let check = match error {
            AccessError::NoInstance { .. }
            | AccessError::AmbiguousInstances { .. }
            | AccessError::InstanceNotVisible { .. } => super::center::CHECK,
            AccessError::Call(call) if call.service() == Service::SsoAdmin => super::center::CHECK,
            _ => CHECK,
        };
        let found = Finding::new(Severity::Error, check, error.to_string()).why(NOTHING);
        return vec![match error {
            AccessError::Call(call) if call.denial() == Some(Denial::Missing) => {
                let (to, action) =
                    ("the role that batond works as", call.missing_action().unwrap_or_default());
                found.adding(Statement::allowing(to, &[&action], "*"))
            }
            _ => found,
        }];
    };
    let reason = match error {
        AccessError::NoSuchRole { .. } => Reason::NoSuchRole,
        AccessError::OurSideDenied { withheld: None, .. } => Reason::OurSide(IDENTITY_BASED),
        AccessError::OurSideDenied { .. }
        | AccessError::TagSession { .. }
        | AccessError::ExternalIdMalformed { .. } => Reason::Told,
        _ => Box::pin(look_into(settings, hop)).await,
    };
    vec![tell(hop, error, &reason)]
}

/// Why a hop is refused.
enum Reason {
    NoSuchRole,
    OurSide(&'static str),
    /// The trust policy does not name the caller, whom policies know by this ARN.
    NotTrusted(String),
    NoExternalId,
    OtherExternalId,
    /// The error itself says it.
    Told,
    /// What is left; whether the caller's own side allows it, where a simulation could be asked for.
    Unknown(Option<bool>),
}

const IDENTITY_BASED: &str = "its identity-based policy";

/// AWS does not say whether the role exists, or what its trust policy thinks. Whoever may simulate its own policies
/// knows whether its own side allows the hop; whoever may read roles of the same account knows the other side. Of
/// another account's role, a simulation that does not allow proves nothing: the role's trust is not part of it.
async fn look_into(settings: &AwsSettings, hop: &Hop) -> Reason {
    let Ok(role) = hop.role.parse::<RoleArn>() else { return Reason::Unknown(None) };
    let Ok((caller, iam)) = Aws::before(settings, hop.step).await else { return Reason::Unknown(None) };
    let principal = principal_of(&caller, &iam).await;
    let asked = iam.simulate(&principal, &["sts:AssumeRole".to_owned()], Some(&hop.role)).await;
    let own_side = asked.ok().and_then(|results| results.first().map(|one| one.decision));
    let unknown = Reason::Unknown(own_side.map(|decision| decision == Decision::Allowed));
    if role.account() != caller.account.as_str() {
        return unknown;
    }
    let sent = match hop.step {
        Step::Binding => &settings.binding_external_id,
        Step::Role => &settings.external_id,
        Step::Member => &settings.member_external_id,
    };
    let sent = sent.as_ref().map(Secret::expose_secret).filter(|id| !id.is_empty());
    let verdict = match iam.role(role.name()).await {
        Ok(role) => trust::weigh(role.trust.as_deref().unwrap_or_default(), &caller, &principal, sent),
        Err(error) if matches!(error.class(), Class::NotFound) => return Reason::NoSuchRole,
        Err(_) => Verdict::Unreadable,
    };
    match (verdict, own_side) {
        (Verdict::NotNamed, _) => Reason::NotTrusted(principal),
        (Verdict::NoExternalId, _) => Reason::NoExternalId,
        (Verdict::OtherExternalId, _) => Reason::OtherExternalId,
        (Verdict::Unreadable, _) | (Verdict::Admits, None | Some(Decision::Allowed)) => unknown,
        (Verdict::Admits, Some(Decision::NotAllowed)) => Reason::OurSide(IDENTITY_BASED),
        (Verdict::Admits, Some(Decision::Denied)) => Reason::OurSide("an explicit denial in its policies"),
        (Verdict::Admits, Some(Decision::Boundary)) => Reason::OurSide("its permissions boundary"),
        (Verdict::Admits, Some(Decision::Organization)) => {
            Reason::OurSide("a service control policy of its organization")
        }
    }
}

/// The ARN by which policies name the caller: a session stands for its role, whose path only IAM knows.
pub(super) async fn principal_of(caller: &Caller, iam: &Iam) -> String {
    let session = Arn::parse(&caller.arn).and_then(|arn| arn.resource.strip_prefix("assumed-role/"));
    let Some(name) = session.and_then(|rest| rest.split('/').next()) else { return caller.arn.clone() };
    match iam.arn_of(EntityKind::Role, name).await {
        Ok(arn) => arn,
        Err(_) => format!("arn:{}:iam::{}:role/{name}", caller.partition, caller.account),
    }
}

fn tell(hop: &Hop, error: &AccessError, reason: &Reason) -> Finding {
    let role = &hop.role;
    let caller = hop.caller.as_deref().unwrap_or("the caller");
    let variable = hop.external_id_variable();
    let found = |what: String| Finding::new(Severity::Error, CHECK, what).why(NOTHING);
    match reason {
        Reason::Told => found(error.to_string()),
        Reason::NoSuchRole => found(format!("{hop}: the role does not exist"))
            .next("correct the ARN in the settings, or create the role; batond policy prints its policies"),
        Reason::OurSide(policy) => {
            let found = found(format!("{hop}: the caller's own side does not allow it ({policy})"));
            if *policy == IDENTITY_BASED {
                found
                    .next("sts:TagSession is for sessions with tags, as EKS Pod Identity makes them")
                    .adding(of_own_side(caller, role))
            } else {
                found.next("change that policy: another statement does not help")
            }
        }
        Reason::NotTrusted(principal) => {
            let add = json!({
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            });
            found(format!("{hop}: the role's trust policy does not name the caller"))
                .next("with an external id, give the statement the condition on sts:ExternalId as well")
                .adding(Statement { to: format!("the trust policy of {role}"), add })
        }
        Reason::NoExternalId => {
            found(format!("{hop}: the role's trust policy demands an external id, and {variable} is not set"))
                .next(format!("set {variable} to what the condition on sts:ExternalId demands"))
        }
        Reason::OtherExternalId => found(format!(
            "{hop}: the external id in {variable} is not the one that the role's trust policy demands"
        ))
        .next(format!("make {variable} and the condition on sts:ExternalId the same")),
        Reason::Unknown(own_side) => {
            let doubt = if hop.external_id_sent {
                format!("demands another external id than the one in {variable}")
            } else {
                format!("demands an external id, and {variable} is not set")
            };
            let what = format!(
                "{hop}: AWS does not say why. Either the role does not exist, or its trust policy does not name the \
                 caller, or it {doubt}"
            );
            let next = "look at the role in its account: its ARN, and who and what its trust policy demands";
            match own_side {
                Some(true) => found(format!("{what}; the caller's own policies do allow it")).next(next),
                Some(false) => {
                    let own = "or the caller's own policies do not allow sts:AssumeRole on it, as \
                               iam:SimulatePrincipalPolicy has it";
                    found(format!("{what}, {own}")).next(next).adding(of_own_side(caller, role))
                }
                None => {
                    let own = "or the caller's own policies do not allow sts:AssumeRole on it";
                    let with = "with iam:SimulatePrincipalPolicy for the caller, its own side can be told";
                    found(format!("{what}, {own}")).next(format!("{next}; {with}"))
                }
            }
        }
    }
}

fn of_own_side(caller: &str, role: &str) -> Statement {
    Statement::allowing(format!("the policies of {caller}"), &["sts:AssumeRole", "sts:TagSession"], role)
}
