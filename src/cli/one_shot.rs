//! Runs that do one thing and end: a sync, a change, or the listing of events.

use std::io;

use super::display::Display;
use super::{Exit, account, action, answer, credential, events, failure, provision, report, stop};
use crate::config::{Operation, Settings};
use crate::connector::Connector;
use crate::daemon::{WorkDir, prepare_target};
use crate::sync::{self, Changes, Progress, SyncOptions};
use crate::telemetry;

/// Carries out the operation of the settings.
///
/// An error means that the process itself lacks something: a signal handler.
pub(super) async fn run(settings: &Settings, display: &Display) -> io::Result<Exit> {
    let cancel = stop::on_signals()?;
    telemetry::summarize(settings);
    let work_dir = match WorkDir::create(settings.sync.work_dir.as_deref()) {
        Ok(work_dir) => work_dir,
        Err(error) => return Ok(failure::at_start(&error)),
    };
    let file = match settings.operation {
        Operation::Sync => match prepare_target(&settings.file) {
            Ok(target) => target,
            Err(error) => return Ok(failure::at_start(&error)),
        },
        _ => settings.file.clone(),
    };
    let connector = tokio::select! {
        biased;
        () = cancel.cancelled() => return Ok(Exit::INTERRUPTED),
        opened = Connector::open(&settings.aws) => match opened {
            Ok(connector) => connector,
            Err(error) => return Ok(failure::no_access(&error)),
        },
    };
    let provision = answer::provision(settings.dry_run, cancel.clone());
    let change = match &settings.operation {
        Operation::Sync => {
            let options = SyncOptions::configured(&settings.sync);
            // This process does nothing else.
            let (progress, changes) = (Progress::default(), Changes::default());
            let (room, stop) = (work_dir.path(), cancel.clone());
            let work = sync::run(&connector, &options, &file, room, &progress, &changes, stop);
            return Ok(match display.follow(&progress, connector.aws(), work).await {
                Ok(done) => {
                    if display.is_live() {
                        display.tell(report::table(&done), &cancel).await;
                    } else {
                        report::log(&done);
                    }
                    Exit::SUCCESS
                }
                Err(error) => failure::of_operation("sync", error),
            });
        }
        Operation::Grant { entitlement, principal, principal_type } => {
            provision::Change::Grant { entitlement, principal, principal_type }
        }
        Operation::Revoke { grant } => provision::Change::Revoke { grant },
        Operation::Events(query) => return Ok(events::run(&connector, query, cancel).await),
        Operation::InvokeAction { name, resource_type, arguments, print_credentials } => {
            let order =
                action::Order { name, resource_type, arguments, print_credentials: *print_credentials };
            return Ok(action::invoke(&connector, &order, cancel).await);
        }
        Operation::ListActions { resource_type } => return Ok(action::list(&connector, resource_type)),
        Operation::RotateCredentials { resource_type, id, recipients } => {
            return Ok(credential::rotate(&connector, resource_type, id, recipients, &provision).await);
        }
        Operation::CreateAccount { profile } => {
            return Ok(account::create(&connector, profile, &provision).await);
        }
        Operation::DeleteResource { resource_type, id } => {
            return Ok(account::delete(&connector, resource_type, id, &provision).await);
        }
    };
    Ok(provision::run(&connector, &change, &file, work_dir.path(), &provision).await)
}
