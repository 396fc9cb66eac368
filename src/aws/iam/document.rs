//! Policy documents as IAM sends them.

use percent_encoding::percent_decode_str;

use crate::aws::call::Lane;
use crate::aws::error::CallError;
use crate::aws::operation::Operation;

/// The JSON text of a document, which IAM percent-encodes by RFC 3986: a plus is a plus.
///
/// # Errors
/// A malformed answer, when the bytes are no UTF-8.
pub(super) fn decoded(lane: &Lane, operation: Operation, document: &str) -> Result<String, CallError> {
    decode(document).ok_or_else(|| lane.malformed(operation, "a policy document is no UTF-8"))
}

fn decode(document: &str) -> Option<String> {
    percent_decode_str(document).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_stays_a_plus_and_a_lone_percent_sign_itself() {
        assert_eq!(decode("%7B%22a%22%3A%22b+c%20d%22%7D").unwrap(), r#"{"a":"b+c d"}"#);
        assert_eq!(decode("%C3%BC").unwrap(), "ü");
        assert_eq!(decode("100%").unwrap(), "100%");
        assert_eq!(decode("%FF"), None);
    }
}
