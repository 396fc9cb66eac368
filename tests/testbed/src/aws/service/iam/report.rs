//! The credential report: asked for, waited for, fetched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{ApiError, Call};
use super::render::time;
use crate::aws::world::iam::report::Standing;

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(super) fn generate(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let (age, takes) = (call.knobs.report_age, call.knobs.report_generation);
    let account = call.world.iam.account_mut(&call.caller.account);
    Ok(match account.report_standing(age) {
        Standing::Ready(_) => json!({"State": "COMPLETE"}),
        Standing::InProgress => json!({"State": "INPROGRESS"}),
        Standing::Missing | Standing::Expired => {
            account.start_report(takes);
            json!({
                "State": "STARTED",
                "Description": "No report exists. Starting a new report generation task",
            })
        }
    })
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = &call.caller.account;
    let joined = call.world.organization.accounts.get(id).map(|account| account.joined).unwrap_or_default();
    let account = call.world.iam.account_mut(id);
    match account.report_standing(call.knobs.report_age) {
        Standing::Missing => Err(ApiError::with_status(
            "ReportNotPresent",
            "No report exists. Call GenerateCredentialReport to make one.",
            410,
        )),
        Standing::InProgress => {
            Err(ApiError::with_status("ReportInProgress", "Report generation is in progress", 404))
        }
        Standing::Expired => {
            Err(ApiError::with_status("ReportExpired", "The credential report has expired", 410))
        }
        Standing::Ready(generated) => Ok(json!({
            "Content": STANDARD.encode(account.report_text(id, joined)),
            "ReportFormat": "text/csv",
            "GeneratedTime": time(generated),
        })),
    }
}
