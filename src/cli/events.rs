//! One-shot listing of an event feed: one JSON object a line on standard output.

use std::io::Write;

use tokio_util::sync::CancellationToken;

use super::{Exit, failure};
use crate::baton::time::to_proto_timestamp;
use crate::baton::{protojson, v2};
use crate::config::EventsQuery;
use crate::connector::Connector;

/// Events that one request asks for.
const PAGE: u32 = 100;

/// Prints all events from the query's cursor or time on.
pub(super) async fn run(connector: &Connector, query: &EventsQuery, cancel: CancellationToken) -> Exit {
    let mut request = v2::ListEventsRequest {
        cursor: query.cursor.clone(),
        start_at: Some(to_proto_timestamp(query.start_at)),
        page_size: PAGE,
        annotations: Vec::new(),
        event_feed_id: query.feed.clone(),
    };
    loop {
        let page = match connector.events(&request, cancel.clone()).await {
            Ok(page) => page,
            Err(error) => return failure::of_operation("event feed", error),
        };
        for event in &page.events {
            let line = match protojson::to_json_line(event) {
                Ok(line) => line,
                Err(error) => return failure::at_start(&error),
            };
            if writeln!(std::io::stdout(), "{line}").is_err() {
                return Exit::FAILURE;
            }
        }
        tracing::info!(events = page.events.len(), cursor = page.cursor, has_more = page.has_more, "events");
        if !page.has_more {
            return Exit::SUCCESS;
        }
        request.cursor = page.cursor;
    }
}
