//! What the policies of a principal say, without a call.

use serde_json::{Value, json};

use super::super::{ApiError, Call};
use super::missing;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let principal = call.required("PolicySourceArn")?;
    let actions = members(call, "ActionNames");
    if actions.is_empty() {
        return Err(
            call.invalid("1 validation error detected: Value at 'actionNames' failed to satisfy constraint")
        );
    }
    let resource = members(call, "ResourceArns").into_iter().next().unwrap_or("*");
    let of_account = principal.split(':').nth(4) == Some(call.caller.account.as_str());
    let found = call.world.access.decisions(principal, &actions).filter(|_| of_account);
    let decisions = found.ok_or_else(|| missing(format!("Entity {principal} does not exist")))?;
    let rows = actions.iter().zip(decisions);
    call.page("EvaluationResults", rows, |(action, decision)| {
        json!({
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision,
            "MatchedStatements": [],
            "MissingContextValues": [],
        })
    })
}

/// A list of a form: `Name.member.1` and so on.
fn members<'a>(call: &Call<'a>, name: &str) -> Vec<&'a str> {
    let of = |place: usize| call.text(&format!("{name}.member.{place}"));
    (1..).map_while(of).collect()
}
