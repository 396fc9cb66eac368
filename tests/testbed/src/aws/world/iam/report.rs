//! The credential report of an account.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Account, Key};

/// How long AWS hands a report out.
const KEPT: SignedDuration = SignedDuration::from_hours(4);

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// A report that is made, or being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// When it is ready.
    ready: Instant,
    /// The time that it tells as that of its making.
    pub(crate) generated: Timestamp,
}

/// Where the report of an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    InProgress,
    Ready(Timestamp),
    Expired,
}

impl Account {
    /// Where the account's report stands; `age` is that of a report that all accounts have from the start.
    pub(crate) fn report_standing(&self, age: Option<Duration>) -> Standing {
        let Some(report) = self.report else {
            return match age.and_then(|age| SignedDuration::try_from(age).ok()) {
                None => Standing::Missing,
                Some(age) if age >= KEPT => Standing::Expired,
                Some(age) => Standing::Ready(Timestamp::now().checked_sub(age).unwrap_or_default()),
            };
        };
        if report.ready > Instant::now() {
            Standing::InProgress
        } else if Timestamp::now().duration_since(report.generated) >= KEPT {
            Standing::Expired
        } else {
            Standing::Ready(report.generated)
        }
    }

    /// Starts to make a report.
    pub(crate) fn start_report(&mut self, takes: Duration) {
        let later = SignedDuration::try_from(takes).unwrap_or_default();
        let now = Timestamp::now();
        self.report =
            Some(Report { ready: Instant::now() + takes, generated: now.checked_add(later).unwrap_or(now) });
    }

    /// The report as text: one line for the root user, one for each user.
    pub(crate) fn report_text(&self, account: &str, joined: Timestamp) -> String {
        let mut lines = vec![
            HEADER.to_owned(),
            format!(
                "<root_account>,arn:aws:iam::{account}:root,{},not_supported,no_information,not_supported,\
                 not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
                time(joined)
            ),
        ];
        for user in self.users.values() {
            let entity = &user.entity;
            let password = match user.password_last_used {
                Some(used) => format!("true,{},{},N/A", time(used), time(entity.created)),
                None => "false,N/A,N/A,N/A".to_owned(),
            };
            lines.push(format!(
                "{},{},{},{password},false,{},{},false,N/A,false,N/A",
                quoted(&entity.name),
                quoted(&entity.arn),
                time(entity.created),
                key(user.keys.first()),
                key(user.keys.get(1)),
            ));
        }
        lines.join("\n")
    }
}

fn key(key: Option<&Key>) -> String {
    let Some(key) = key else { return "false,N/A,N/A,N/A,N/A".to_owned() };
    match key.last_used {
        Some(used) => format!("{},{},{},us-east-1,s3", key.active, time(key.created), time(used)),
        None => format!("{},{},N/A,N/A,N/A", key.active, time(key.created)),
    }
}

/// The report writes times with an offset, unlike the rest of IAM.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Names may hold commas.
fn quoted(text: &str) -> String {
    if text.contains(',') { format!("\"{text}\"") } else { text.to_owned() }
}
