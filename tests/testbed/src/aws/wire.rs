//! Requests off the wire and replies onto it, in the protocols that AWS speaks.

use axum::body::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::service::{self, ApiError, Operation, Protocol, SERVICES, Service};

/// A request that names a known operation.
pub(crate) struct Request {
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    /// The JSON body, or the form as an object of strings.
    pub(crate) input: Value,
}

/// A request that the testbed cannot serve.
pub(crate) struct Unserved {
    pub(crate) service: &'static Service,
    /// What it asked for, as far as it could be told.
    pub(crate) action: String,
    pub(crate) error: ApiError,
}

impl Request {
    /// Reads the operation and its input. `signed_for` is the service in the signature, if there is one.
    pub(crate) fn parse(
        headers: &HeaderMap,
        body: &Bytes,
        signed_for: Option<&str>,
    ) -> Result<Self, Box<Unserved>> {
        match headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
            Some(target) => Self::parse_json(target, body),
            None => Self::parse_form(body, signed_for),
        }
    }

    fn parse_json(target: &str, body: &Bytes) -> Result<Self, Box<Unserved>> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        // Some SDKs write the whole package of a service before its name.
        let prefix = prefix.rsplit('.').next().unwrap_or(prefix);
        let served = SERVICES
            .into_iter()
            .find(|service| matches!(service.protocol, Protocol::Json { target } if target == prefix));
        let unserved = |service: Option<&'static Service>, code: &'static str, message: String| {
            let action = format!("{}:{name}", service.map_or("unknown", |service| service.name));
            // Any JSON service's shape will do for an error about a service that does not exist.
            let service = service.unwrap_or(&service::sso_admin::SERVICE);
            Box::new(Unserved { service, action, error: ApiError::with_status(code, message, 400) })
        };
        let found = served.and_then(|service| find(service, name).map(|operation| (service, operation)));
        let Some((service, operation)) = found else {
            let message = format!("the testbed does not serve {target}");
            return Err(unserved(served, "UnknownOperationException", message));
        };
        let input = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(body) };
        match input {
            Ok(input @ Value::Object(_)) => Ok(Self { service, operation, input }),
            _ => Err(unserved(
                Some(service),
                "SerializationException",
                "the body is not a JSON object".to_owned(),
            )),
        }
    }

    fn parse_form(body: &Bytes, signed_for: Option<&str>) -> Result<Self, Box<Unserved>> {
        let input: Map<String, Value> = form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let (action, wanted_version) = (text("Action"), text("Version"));
        let service = SERVICES.into_iter().find(|service| match service.protocol {
            Protocol::Query { version, .. } => {
                version == wanted_version && signed_for.is_none_or(|name| name == service.name)
            }
            Protocol::Json { .. } => false,
        });
        let operation =
            service.and_then(|service| find(service, action).map(|operation| (service, operation)));
        if let Some((service, operation)) = operation {
            return Ok(Self { service, operation, input: Value::Object(input) });
        }
        let service = service.unwrap_or(&service::sts::SERVICE);
        let message = format!("Could not find operation {action} for version {wanted_version}");
        let named = if action.is_empty() { "unknown" } else { action };
        Err(Box::new(Unserved {
            service,
            action: format!("{}:{named}", service.name),
            error: ApiError::with_status("InvalidAction", message, 400),
        }))
    }
}

fn find(service: &'static Service, name: &str) -> Option<&'static Operation> {
    service.operations.iter().find(|operation| operation.name == name)
}

/// The content type of a service's replies.
pub(crate) fn content_type(service: &Service) -> &'static str {
    match service.protocol {
        Protocol::Json { .. } => "application/x-amz-json-1.1",
        Protocol::Query { .. } => "text/xml",
    }
}

/// The body of a reply.
pub(crate) fn encode(service: &Service, operation: &str, answer: &Value, request_id: &str) -> String {
    match service.protocol {
        Protocol::Json { .. } => answer.to_string(),
        Protocol::Query { namespace, .. } => {
            let mut result = String::new();
            write_members(&mut result, answer);
            format!(
                "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            )
        }
    }
}

/// The body of an error reply.
pub(crate) fn encode_error(service: &Service, error: &ApiError, request_id: &str) -> String {
    match service.protocol {
        Protocol::Json { .. } => {
            let mut body: Map<String, Value> = error.members.iter().cloned().collect();
            body.insert("__type".to_owned(), json!(error.code));
            body.insert("Message".to_owned(), json!(error.message));
            Value::Object(body).to_string()
        }
        Protocol::Query { namespace, .. } => {
            let mut more = String::new();
            for (name, value) in &error.members {
                write_element(&mut more, name, value);
            }
            let kind = if error.status >= 500 { "Receiver" } else { "Sender" };
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message>{more}</Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                escape(&error.code),
                escape(&error.message)
            )
        }
    }
}

fn write_members(xml: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                write_element(xml, name, member);
            }
        }
        Value::Array(items) => {
            for item in items {
                write_element(xml, "member", item);
            }
        }
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Null => {}
        other => xml.push_str(&other.to_string()),
    }
}

fn write_element(xml: &mut String, name: &str, content: &Value) {
    xml.extend(["<", name, ">"]);
    write_members(xml, content);
    xml.extend(["</", name, ">"]);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_members_and_text_is_escaped() {
        let mut xml = String::new();
        write_members(&mut xml, &json!({"A": ["x<&>", {"B": true}], "C": 3}));
        assert_eq!(xml, "<A><member>x&lt;&amp;&gt;</member><member><B>true</B></member></A><C>3</C>");
    }
}
