//! What `CloudTrail` has recorded.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::ids::random_uuid;

/// The source of everything that Identity Center does.
pub(crate) const IDENTITY_CENTER: &str = "sso.amazonaws.com";

/// Events of the organization's management account in the region of its Identity Center, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    events: Vec<Event>,
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    pub(crate) user: Option<String>,
    /// The record: JSON text, unless a test wants another.
    pub(crate) record: String,
}

/// What the records of one organization have in common.
pub(crate) struct Recorder<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) store_id: &'a str,
}

impl Trail {
    /// Events that are no older than `from` and no younger than `to`, newest first.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Event> {
        let first = self.events.partition_point(|event| event.at < from);
        let end = self.events.partition_point(|event| event.at <= to);
        self.events.get(first..end).unwrap_or_default().iter().rev()
    }

    /// Adds an event; its id.
    pub(crate) fn add(&mut self, event: Event) -> String {
        let id = event.id.clone();
        let place = self.events.partition_point(|other| other.at <= event.at);
        self.events.insert(place, event);
        id
    }
}

impl Recorder<'_> {
    /// A user signs in to the access portal.
    pub(crate) fn authenticate(&self, user: &str, at: Timestamp) -> Event {
        self.sign_in("Authenticate", user, at, &Value::Null)
    }

    /// A user enters an account with a permission set.
    pub(crate) fn federate(&self, user: &str, account: &str, role: &str, at: Timestamp) -> Event {
        let details = json!({"account_id": account, "role_name": role, "relayId": random_uuid()});
        self.sign_in("Federate", user, at, &details)
    }

    fn sign_in(&self, name: &str, user: &str, at: Timestamp, details: &Value) -> Event {
        let store = format!("arn:aws:identitystore::{}:identitystore/{}", self.account, self.store_id);
        let identity = json!({
            "type": "IdentityCenterUser",
            "accountId": self.account,
            "onBehalfOf": {"userId": user, "identityStoreArn": store},
            "credentialId": random_uuid(),
        });
        self.event(IDENTITY_CENTER, name, at, &identity, details)
    }

    /// Something that says nothing of sign-ins: every third of Identity Center itself.
    pub(crate) fn noise(&self, index: usize, at: Timestamp) -> Event {
        const KINDS: [(&str, &str); 3] = [
            ("sts.amazonaws.com", "AssumeRole"),
            ("signin.amazonaws.com", "ConsoleLogin"),
            (IDENTITY_CENTER, "ListProfilesForApplication"),
        ];
        let (source, name) = KINDS.get(index % KINDS.len()).copied().unwrap_or_default();
        let identity = json!({
            "type": "IAMUser",
            "accountId": self.account,
            "arn": format!("arn:aws:iam::{}:user/somebody", self.account),
            "userName": "somebody",
        });
        Event { user: Some("somebody".to_owned()), ..self.event(source, name, at, &identity, &Value::Null) }
    }

    fn event(&self, source: &str, name: &str, at: Timestamp, identity: &Value, details: &Value) -> Event {
        let id = random_uuid();
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": source,
            "eventName": name,
            "awsRegion": self.region,
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "Mozilla/5.0",
            "requestParameters": null,
            "responseElements": null,
            "requestID": random_uuid(),
            "eventID": id,
            "readOnly": false,
            "eventType": "AwsServiceEvent",
            "managementEvent": true,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
        });
        if let Some(members) = record.as_object_mut().filter(|_| !details.is_null()) {
            members.insert("serviceEventDetails".to_owned(), details.clone());
        }
        Event {
            id,
            source: source.to_owned(),
            name: name.to_owned(),
            at,
            user: None,
            record: record.to_string(),
        }
    }
}
