//! What a role's trust policy, where it can be read, says of a caller.

use serde_json::Value;

use crate::aws::Caller;

/// What a trust policy says of a caller with an external id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// No statement that allows `sts:AssumeRole` names the caller.
    NotNamed,
    /// Those that name the caller demand an external id, and none is sent.
    NoExternalId,
    /// They demand another external id than the one that is sent.
    OtherExternalId,
    /// One names the caller and demands no other external id; if it does not admit, it is for another condition.
    Admits,
    /// The document cannot be read.
    Unreadable,
}

/// Weighs the document for the caller, whose role has this ARN.
pub(super) fn weigh(document: &str, caller: &Caller, principal: &str, external_id: Option<&str>) -> Verdict {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Verdict::Unreadable };
    let statements = many(document.get("Statement")).filter(|statement| {
        let assumes = |action: &str| ["sts:AssumeRole", "sts:*", "*"].contains(&action);
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && many(statement.get("Action")).filter_map(Value::as_str).any(assumes)
    });
    let root = format!("arn:{}:iam::{}:root", caller.partition, caller.account);
    let names = [principal, caller.arn.as_str(), root.as_str(), caller.account.as_str(), "*"];
    let naming = statements.filter(|statement| {
        let principals = statement.get("Principal");
        let those = principals.and_then(|one| one.get("AWS")).or(principals);
        many(those).filter_map(Value::as_str).any(|name| names.contains(&name))
    });
    // The statement that comes closest decides.
    let verdicts = naming.map(|statement| {
        let demanded: Vec<&str> = external_ids(statement).collect();
        match external_id {
            _ if demanded.is_empty() => Verdict::Admits,
            None => Verdict::NoExternalId,
            Some(sent) if demanded.contains(&sent) => Verdict::Admits,
            Some(_) => Verdict::OtherExternalId,
        }
    });
    verdicts.fold(Verdict::NotNamed, |best, next| if best == Verdict::Admits { best } else { next })
}

/// One value, or several.
fn many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
    .iter()
}

/// The external ids that the conditions of a statement name, whatever the operator.
fn external_ids(statement: &Value) -> impl Iterator<Item = &str> {
    let conditions = statement.get("Condition").and_then(Value::as_object);
    conditions
        .into_iter()
        .flat_map(|operators| operators.values())
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case("sts:ExternalId"))
        .flat_map(|(_, values)| many(Some(values)))
        .filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROLE: &str = "arn:aws:iam::111111111111:role/pod";

    fn weighed(principal: &Value, condition: &Value, external_id: Option<&str>) -> Verdict {
        let caller = Caller {
            account: "111111111111".parse().unwrap(),
            arn: "arn:aws:sts::111111111111:assumed-role/pod/s".into(),
            partition: "aws".into(),
        };
        let document = json!({"Statement": [
            {"Effect": "Deny", "Action": "*", "Principal": "*"},
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": principal,
             "Condition": condition},
        ]});
        weigh(&document.to_string(), &caller, ROLE, external_id)
    }

    #[test]
    fn a_caller_is_named_by_role_session_account_or_star() {
        let named = [
            json!({"AWS": ROLE}),
            json!({"AWS": ["arn:aws:iam::222222222222:root", "arn:aws:iam::111111111111:root"]}),
            json!({"AWS": "arn:aws:sts::111111111111:assumed-role/pod/s"}),
            json!({"AWS": "111111111111"}),
            json!("*"),
        ];
        for principal in named {
            assert_eq!(weighed(&principal, &json!({}), None), Verdict::Admits, "{principal}");
        }
        for principal in
            [json!({"AWS": "arn:aws:iam::111111111111:role/other"}), json!({"Service": "*.com"}), json!(3)]
        {
            assert_eq!(weighed(&principal, &json!({}), None), Verdict::NotNamed, "{principal}");
        }
        let caller =
            Caller { account: "111111111111".parse().unwrap(), arn: String::new(), partition: String::new() };
        assert_eq!(weigh("{", &caller, ROLE, None), Verdict::Unreadable);
    }

    #[test]
    fn external_ids_are_compared_as_they_are() {
        let condition =
            json!({"StringEquals": {"sts:externalid": ["one", "two"]}, "Bool": {"aws:x": "true"}});
        let verdict = |sent| weighed(&json!({"AWS": ROLE}), &condition, sent);
        assert_eq!(verdict(None), Verdict::NoExternalId);
        assert_eq!(verdict(Some("One")), Verdict::OtherExternalId);
        assert_eq!(verdict(Some("two")), Verdict::Admits);
    }
}
