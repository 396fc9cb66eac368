//! What the control plane asks for, what came of it, and the summary.

use std::error::Error;
use std::fs;
use std::path::Path;

use batond::baton::id::{Binding, Directory};
use batond::c1z::Reader;
use batond::daemon::Ended;
use batond::doctor::Severity;
use prost::Message;
use testbed::aws::PrincipalType;
use testbed::control_plane::{Finish, Rpc, task};
use testbed::proto::v2;

use crate::Outcome;
use crate::log::Log;
use crate::parts::Parts;

/// Where the sync is left.
const FILE: &str = "sync.c1z";

/// Who gets what, and who loses what.
const ACCOUNT: &str = "Shop (prod)";
const PERMISSION_SET: &str = "Developer";
const GRANTEE: &str = "loner@example.com";
const GROUP: &str = "Engineers";
const MEMBER: &str = "bob";

/// What batond's role may not do for a moment.
const TAKEN: &str = "identitystore:ListGroupMemberships";

/// Plays the control plane's part and checks each effect in AWS. Gives the sync.
pub(crate) async fn tell(parts: &Parts) -> Outcome<Reader> {
    println!("\n1. hello: batond introduces itself");
    hello(parts).await?;
    println!("\n2. sync: the control plane asks for everything; batond reads AWS and uploads a file");
    let file = sync(parts).await?;
    println!("\n3. grant: {GRANTEE} shall have {PERMISSION_SET} in account {ACCOUNT}");
    grant(parts, &file).await?;
    println!("\n4. revoke: {MEMBER} shall leave the group {GROUP}");
    revoke(parts, &file).await?;
    println!("\n5. doctor: somebody takes a permission from batond's role; what does batond doctor say?");
    doctor(parts).await?;
    Ok(file)
}

/// Stops batond and sums up what happened.
pub(crate) async fn end(parts: &mut Parts, file: &Reader, log: &Log) -> Outcome<()> {
    println!("\n6. stop: what SIGTERM does in a pod");
    stop(parts).await?;
    summarize(parts, file, log)
}

async fn hello(parts: &Parts) -> Outcome<()> {
    let hello = parts.control_plane.greeted("").await?;
    println!(
        "   the control plane knows host {} with {} resource types:",
        hello.host_id,
        hello.resource_types.len()
    );
    println!("   {}", hello.resource_types.join(", "));
    Ok(())
}

async fn sync(parts: &Parts) -> Outcome<Reader> {
    let id = parts.control_plane.push(task::sync_full());
    succeeded(&parts.control_plane.finished(&id).await?)?;
    let uploads = parts.control_plane.uploads(&id);
    let upload = uploads.first().and_then(|asset| Some((asset, asset.path.as_ref()?)));
    let (asset, path) = upload.ok_or("nothing was uploaded")?;
    fs::copy(path, FILE)?;
    let file = Reader::open(Path::new(FILE), parts.work_dir.path())?;
    let counts = file.counts()?;
    println!(
        "   read with {} calls to AWS; uploaded {} bytes, kept as ./{FILE}:",
        parts.aws.counters().total(),
        asset.bytes
    );
    println!(
        "   {} resources, {} entitlements, {} grants",
        counts.resources, counts.entitlements, counts.grants
    );
    Ok(file)
}

async fn grant(parts: &Parts, file: &Reader) -> Outcome<()> {
    let account = parts.aws.account_id(ACCOUNT).ok_or("no such account")?;
    let permission_set = parts.aws.permission_set_arn(PERMISSION_SET).ok_or("no such permission set")?;
    let user = directory(parts).user(&parts.aws.user_id(GRANTEE).ok_or("no such user")?);
    // The control plane sends back what the sync told it.
    let entitlement = file.entitlement(&Binding::new(&account, &permission_set)?.account_entitlement())?;
    let principal = file.resource("sso_user", &user)?;
    let entitlement: v2::Entitlement = resend(&entitlement.ok_or("the entitlement is not in the sync")?)?;
    let principal: v2::Resource = resend(&principal.ok_or("the user is not in the sync")?)?;

    let assigned = || parts.aws.is_assigned(ACCOUNT, PERMISSION_SET, PrincipalType::User, GRANTEE);
    println!("   before: assigned in AWS: {}", yes(assigned()));
    let id = parts.control_plane.push(task::grant(entitlement, principal));
    succeeded(&parts.control_plane.finished(&id).await?)?;
    println!("   after:  assigned in AWS: {}", yes(assigned()));
    if assigned() { Ok(()) } else { Err("batond reported a grant that is not in AWS".into()) }
}

async fn revoke(parts: &Parts, file: &Reader) -> Outcome<()> {
    let group = parts.aws.group_id(GROUP).ok_or("no such group")?;
    let user = parts.aws.user_id(MEMBER).ok_or("no such user")?;
    let memberships = parts.aws.memberships();
    let membership = memberships.iter().find(|one| one.group == group && one.user == user);
    let grant = file.grant(&membership.ok_or("no such membership")?.id)?;
    let grant: v2::Grant = resend(&grant.ok_or("the membership is not in the sync")?)?;

    let member = || parts.aws.is_member(GROUP, MEMBER);
    println!("   before: member in AWS: {}", yes(member()));
    let id = parts.control_plane.push(task::revoke(grant));
    succeeded(&parts.control_plane.finished(&id).await?)?;
    println!("   after:  member in AWS: {}", yes(member()));
    if member() { Err("batond reported a revoke that is not in AWS".into()) } else { Ok(()) }
}

async fn doctor(parts: &Parts) -> Outcome<()> {
    let role = "BatonConnector";
    parts.aws.deny(role, &[TAKEN]);
    let report = parts.doctor().await;
    parts.aws.deny(role, &[]);
    let worse: Vec<_> = report.findings.iter().filter(|one| one.severity >= Severity::Warning).collect();
    for finding in &worse {
        println!("   {}", finding.to_string().replace('\n', "\n   "));
    }
    let fine = report.findings.iter().filter(|one| one.severity == Severity::Ok).count();
    println!("   and {fine} findings that all is well");
    match worse.as_slice() {
        [one] if one.what.contains(TAKEN) => Ok(()),
        _ => Err(format!("that is not what was wrong:\n{report}").into()),
    }
}

async fn stop(parts: &mut Parts) -> Outcome<()> {
    match parts.stop().await? {
        Ended::Cleanly => {
            println!("   batond has stopped polling, had no task left to report, and ended with code 0");
            Ok(())
        }
        ended => Err(format!("batond ended with code {}", ended.exit_code()).into()),
    }
}

fn summarize(parts: &Parts, file: &Reader, log: &Log) -> Outcome<()> {
    let control_plane = &parts.control_plane;
    let violations = control_plane.violations();
    if let Some(violation) = violations.first() {
        return Err(format!("batond broke the protocol {} times: {violation:?}", violations.len()).into());
    }
    let text = log.text();
    if control_plane.secrets().iter().any(|secret| text.contains(secret)) {
        return Err("a secret stands in batond's log".into());
    }
    let kinds = [Rpc::Token, Rpc::Hello, Rpc::GetTask, Rpc::Heartbeat, Rpc::UploadAsset, Rpc::FinishTask];
    let received: Vec<_> = kinds.iter().map(|rpc| format!("{rpc:?} {}", control_plane.calls(*rpc))).collect();
    println!("\nIn short");
    println!("  control plane  received {}; all as the protocol wants it", received.join(", "));
    println!("  AWS            + {GRANTEE} has {PERMISSION_SET} in {ACCOUNT}");
    println!("                 - {MEMBER} is no longer in {GROUP}");
    println!("  audit log      one line per change, none with a secret:");
    for write in log.audit()? {
        println!(
            "                 {} {}, AWS request {}",
            write.operation, write.outcome, write.aws_request_id
        );
    }
    println!("  for you        ./{FILE}, sync {}", file.sync_id());
    println!("\nEverything happened as it should.");
    Ok(())
}

fn succeeded(finish: &Finish) -> Outcome<()> {
    if finish.success {
        let response = finish.response.as_deref().and_then(|name| name.rsplit('.').next());
        println!(
            "   the control plane received: success, {}",
            response.unwrap_or("without a response, as for every sync")
        );
        Ok(())
    } else {
        Err(format!("batond reported {:?}: {}", finish.grpc_code(), finish.message).into())
    }
}

fn directory(parts: &Parts) -> Directory {
    Directory { region: "us-east-1".to_owned(), store: parts.aws.identity_store_id() }
}

/// The same message in the types of the testbed, which generates its own.
fn resend<M: Message + Default>(message: &impl Message) -> Result<M, Box<dyn Error>> {
    Ok(M::decode(&*message.encode_to_vec())?)
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
