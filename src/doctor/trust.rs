//! What a role's trust policy, where it can be read, says of a caller.

use serde_json::Value;

use crate::aws::Caller;

/// What a trust policy says of a caller with an external id; later ones come closer to admitting it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Verdict {
    /// No statement that allows `sts:AssumeRole` names the caller.
    NotNamed,
    /// Those that name the caller demand an external id, and none is sent.
    NoExternalId,
    /// They demand another external id than the one that is sent.
    OtherExternalId,
    /// The document, or a statement of it, says it in a way that is not weighed here.
    Unreadable,
    /// One names the caller and demands no other external id; if it does not admit, it is for another condition.
    Admits,
}

/// Weighs the document for the caller, whose role has this ARN. The statement that comes closest decides.
pub(super) fn weigh(document: &str, caller: &Caller, principal: &str, external_id: Option<&str>) -> Verdict {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Verdict::Unreadable };
    let root = format!("arn:{}:iam::{}:root", caller.partition, caller.account);
    let names = [principal, caller.arn.as_str(), root.as_str(), caller.account.as_str(), "*"];
    let allowing = many(document.get("Statement"))
        .filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow"));
    let verdicts = allowing.map(|statement| {
        if ["NotAction", "NotPrincipal"].iter().any(|key| statement.get(key).is_some()) {
            return Verdict::Unreadable;
        }
        let mut actions = many(statement.get("Action")).filter_map(Value::as_str);
        if !actions.any(|action| assumes(&action.to_ascii_lowercase())) {
            return Verdict::NotNamed;
        }
        let principals = statement.get("Principal");
        let those = principals.and_then(|one| one.get("AWS")).or(principals);
        if !many(those).filter_map(Value::as_str).any(|name| names.contains(&name)) {
            return Verdict::NotNamed;
        }
        of_condition(statement, external_id)
    });
    verdicts.max().unwrap_or(Verdict::NotNamed)
}

/// Whether a pattern of actions, in small letters, takes in `sts:AssumeRole`.
fn assumes(pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, "")) => "sts:assumerole".starts_with(begin),
        _ => pattern == "sts:assumerole",
    }
}

/// What the conditions of a statement say of the external id.
fn of_condition(statement: &Value, external_id: Option<&str>) -> Verdict {
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let mut demanded = conditions.into_iter().flatten().flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        let named = keys.filter(|(key, _)| key.eq_ignore_ascii_case("sts:ExternalId"));
        named.map(move |(_, values)| (operator.as_str(), values))
    });
    match (demanded.next(), demanded.next()) {
        (None, _) => Verdict::Admits,
        (Some(("StringEquals", values)), None) => {
            let mut ids = many(Some(values)).filter_map(Value::as_str);
            match external_id {
                None => Verdict::NoExternalId,
                Some(sent) if ids.any(|id| id == sent) => Verdict::Admits,
                Some(_) => Verdict::OtherExternalId,
            }
        }
        _ => Verdict::Unreadable,
    }
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

    #[test]
    fn what_is_not_weighed_is_not_judged() {
        let pattern = json!({"StringLike": {"sts:ExternalId": "one*"}});
        assert_eq!(weighed(&json!({"AWS": ROLE}), &pattern, Some("one-1")), Verdict::Unreadable);
        let absent = json!({"Null": {"sts:ExternalId": "false"}});
        assert_eq!(weighed(&json!({"AWS": ROLE}), &absent, Some("one")), Verdict::Unreadable);
        for action in ["sts:assumerole", "STS:*", "sts:Assume*", "*"] {
            assert!(assumes(&action.to_ascii_lowercase()), "{action}");
        }
        for action in ["sts:tagsession", "sts:assumerolewith*", "iam:*"] {
            assert!(!assumes(action), "{action}");
        }
    }
}
