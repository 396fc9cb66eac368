//! How much of one answer is read.

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

/// Bytes of an answer. AWS's pages have a hundred entries of some kilobytes.
const MOST: usize = 8 << 20;
/// Bytes of the answer to an operation whose entries are documents.
const MOST_OF_DOCUMENTS: usize = 16 << 20;

/// Bytes of an answer to this operation that are read.
pub(in crate::aws) fn bound_of(operation: &str) -> usize {
    match operation {
        // A page has a thousand roles, each with a trust policy that is percent-encoded.
        "GetAccountAuthorizationDetails" | "ListRoles" | "LookupEvents" => MOST_OF_DOCUMENTS,
        _ => MOST,
    }
}

/// What a request carries to the [`BoundedClient`]: the bytes of its answer that are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound(pub(super) usize);

/// An answer has more bytes than are read of one. The rest was not received.
#[derive(Debug, thiserror::Error)]
#[error("the answer has more than {bound} bytes and was not read")]
pub(super) struct TooLarge {
    pub(super) bound: usize,
}

/// A client that gives whole answers, up to their bound.
///
/// The body is gathered here, in one piece: what gathers it behind this would keep the pieces and the whole at the
/// same time, without a limit.
#[derive(Debug)]
pub(in crate::aws) struct BoundedClient(pub(in crate::aws) SharedHttpClient);

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(self.0.http_connector(settings, components)))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let bound = request.extension::<Bound>().map_or(MOST, |bound| bound.0);
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut response: HttpResponse = answer.await?;
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            *response.body_mut() = SdkBody::from(gather(body, bound).await?);
            Ok(response)
        })
    }
}

/// The whole body, unless it is larger than `bound`.
async fn gather(body: SdkBody, bound: usize) -> Result<Bytes, ConnectorError> {
    let too_large = || ConnectorError::other(TooLarge { bound }.into(), None);
    let announced = body.content_length().map_or(Some(0), |length| usize::try_from(length).ok());
    let announced = announced.filter(|length| *length <= bound).ok_or_else(too_large)?;
    let mut whole = Vec::with_capacity(announced);
    let mut pieces = ByteStream::new(body);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| ConnectorError::io(error.into()))?;
        if whole.len() + piece.len() > bound {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[tokio::test]
    async fn a_body_is_given_whole_up_to_its_bound_and_not_at_all_beyond() {
        let body = |length: usize| SdkBody::from(vec![b'x'; length]);
        assert_eq!(gather(body(10), 10).await.unwrap().len(), 10);
        assert_eq!(gather(SdkBody::empty(), 0).await.unwrap().len(), 0);
        let error = gather(body(11), 10).await.unwrap_err();
        assert!(error.source().unwrap().downcast_ref::<TooLarge>().is_some(), "{error:?}");
    }

    #[test]
    fn documents_have_more_room_than_entries() {
        assert!(bound_of("GetAccountAuthorizationDetails") > bound_of("ListUsers"));
        assert!(bound_of("LookupEvents") > bound_of("DescribeUser"));
    }
}
