//! The tasks of event feeds: which there are, and what happened since a cursor.

use tokio_util::sync::CancellationToken;

use super::Context;
use super::outcome::{Failure, Outcome};
use crate::baton::api::task::ListEventsTask;
use crate::baton::{Code, any, v2};

/// The largest page that a request may ask for.
const LARGEST_PAGE: u32 = 1000;
const LONGEST_CURSOR: usize = 4096;

/// Lists the feeds; none is an answer, too.
pub(super) fn list_feeds(context: &Context) -> Outcome {
    let response = v2::ListEventFeedsResponse { list: context.engine.event_feeds(), annotations: Vec::new() };
    Outcome::Done { response: any::pack(&response), annotations: Vec::new() }
}

/// Lists the next events of a feed.
pub(super) async fn list(order: ListEventsTask, context: &Context, cancel: &CancellationToken) -> Outcome {
    if order.page_size > LARGEST_PAGE || order.cursor.len() > LONGEST_CURSOR {
        let message = "invalid request: page_size is at most 1000, cursor at most 4096 bytes";
        return Outcome::Failed(Failure::permanent(Code::InvalidArgument, message));
    }
    let request = v2::ListEventsRequest {
        cursor: order.cursor,
        start_at: order.start_at,
        page_size: order.page_size,
        annotations: order.annotations,
        event_feed_id: order.event_feed_id,
    };
    match context.engine.events(&request, cancel.clone()).await {
        Ok(response) => Outcome::Done { response: any::pack(&response), annotations: Vec::new() },
        // The same cursor is refused again.
        Err(error) if error.status.code == i32::from(Code::InvalidArgument) => {
            Outcome::Failed(Failure::permanent(Code::InvalidArgument, error.status.message))
        }
        Err(error) => {
            Outcome::Failed(Failure { status: error.status, non_retryable: false, annotations: Vec::new() })
        }
    }
}
