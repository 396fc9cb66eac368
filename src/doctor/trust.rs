//! What a role's trust policy, where it can be read, says of a caller.

use serde_json::Value;

use crate::aws::Caller;
use crate::aws::iam::{Effect, Principals, Statement, statements};

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
    let Ok(statements) = statements(document) else { return Verdict::Unreadable };
    let root = format!("arn:{}:iam::{}:root", caller.partition, caller.account);
    let names = [principal, caller.arn.as_str(), root.as_str(), caller.account.as_str(), "*"];
    let about = statements
        .iter()
        .filter(|statement| statement.effect != Effect::Deny && statement.covers("sts:AssumeRole"));
    let verdicts = about.map(|statement| {
        let are_named = match &statement.principals {
            _ if statement.effect == Effect::Neither => return Verdict::Unreadable,
            Principals::AllBut => return Verdict::Unreadable,
            Principals::Unnamed => false,
            Principals::Text(text) => text == "*",
            Principals::Named(those) => those.aws.iter().any(|name| names.contains(&name.as_str())),
        };
        if are_named { of_condition(statement, external_id) } else { Verdict::NotNamed }
    });
    verdicts.max().unwrap_or(Verdict::NotNamed)
}

/// What the conditions of a statement say of the external id.
fn of_condition(statement: &Statement, external_id: Option<&str>) -> Verdict {
    let conditions = statement.condition.as_ref().and_then(Value::as_object);
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

    fn caller() -> Caller {
        Caller {
            account: "111111111111".parse().unwrap(),
            arn: "arn:aws:sts::111111111111:assumed-role/pod/s".into(),
            partition: "aws".into(),
        }
    }

    fn weighed(principal: &Value, condition: &Value, external_id: Option<&str>) -> Verdict {
        let document = json!({"Statement": [
            {"Effect": "Deny", "Action": "*", "Principal": "*"},
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": principal,
             "Condition": condition},
        ]});
        weigh(&document.to_string(), &caller(), ROLE, external_id)
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
            [json!({"AWS": "arn:aws:iam::111111111111:role/other"}), json!({"Service": "*.com"}), json!("x")]
        {
            assert_eq!(weighed(&principal, &json!({}), None), Verdict::NotNamed, "{principal}");
        }
        assert_eq!(weigh("{", &caller(), ROLE, None), Verdict::Unreadable);
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
        for statement in [
            json!({"Effect": "Allow", "Action": "sts:*", "NotPrincipal": {"AWS": "x"}}),
            json!({"Effect": "allow", "Action": "sts:*", "Principal": "*"}),
            json!(["Allow", "sts:AssumeRole", "*"]),
        ] {
            let document = json!({"Statement": [statement]}).to_string();
            assert_eq!(weigh(&document, &caller(), ROLE, None), Verdict::Unreadable, "{document}");
        }
        let others =
            json!({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Principal": {"AWS": ROLE}}});
        assert_eq!(weigh(&others.to_string(), &caller(), ROLE, None), Verdict::Admits);
    }
}
