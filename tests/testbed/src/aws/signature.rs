//! Signature version 4: who signed a request, for where, and whether the signature is right.

use http::{HeaderMap, Method, Uri};
use ring::{digest, hmac};

use super::ids::to_hex;

/// The `Authorization` header taken apart.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) access_key_id: String,
    date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl Authorization {
    /// Reads the header; `None` when it is absent or of another scheme.
    pub(crate) fn parse(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let fields = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let credential = field("Credential")?;
        let mut scope = credential.split('/');
        Some(Self {
            access_key_id: scope.next()?.to_owned(),
            date: scope.next()?.to_owned(),
            region: scope.next()?.to_owned(),
            service: scope.next()?.to_owned(),
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?,
        })
    }

    /// Whether the signature is the one that `secret` gives for this request.
    pub(crate) fn verify(
        &self,
        secret: &str,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> bool {
        let value = |name: &str| {
            let values: Vec<String> = headers
                .get_all(name)
                .iter()
                .map(|value| {
                    value.to_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            values.join(",")
        };
        let payload = match headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()) {
            Some(stated) => stated.to_owned(),
            None => to_hex(digest::digest(&digest::SHA256, body).as_ref()),
        };
        let mut query: Vec<&str> = uri.query().map(|query| query.split('&').collect()).unwrap_or_default();
        query.sort_unstable();
        let mut canonical_headers = String::new();
        for name in &self.signed_headers {
            canonical_headers.extend([name.as_str(), ":", &value(name), "\n"]);
        }
        let canonical = format!(
            "{method}\n{}\n{}\n{canonical_headers}\n{}\n{payload}",
            uri.path(),
            query.join("&"),
            self.signed_headers.join(";")
        );
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            value("x-amz-date"),
            to_hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [&self.date, &self.region, &self.service, "aws4_request", &to_sign] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        to_hex(&key) == self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plainest case of AWS's published test vectors.
    #[test]
    fn the_published_vector_verifies_and_nothing_near_it_does() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        headers.insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
                .parse()
                .unwrap(),
        );
        let authorization = Authorization::parse(&headers).unwrap();
        assert_eq!(authorization.access_key_id, "AKIDEXAMPLE");
        assert_eq!((authorization.region.as_str(), authorization.service.as_str()), ("us-east-1", "service"));
        let uri = Uri::from_static("/");
        let verify =
            |secret: &str, body: &[u8]| authorization.verify(secret, &Method::GET, &uri, &headers, body);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert!(verify(secret, b""));
        assert!(!verify("another", b""));
        assert!(!verify(secret, b"another body"));
    }

    #[test]
    fn a_malformed_header_is_no_authorization() {
        for text in [
            "",
            "Bearer x",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=h, Signature=s",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", text.parse().unwrap());
            assert!(Authorization::parse(&headers).is_none(), "{text:?}");
        }
    }
}
