//! What a one-shot run answers on standard output: a text for a terminal, JSON for a pipe.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use tokio_util::sync::CancellationToken;

use super::{Exit, failure, output};
use crate::baton::protojson;
use crate::connector::{Connector, Planned, Provision, Rehearsal};
use crate::text::{self, printable};

/// The change of a one-shot run, made or rehearsed.
pub(super) fn provision(dry_run: bool, cancel: CancellationToken) -> Provision {
    Provision { rehearsal: dry_run.then(Rehearsal::default), ..Provision::new("one-shot", cancel) }
}

/// Answers a change: what was done, or what would be. Whoever discards the answer of a change that was made reads it
/// from the exit code and the log.
pub(super) fn change<M: prost::Name>(provision: &Provision, message: &M, text: &str) -> Exit {
    match &provision.rehearsal {
        Some(rehearsal) => rehearsed(&rehearsal.planned()),
        None if output::is_discarded() => Exit::SUCCESS,
        None => of(message, text),
    }
}

/// Answers with a credential, as JSON, whoever reads. Where that cannot be written, the credential is withdrawn.
pub(super) async fn credential<M: prost::Name>(
    connector: &Connector,
    provision: &Provision,
    message: &M,
) -> Exit {
    let exit = json(message);
    if exit != Exit::SUCCESS
        && let Some(left) = connector.withdraw(provision).await
    {
        tracing::error!(error = left.told, "the credential reached nobody");
    }
    exit
}

/// Refuses to make a credential whose answer would reach nobody.
pub(super) fn refuse_to_discard() -> Option<Exit> {
    output::is_discarded().then(|| {
        tracing::error!(
            error = "standard output is closed, or the null device: the credential would reach nobody",
            "nothing was done"
        );
        Exit::PRECONDITION
    })
}

/// Answers with a message.
pub(super) fn of<M: prost::Name>(message: &M, text: &str) -> Exit {
    if std::io::stdout().is_terminal() {
        let lines: Vec<_> = text.lines().map(|line| printable(line, text::MESSAGE)).collect();
        return print(&lines.join("\n"));
    }
    json(message)
}

/// Answers with the JSON of a message, whoever reads.
pub(super) fn json<M: prost::Name>(message: &M) -> Exit {
    match protojson::to_json_pretty(message) {
        Ok(text) => print(&text),
        Err(error) => failure::at_start(&error),
    }
}

fn rehearsed(planned: &[Planned]) -> Exit {
    if std::io::stdout().is_terminal() {
        return print(readable(planned).trim_end());
    }
    print(&format!("{:#}", serde_json::json!({"dryRun": true, "writes": planned})))
}

fn readable(planned: &[Planned]) -> String {
    let mut text = match planned.len() {
        0 => "nothing would be written\n".to_owned(),
        1 => "this would be written; nothing was\n".to_owned(),
        several => format!("these {several} would be written, in this order; nothing was\n"),
    };
    for one in planned {
        // Writing to a text cannot fail.
        let [target_type, target, principal_type, principal] =
            [&one.target_type, &one.target_id, &one.principal_type, &one.principal_id]
                .map(|word| printable(word, text::MESSAGE));
        let _ = write!(text, "  {}  {target_type} {target}", one.operation);
        if one.principal_id != one.target_id {
            let _ = write!(text, "  {principal_type} {principal}");
        }
        let _ = match one.before {
            Some(before) if before == one.after => writeln!(text, "  ({before} already)"),
            _ => writeln!(text),
        };
    }
    text
}

fn print(text: &str) -> Exit {
    output::write(&format!("{text}\n")).map_or_else(|lost| failure::lost(&lost), |()| Exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_tells_each_write_and_what_is_so_already() {
        let join = Planned {
            operation: "iam:AddUserToGroup",
            target_type: "group".into(),
            target_id: "G".into(),
            principal_type: "iam_user".into(),
            principal_id: "U".into(),
            before: Some("held"),
            after: "held",
        };
        let delete = Planned {
            operation: "iam:DeleteUser",
            target_type: "iam_user".into(),
            target_id: "U".into(),
            before: None,
            after: "not held",
            ..join.clone()
        };
        let strange = Planned { target_id: "a\n\u{1b}[2J".into(), ..join.clone() };
        let text = readable(&[strange]);
        assert!(text.contains(r"group a \u{1b}[2J  iam_user U"), "{text}");
        assert_eq!(readable(&[]), "nothing would be written\n");
        assert_eq!(
            readable(&[join, delete]),
            "these 2 would be written, in this order; nothing was\n  iam:AddUserToGroup  group G  iam_user U  (held \
             already)\n  iam:DeleteUser  iam_user U\n"
        );
    }
}
