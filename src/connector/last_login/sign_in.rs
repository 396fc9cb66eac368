//! What a record of `CloudTrail` says of a sign-in.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::AccountId;
use crate::baton::id::{Arn, Directory};
use crate::baton::resource;
use crate::baton::time::to_proto_timestamp;
use crate::baton::v2::{Event, UsageEvent, event};
use crate::connector::{account, sso_user};
use crate::json::{self, Object};

/// The service that writes the records.
const SOURCE: &str = "sso.amazonaws.com";

/// A user of the directory signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// When.
    pub at: Timestamp,
    /// The identity store of the user.
    pub store: String,
    /// The user's id there.
    pub user: String,
    /// The account that was signed in to; for a sign-in to the portal, the account of the directory.
    pub account: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_source: String,
    event_time: String,
    user_identity: Object<UserIdentity>,
    #[serde(default)]
    service_event_details: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    #[serde(default)]
    account_id: String,
    on_behalf_of: Object<OnBehalfOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnBehalfOf {
    user_id: String,
    identity_store_arn: String,
}

impl SignIn {
    /// Reads a record; `None` for one that names no user of a directory or no account by its id.
    pub fn read(record: &str) -> Option<Self> {
        let record: Record = json::read(record.as_bytes()).ok()?;
        let Object(identity) = record.user_identity;
        let Object(who) = identity.on_behalf_of;
        let store = Arn::parse(&who.identity_store_arn)?.resource.rsplit('/').next()?.to_owned();
        // Details take many shapes; only this member of them says something here.
        let signed_in_to = record.service_event_details.get("account_id").and_then(Value::as_str);
        let account = match signed_in_to {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ => identity.account_id,
        };
        let whole = record.event_source == SOURCE
            && account.parse::<AccountId>().is_ok()
            && ![&store, &who.user_id].iter().any(|text| text.is_empty());
        let at = record.event_time.parse().ok()?;
        whole.then_some(Self { at, store, user: who.user_id, account })
    }

    /// The event: the user used the account. `region` is the one that stands in ids of the directory.
    pub(super) fn event(self, id: &str, region: &str) -> Event {
        let directory = Directory { region: region.to_owned(), store: self.store };
        let usage = UsageEvent {
            target_resource: Some(resource::named(account::ID, &self.account, &self.account)),
            actor_resource: Some(resource::named(sso_user::ID, &directory.user(&self.user), &self.user)),
        };
        Event {
            id: id.to_owned(),
            occurred_at: Some(to_proto_timestamp(self.at)),
            event: Some(event::Event::UsageEvent(usage)),
            annotations: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Value {
        json!({
            "eventSource": "sso.amazonaws.com",
            "eventName": "Federate",
            "eventTime": "2026-01-02T03:04:05Z",
            "userIdentity": {
                "type": "IdentityCenterUser",
                "accountId": "111111111111",
                "onBehalfOf": {
                    "userId": "u-1",
                    "identityStoreArn": "arn:aws:identitystore::111111111111:identitystore/d-9067f2a1b3",
                },
            },
            "serviceEventDetails": {"account_id": "444444444444", "role_name": "Developer"},
        })
    }

    #[test]
    fn a_user_signs_in_to_the_account_of_the_role() {
        let sign_in = SignIn::read(&record().to_string()).unwrap();
        let event = sign_in.event("e-1", "eu-west-1");
        assert_eq!((event.id.as_str(), event.occurred_at.unwrap().seconds), ("e-1", 1_767_323_045));
        let Some(event::Event::UsageEvent(usage)) = event.event else { panic!("no usage") };
        assert_eq!(usage.target_resource, Some(resource::named("account", "444444444444", "444444444444")));
        let user = "arn:aws:identitystore:eu-west-1::d-9067f2a1b3/user/u-1";
        assert_eq!(usage.actor_resource, Some(resource::named("sso_user", user, "u-1")));
    }

    #[test]
    fn a_sign_in_to_the_portal_is_one_to_the_account_of_the_directory() {
        let mut portal = record();
        portal.as_object_mut().unwrap().remove("serviceEventDetails");
        assert_eq!(SignIn::read(&portal.to_string()).unwrap().account, "111111111111");
        for details in [json!(null), json!("x"), json!({"account_id": 7}), json!({"account_id": ""})] {
            portal["serviceEventDetails"] = details;
            assert_eq!(SignIn::read(&portal.to_string()).unwrap().account, "111111111111");
        }
    }

    #[test]
    fn what_names_nobody_is_no_sign_in() {
        for pointer in
            ["/eventTime", "/userIdentity/onBehalfOf", "/userIdentity/onBehalfOf/userId", "/eventSource"]
        {
            let mut broken = record();
            *broken.pointer_mut(pointer).unwrap() = json!(7);
            assert_eq!(SignIn::read(&broken.to_string()), None, "{pointer}");
        }
        for (pointer, value) in [
            ("/eventSource", "signin.amazonaws.com"),
            ("/userIdentity/onBehalfOf/userId", ""),
            ("/userIdentity/onBehalfOf/identityStoreArn", "d-1"),
            ("/eventTime", "yesterday"),
            ("/serviceEventDetails/account_id", "prod"),
        ] {
            let mut broken = record();
            *broken.pointer_mut(pointer).unwrap() = json!(value);
            assert_eq!(SignIn::read(&broken.to_string()), None, "{pointer}");
        }
        for text in ["", "null", "[]", "{}"] {
            assert_eq!(SignIn::read(text), None, "{text}");
        }
        let by_position =
            json!(["111111111111", ["u-1", "arn:aws:identitystore::111111111111:identitystore/d-1"]]);
        for (pointer, position) in
            [("/userIdentity", &by_position), ("/userIdentity/onBehalfOf", &by_position[1])]
        {
            let mut broken = record();
            *broken.pointer_mut(pointer).unwrap() = position.clone();
            assert_eq!(SignIn::read(&broken.to_string()), None, "members of {pointer} have names");
        }
        let whole = json!(["sso.amazonaws.com", "2026-01-02T03:04:05Z", by_position, null]);
        assert_eq!(SignIn::read(&whole.to_string()), None);
    }
}
