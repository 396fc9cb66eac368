//! As whom batond works, and why it may not.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::finding::{Finding, Severity, Statement};
use super::trust::{self, Verdict};
use crate::aws::iam::{Decision, EntityKind, Iam};
use crate::aws::{AccessError, Aws, Caller, Class, Hop, Service, Step};
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
            let found = Finding::ok(CHECK, what).of(&caller.account);
            (Some(connector), vec![found])
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
            AccessError::Call(call) => match call.missing_action() {
                Some(action) => {
                    let to = "the role that batond works as";
                    found.adding(Statement::allowing(to, &[&action], "*"))
                }
                None => found,
            },
            _ => found,
        }];
    };
    let reason = match error {
        AccessError::NoSuchRole { .. } => Reason::NoSuchRole,
        AccessError::OurSideDenied { policy, .. } => Reason::OurSide(policy),
        AccessError::TagSession { .. } | AccessError::ExternalIdMalformed { .. } => Reason::Told,
        _ => Box::pin(look_into(settings, hop)).await,
    };
    vec![tell(hop, error, &reason)]
}

/// Why a hop is refused.
enum Reason {
    NoSuchRole,
    OurSide(&'static str),
    NotTrusted,
    NoExternalId,
    OtherExternalId,
    /// The error itself says it.
    Told,
    /// What is left once the caller's own side is known, or not, to allow it.
    Unknown {
        own_side_allows: bool,
    },
}

/// AWS does not say whether the role exists, or what its trust policy thinks. Whoever may simulate its own policies
/// knows its own side; whoever may read roles of the same account knows the other.
async fn look_into(settings: &AwsSettings, hop: &Hop) -> Reason {
    let unknown = Reason::Unknown { own_side_allows: false };
    let Ok(role) = hop.role.parse::<RoleArn>() else { return unknown };
    let Ok((caller, iam)) = Aws::before(settings, hop.step).await else { return unknown };
    let principal = principal_of(&caller, &iam).await;
    let asked = iam.simulate(&principal, &["sts:AssumeRole".to_owned()], Some(&hop.role)).await;
    let own_side = asked.ok().and_then(|results| results.first().map(|one| one.decision));
    match own_side {
        None | Some(Decision::Allowed) => {}
        Some(Decision::NotAllowed) => return Reason::OurSide("its identity-based policy"),
        Some(Decision::Denied) => return Reason::OurSide("an explicit denial in its policies"),
        Some(Decision::Boundary) => return Reason::OurSide("its permissions boundary"),
        Some(Decision::Organization) => {
            return Reason::OurSide("a service control policy of its organization");
        }
    }
    let unknown = Reason::Unknown { own_side_allows: own_side.is_some() };
    if role.account() != caller.account.as_str() {
        return unknown;
    }
    let trust = match iam.role(role.name()).await {
        Ok(role) => role.trust,
        Err(error) if matches!(error.class(), Class::NotFound) => return Reason::NoSuchRole,
        Err(_) => return unknown,
    };
    let sent = match hop.step {
        Step::Binding => &settings.binding_external_id,
        Step::Role => &settings.external_id,
        Step::Member => &settings.member_external_id,
    };
    let sent = sent.as_ref().map(Secret::expose_secret).filter(|id| !id.is_empty());
    match trust::weigh(trust.as_deref().unwrap_or_default(), &caller, &principal, sent) {
        Verdict::NotNamed => Reason::NotTrusted,
        Verdict::NoExternalId => Reason::NoExternalId,
        Verdict::OtherExternalId => Reason::OtherExternalId,
        Verdict::Admits | Verdict::Unreadable => unknown,
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
            let actions = ["sts:AssumeRole", "sts:TagSession"];
            found(format!("{hop}: the caller's own side does not allow it ({policy})"))
                .next("sts:TagSession is for sessions with tags, as EKS Pod Identity makes them")
                .adding(Statement::allowing(format!("the policies of {caller}"), &actions, role))
        }
        Reason::NotTrusted => {
            let add = json!({
                "Effect": "Allow",
                "Principal": {"AWS": policy_name(caller)},
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
        Reason::Unknown { own_side_allows } => {
            let doubt = if hop.external_id_sent {
                format!("demands another external id than the one in {variable}")
            } else {
                format!("demands an external id, and {variable} is not set")
            };
            let mut what = format!(
                "{hop}: AWS does not say why. Either the role does not exist, or its trust policy does not name the \
                 caller, or it {doubt}"
            );
            let mut next =
                "look at the role in its account: its ARN, and who and what its trust policy demands"
                    .to_owned();
            if *own_side_allows {
                what.push_str("; the caller's own policies do allow it");
            } else {
                what.push_str(", or the caller's own policies do not allow sts:AssumeRole on it");
                next.push_str("; with iam:SimulatePrincipalPolicy for the caller, its own side can be told");
            }
            found(what).next(next)
        }
    }
}

/// A session's role, where a policy must name a principal that lasts.
fn policy_name(caller: &str) -> String {
    let role = Arn::parse(caller).and_then(|arn| {
        let name = arn.resource.strip_prefix("assumed-role/")?.split('/').next()?;
        Some(format!("arn:{}:iam::{}:role/{name}", arn.partition, arn.account))
    });
    role.unwrap_or_else(|| caller.to_owned())
}
