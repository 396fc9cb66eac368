//! The credential report of an account: when passwords and access keys were last used, of all users at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_iam::types::ReportStateType;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Iam, time};
use crate::aws::call::Answer;
use crate::aws::error::{CallError, Class};
use crate::aws::operation::{Operation, Service};

// A second report does no harm: AWS makes one in four hours at most.
const GENERATE_REPORT: Operation = Operation::safe(Service::Iam, "GenerateCredentialReport");
const GET_REPORT: Operation = Operation::safe(Service::Iam, "GetCredentialReport");

/// Age from which on AWS makes a new report when asked; an older one was not renewed.
const OLDEST: SignedDuration = SignedDuration::from_hours(4);
/// Pause after the first look at a report in the making; it doubles with each, up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Looks at a report in the making before the users are asked about one by one: half a minute.
const LOOKS: u32 = 17;

/// The credential report of an account.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CredentialReport {
    users: HashMap<String, UserReport>,
}

/// What the report says of one user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserReport {
    /// When the password was last used.
    pub password_last_used: Option<Timestamp>,
    /// When the access keys were last used, those that were.
    pub keys_last_used: Vec<Timestamp>,
}

impl CredentialReport {
    /// What it says of the user with this ARN; `None` for a user that is newer than the report.
    pub fn user(&self, arn: &str) -> Option<&UserReport> {
        self.users.get(arn)
    }

    /// Reads the report's CSV by the names of its columns.
    fn parse(content: &[u8]) -> Result<Self, csv::Error> {
        let mut users = HashMap::new();
        for row in csv::Reader::from_reader(content).deserialize() {
            let row: Row = row?;
            let keys = [row.access_key_1_last_used_date, row.access_key_2_last_used_date];
            let report = UserReport {
                password_last_used: row.password_last_used.as_deref().and_then(date),
                keys_last_used: keys.iter().flatten().filter_map(|text| date(text)).collect(),
            };
            users.insert(row.arn, report);
        }
        Ok(Self { users })
    }
}

#[derive(Deserialize)]
struct Row {
    arn: String,
    password_last_used: Option<String>,
    access_key_1_last_used_date: Option<String>,
    access_key_2_last_used_date: Option<String>,
}

/// A time, where the report has neither `N/A` nor `no_information` nor `not_supported`.
fn date(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

impl Iam {
    /// The credential report (`iam:GenerateCredentialReport`, `iam:GetCredentialReport`), made anew unless there is
    /// one of the last four hours. `None` if AWS does not have it ready in time.
    pub async fn credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        let mut pause = PAUSE;
        for look in 0..LOOKS {
            if look > 0 {
                self.lane.pause(GENERATE_REPORT, pause).await?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            if self.request_credential_report().await? {
                return self.ready_credential_report().await;
            }
        }
        Ok(None)
    }

    /// Asks AWS to make the report, and whether it is ready (`iam:GenerateCredentialReport`).
    pub async fn request_credential_report(&self) -> Result<bool, CallError> {
        let request = self.client.generate_credential_report();
        let answer = self
            .lane
            .send(GENERATE_REPORT, || {
                request.clone().customize().interceptor(Answer::xml(GENERATE_REPORT.name)).send()
            })
            .await?;
        Ok(answer.state == Some(ReportStateType::Complete))
    }

    /// The report as it is (`iam:GetCredentialReport`); `None` if there is none, or an old one.
    pub async fn ready_credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        let request = self.client.get_credential_report();
        let sent = self.lane.send(GET_REPORT, || {
            request.clone().customize().interceptor(Answer::xml(GET_REPORT.name)).send()
        });
        let answer = match sent.await {
            Ok(answer) => answer,
            // Not made yet, expired since it was, or older than AWS says.
            Err(error) if is_not_there(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let generated = time(&self.lane, GET_REPORT, answer.generated_time)?;
        if generated.is_none_or(|generated| Timestamp::now().duration_since(generated) >= OLDEST) {
            return Ok(None);
        }
        let content = answer.content.ok_or_else(|| self.lane.malformed(GET_REPORT, "it has no content"))?;
        let report = CredentialReport::parse(content.as_ref());
        report.map(Some).map_err(|error| self.lane.malformed(GET_REPORT, error.to_string()))
    }
}

/// `ReportNotPresent`, `ReportExpired`, `ReportInProgress`.
fn is_not_there(error: &CallError) -> bool {
    matches!(error.class(), Class::NotFound | Class::Invalid)
        && error.code().is_some_and(|code| code.contains("Report"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read_by_the_names_of_its_columns() {
        let csv = "user,arn,password_last_used,access_key_2_last_used_date,access_key_1_last_used_date\n\
                   ada,arn:ada,2026-01-02T03:04:05+00:00,N/A,2026-02-03T04:05:06+00:00\n\
                   <root_account>,arn:root,no_information,N/A,not_supported\n";
        let report = CredentialReport::parse(csv.as_bytes()).unwrap();
        let ada = report.user("arn:ada").unwrap();
        assert_eq!(ada.password_last_used, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        assert_eq!(ada.keys_last_used, ["2026-02-03T04:05:06Z".parse().unwrap()]);
        assert_eq!(report.user("arn:root"), Some(&UserReport::default()));
        assert_eq!(report.user("arn:bob"), None);
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        assert!(CredentialReport::parse(b"user,name\nada,ada\n").is_err());
        assert!(CredentialReport::parse(b"arn,password_last_used\n\xff\xfe,x\n").is_err());
        assert_eq!(CredentialReport::parse(b"").unwrap(), CredentialReport::default());
    }
}
