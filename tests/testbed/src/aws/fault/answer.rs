//! Faults that change what an answer says. They work on the answer before it becomes JSON or XML, so they are the same
//! in both.

use serde_json::{Value, json};

use super::Effect;

impl Effect {
    /// Changes an answer that was carried out.
    pub(crate) fn change(&self, answer: &mut Value) {
        match self {
            Self::Drop(member) => drop_members(answer, member),
            Self::Replace { member, value } => change_members(answer, member, &|old| *old = value.clone()),
            Self::WrongType(member) => change_members(answer, member, &|old| *old = of_another_type(old)),
            Self::UnknownValue(member) => {
                change_members(answer, member, &|old| *old = json!("NOT_KNOWN_TO_ANYBODY"));
            }
            _ => {}
        }
    }
}

/// A value of a type that nobody expects there.
fn of_another_type(value: &Value) -> Value {
    match value {
        Value::String(_) => json!({"Unexpected": [1]}),
        Value::Object(_) => json!(["unexpected"]),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => json!("unexpected"),
        Value::Null => json!(17),
    }
}

pub(crate) fn drop_members(value: &mut Value, member: &str) {
    if let Value::Object(members) = value {
        members.retain(|name, _| name != member);
    }
    for below in children(value) {
        drop_members(below, member);
    }
}

fn change_members(value: &mut Value, member: &str, change: &dyn Fn(&mut Value)) {
    for below in children(value) {
        change_members(below, member, change);
    }
    if let Some(found) = value.as_object_mut().and_then(|members| members.get_mut(member)) {
        change(found);
    }
}

fn children(value: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match value {
        Value::Object(members) => Box::new(members.iter_mut().map(|(_, below)| below)),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(effect: &Effect) -> Value {
        let mut answer =
            json!({"Users": [{"Id": "a", "On": true}, {"Id": "b", "In": {"Id": 3}}], "Next": null});
        effect.change(&mut answer);
        answer
    }

    #[test]
    fn a_member_is_dropped_wherever_it_stands() {
        let expected = json!({"Users": [{"On": true}, {"In": {}}], "Next": null});
        assert_eq!(changed(&Effect::Drop("Id".into())), expected);
        assert_eq!(changed(&Effect::Drop("Users".into())), json!({"Next": null}));
    }

    #[test]
    fn a_member_takes_a_value_or_a_type_that_it_must_not_have() {
        let replaced = changed(&Effect::Replace { member: "Id".into(), value: json!([]) });
        assert_eq!(replaced["Users"], json!([{"Id": [], "On": true}, {"Id": [], "In": {"Id": []}}]));
        assert_eq!(changed(&Effect::WrongType("Users".into()))["Users"], "unexpected");
        let ids = changed(&Effect::WrongType("Id".into()));
        assert_eq!(
            (&ids["Users"][0]["Id"], &ids["Users"][1]["In"]["Id"]),
            (&json!({"Unexpected": [1]}), &json!("unexpected"))
        );
        assert_eq!(changed(&Effect::UnknownValue("On".into()))["Users"][0]["On"], "NOT_KNOWN_TO_ANYBODY");
        assert_eq!(changed(&Effect::WrongType("Absent".into())), changed(&Effect::Throttle));
    }
}
