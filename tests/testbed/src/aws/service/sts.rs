//! Security Token Service.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ApiError, Call, Operation, Protocol, Service, put};
use crate::aws::fixture::{AccountState, Trust};
use crate::aws::world::access::{Caller, Issued, Role};

pub(crate) static SERVICE: Service = Service {
    name: "sts",
    protocol: Protocol::Query {
        version: "2011-06-15",
        namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    },
    operations: &[
        Operation::new("GetCallerIdentity", get_caller_identity),
        Operation::new("GetAccessKeyInfo", get_access_key_info),
        Operation::new("AssumeRole", assume_role),
        Operation::new("GetFederationToken", get_federation_token),
        Operation::anonymous("AssumeRoleWithWebIdentity", assume_role_with_web_identity),
    ],
    invalid: "ValidationError",
    throttled: "Throttling",
    internal: "InternalFailure",
    resource: |_, _, _, input| input.get("RoleArn").and_then(Value::as_str).unwrap_or("*").to_owned(),
};

const HOUR: Duration = Duration::from_hours(1);

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn get_caller_identity(call: &mut Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({"Arn": call.caller.arn, "UserId": call.caller.user_id, "Account": call.caller.account}))
}

/// The account of any key, whoever asks. AWS reads it off the id; here the ids are made up, and those of no account are
/// answered like malformed ones.
fn get_access_key_info(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.required("AccessKeyId")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !(16..=128).contains(&id.len()) || !id.bytes().all(legal) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{id}' at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]*"
        )));
    }
    let access = &call.world.access;
    let caller = access.key(id).and_then(|key| access.caller(key)).map(|caller| caller.account);
    let account = caller.or_else(|| call.world.iam.account_of_key(id).map(str::to_owned));
    let account = account.ok_or_else(|| call.invalid("Invalid Access Key ID"))?;
    Ok(json!({"Account": account}))
}

fn assume_role(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let role_arn = role_arn(call)?;
    let session_name = session_name(call)?;
    let asked = duration(call)?;
    // A role that does not exist is told from one that does not trust the caller by nobody outside.
    let role = call
        .world
        .access
        .role(role_arn)
        .filter(|role| usable(call, &role.account))
        .ok_or_else(|| refused(call, "sts:AssumeRole", role_arn))?;
    let external_id = call.text("ExternalId");
    let statements: Vec<&Trust> =
        role.trust.iter().filter(|statement| trusts(statement, call.caller, external_id)).collect();
    if statements.is_empty() {
        return Err(refused(call, "sts:AssumeRole", role_arn));
    }
    let new_tags =
        call.text("Tags.member.1.Key").is_some() || call.text("TransitiveTagKeys.member.1").is_some();
    let tags = new_tags || call.caller.transitive_tags;
    if tags
        && (!statements.iter().any(|statement| statement.tag_session) || !call.caller.may("sts:TagSession"))
    {
        return Err(refused(call, "sts:TagSession", role_arn));
    }
    if call.caller.is_session && asked.is_some_and(|asked| asked > HOUR) {
        return Err(call.invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let duration = within(call, asked.unwrap_or(HOUR), role, call.caller.is_session)?;
    let transitive = call.caller.transitive_tags || call.text("TransitiveTagKeys.member.1").is_some();
    let issued = call
        .world
        .access
        .issue(role_arn, session_name, duration, transitive)
        .ok_or_else(|| ApiError::internal(&SERVICE, 500))?;
    Ok(session(&issued))
}

/// Credentials of a federated user, for the keys of a user. They are not accepted in later calls: what they may do
/// depends on policies of resources, which there are none of here.
fn get_federation_token(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let name = call.required("Name")?.to_owned();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=32).contains(&name.len()) || !name.bytes().all(legal) {
        return Err(call.invalid(format!("1 validation error detected: Value '{name}' at 'name' failed")));
    }
    if call.caller.is_session {
        return Err(ApiError::access_denied(
            &SERVICE,
            "Cannot call GetFederationToken with session credentials",
        ));
    }
    let is_tagged = call.text("Tags.member.1.Key").is_some();
    if is_tagged && !call.caller.may("sts:TagSession") {
        return Err(refused(call, "sts:TagSession", &call.caller.arn));
    }
    let seconds = call.number("DurationSeconds")?.unwrap_or(43_200);
    if !(900..=129_600).contains(&seconds) {
        return Err(call
            .invalid(format!("1 validation error detected: Value '{seconds}' at 'durationSeconds' failed")));
    }
    for (at, outside) in [("Policy", 2048), ("PolicyArns.member.11.arn", 0), ("Tags.member.51.Key", 0)] {
        if call.text(at).is_some_and(|text| text.len() > outside) {
            return Err(call.invalid(format!("1 validation error detected: Value at '{at}' failed")));
        }
    }
    let least = call.number("MinimumSessionTokenSize")?.unwrap_or(0);
    if least > 4096 {
        return Err(call.invalid("1 validation error detected: Value at 'minimumSessionTokenSize' failed"));
    }
    let account = call.caller.account.clone();
    let lifetime = Duration::from_secs(seconds.try_into().unwrap_or_default());
    let issued = Issued::federated(&account, &name, lifetime, least);
    let issued = issued.ok_or_else(|| ApiError::internal(&SERVICE, 500))?;
    let mut answer = credentials(&issued);
    put(
        &mut answer,
        "FederatedUser",
        json!({"FederatedUserId": issued.assumed_role_id, "Arn": issued.session_arn}),
    );
    put(&mut answer, "SessionTokenSize", json!(issued.token.len()));
    put(&mut answer, "SessionTokenUtilization", json!(1));
    Ok(answer)
}

/// Whether sessions can begin in an account: not in one that is suspended or closed.
fn usable(call: &Call<'_>, account: &str) -> bool {
    let state = call.world.organization.accounts.get(account).map(|account| account.state);
    state.is_none_or(|state| state == AccountState::Active)
}

fn assume_role_with_web_identity(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let role_arn = role_arn(call)?;
    let session_name = session_name(call)?;
    let token = call.required("WebIdentityToken")?;
    let asked = duration(call)?;
    let role = call.world.access.role(role_arn);
    let known = call
        .world
        .access
        .roles
        .iter()
        .any(|role| role.web_identity_tokens.iter().any(|listed| listed == token));
    if !known {
        return Err(ApiError::new("InvalidIdentityToken", "No OpenIDConnect provider found in your account"));
    }
    let Some(role) = role.filter(|role| role.web_identity_tokens.iter().any(|listed| listed == token)) else {
        return Err(ApiError::access_denied(
            &SERVICE,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ));
    };
    let duration = within(call, asked.unwrap_or(HOUR), role, false)?;
    let issued = call
        .world
        .access
        .issue(role_arn, session_name, duration, false)
        .ok_or_else(|| ApiError::internal(&SERVICE, 500))?;
    let mut answer = session(&issued);
    put(&mut answer, "SubjectFromWebIdentityToken", json!("system:serviceaccount:testbed:connector"));
    put(&mut answer, "Audience", json!("sts.amazonaws.com"));
    Ok(answer)
}

/// Credentials of a role's session.
fn session(issued: &Issued) -> Value {
    let mut answer = credentials(issued);
    let user = json!({"AssumedRoleId": issued.assumed_role_id, "Arn": issued.session_arn});
    put(&mut answer, "AssumedRoleUser", user);
    answer
}

fn credentials(issued: &Issued) -> Value {
    json!({
        "Credentials": {
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret,
            "SessionToken": issued.token,
            "Expiration": issued.expires_text(),
        },
        "PackedPolicySize": 1,
    })
}

fn role_arn<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    let arn = call.required("RoleArn")?;
    if arn.split(':').count() < 6 || !arn.starts_with("arn:") {
        return Err(call.invalid(format!("{arn} is invalid")));
    }
    Ok(arn)
}

fn session_name<'a>(call: &Call<'a>) -> Result<&'a str, ApiError> {
    let name = call.required("RoleSessionName")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=64).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    Ok(name)
}

fn duration(call: &Call<'_>) -> Result<Option<Duration>, ApiError> {
    let Some(seconds) = call.number("DurationSeconds")? else { return Ok(None) };
    if !(900..=43200).contains(&seconds) {
        return Err(call.invalid(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200"
        )));
    }
    Ok(u64::try_from(seconds).ok().map(Duration::from_secs))
}

fn within(call: &Call<'_>, asked: Duration, role: &Role, chained: bool) -> Result<Duration, ApiError> {
    let longest = if chained { role.max_session.min(HOUR) } else { role.max_session };
    if let Some(lifetime) = call.knobs.lifetime_of(&role.name) {
        return Ok(lifetime);
    }
    if asked > longest {
        return Err(
            call.invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        );
    }
    Ok(asked)
}

fn trusts(statement: &Trust, caller: &Caller, external_id: Option<&str>) -> bool {
    let root = format!("arn:aws:iam::{}:root", caller.account);
    let names_caller = statement.principals.iter().any(|named| {
        named == "*" || *named == caller.arn || *named == caller.principal_arn || *named == root
    });
    names_caller && statement.external_id.as_deref().is_none_or(|wanted| external_id == Some(wanted))
}

fn refused(call: &Call<'_>, action: &str, role_arn: &str) -> ApiError {
    let message =
        format!("User: {} is not authorized to perform: {action} on resource: {role_arn}", call.caller.arn);
    ApiError::access_denied(&SERVICE, message)
}
