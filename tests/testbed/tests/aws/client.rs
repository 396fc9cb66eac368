//! A client that hides nothing: one connection per request, bytes as they came.

use std::io::{Error, ErrorKind, Result};

use serde_json::{Value, json};
use testbed::aws::{Fixture, Server};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The external id that the role of the shipped fixture wants.
pub(crate) const EXTERNAL_ID: &str = "CANARY-SECRET-0b5c7d-external-id-of-the-customer";

/// The example organization. Signatures are not checked, since the client does not sign.
pub(crate) async fn example() -> Server {
    start(Fixture::example().unwrap()).await
}

/// Any organization; see [`example`].
pub(crate) async fn start(mut fixture: Fixture) -> Server {
    fixture.knobs.verify_signatures = false;
    Server::start(fixture).await.unwrap()
}

/// A caller with a key.
pub(crate) struct Client<'a> {
    server: &'a Server,
    key: String,
    token: Option<String>,
    region: &'static str,
}

impl<'a> Client<'a> {
    /// The connector's own user.
    pub(crate) fn new(server: &'a Server) -> Self {
        Self::with_key(server, &server.credentials().access_key_id)
    }

    pub(crate) fn with_key(server: &'a Server, key: &str) -> Self {
        Self { server, key: key.to_owned(), token: None, region: "us-east-1" }
    }

    pub(crate) fn in_region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// A session of a role.
    pub(crate) async fn assume(&self, role_arn: &str, more: &[(&str, &str)]) -> Client<'a> {
        let reply = self.assume_role(role_arn, more).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Client {
            server: self.server,
            key: reply.element("AccessKeyId"),
            token: Some(reply.element("SessionToken")),
            region: self.region,
        }
    }

    pub(crate) async fn assume_role(&self, role_arn: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", "test"),
        ];
        form.extend_from_slice(more);
        self.form("sts", &form).await
    }

    pub(crate) async fn identity(&self) -> Reply {
        self.form("sts", &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]).await
    }

    /// A call of a form service that gets a whole reply.
    pub(crate) async fn form(&self, service: &str, form: &[(&str, &str)]) -> Reply {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let headers = format!("content-type: application/x-www-form-urlencoded\r\n{}", self.signed(service));
        exchange(self.server, "POST", "/", &headers, &body.finish()).await.unwrap()
    }

    /// A call of SSO Admin with the instance filled in.
    pub(crate) async fn sso(&self, operation: &str, mut input: Value) -> Reply {
        input["InstanceArn"] = json!(self.server.instance_arn());
        self.json("SWBExternalService", "sso", operation, &input).await.unwrap()
    }

    /// A call of SSO Admin on any instance.
    pub(crate) async fn sso_at(&self, instance: &str, operation: &str) -> Reply {
        let input = json!({"InstanceArn": instance});
        self.json("SWBExternalService", "sso", operation, &input).await.unwrap()
    }

    /// A call of Identity Store with the store filled in.
    pub(crate) async fn store(&self, operation: &str, input: Value) -> Reply {
        self.try_store(operation, input).await.unwrap()
    }

    /// The same, where the reply may be lost.
    pub(crate) async fn try_store(&self, operation: &str, mut input: Value) -> Result<Reply> {
        input["IdentityStoreId"] = json!(self.server.identity_store_id());
        self.json("AWSIdentityStore", "identitystore", operation, &input).await
    }

    /// A lookup of events.
    pub(crate) async fn trail(&self, input: Value) -> Reply {
        self.json("CloudTrail_20131101", "cloudtrail", "LookupEvents", &input).await.unwrap()
    }

    pub(crate) async fn organizations(&self, operation: &str, input: Value) -> Reply {
        self.json("AWSOrganizationsV20161128", "organizations", operation, &input).await.unwrap()
    }

    /// All rows of a listing, and how many pages they came in.
    pub(crate) async fn sso_rows(
        &self,
        operation: &str,
        member: &str,
        mut input: Value,
    ) -> (Vec<Value>, usize) {
        let (mut rows, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.sso(operation, input.clone()).await.ok();
            pages += 1;
            rows.extend(page[member].as_array().unwrap().iter().cloned());
            match page.get("NextToken") {
                Some(token) => input["NextToken"] = token.clone(),
                None => return (rows, pages),
            }
        }
    }

    /// A call of any JSON service.
    pub(crate) async fn json(
        &self,
        prefix: &str,
        service: &str,
        operation: &str,
        input: &Value,
    ) -> Result<Reply> {
        let headers = format!(
            "content-type: application/x-amz-json-1.1\r\nx-amz-target: {prefix}.{operation}\r\n{}",
            self.signed(service)
        );
        exchange(self.server, "POST", "/", &headers, &input.to_string()).await
    }

    fn signed(&self, service: &str) -> String {
        let mut headers = format!(
            "authorization: AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=none\r\n",
            self.key, self.region
        );
        if let Some(token) = &self.token {
            headers.extend(["x-amz-security-token: ", token, "\r\n"]);
        }
        headers
    }
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The value of a reply that must be a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.value()
    }

    /// Status and error code, from either protocol.
    pub(crate) fn error(&self) -> (u16, String) {
        let text = self.text();
        let code = if text.starts_with('<') {
            self.element("Code")
        } else {
            self.value()["__type"].as_str().unwrap_or_default().to_owned()
        };
        (self.status, code)
    }

    /// The text of the first XML element of this name.
    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let (_, rest) =
            text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
        rest.split('<').next().unwrap_or_default().to_owned()
    }
}

/// One request over plain HTTP on its own connection. Headers end with a line break each.
pub(crate) async fn exchange(
    server: &Server,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Reply> {
    let stream = TcpStream::connect(server.address()).await?;
    exchange_over(stream, method, path, headers, body).await
}

/// The same over an open connection.
pub(crate) async fn exchange_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Reply> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let body = bytes[end + 4..].to_vec();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    if promised.is_some_and(|promised: usize| promised != body.len()) {
        return Err(Error::from(ErrorKind::UnexpectedEof));
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Ok(Reply { status, head, body })
}
