//! One-shot listing of an event feed on standard output, an event a line: a text for a terminal, JSON for a pipe.

use std::io::IsTerminal as _;

use tokio_util::sync::CancellationToken;

use super::{Exit, failure, output};
use crate::baton::resource::ResourceExt as _;
use crate::baton::time::{from_proto_timestamp, to_proto_timestamp};
use crate::baton::{protojson, v2};
use crate::config::EventsQuery;
use crate::connector::Connector;
use crate::text::{self, printable};

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
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let page = match connector.events(&request, cancel.clone()).await {
            Ok(page) => page,
            Err(error) => return failure::of_operation("event feed", error),
        };
        for event in &page.events {
            let line = if is_terminal {
                readable(event)
            } else {
                match protojson::to_json_line(event) {
                    Ok(line) => line,
                    Err(error) => return failure::at_start(&error),
                }
            };
            if let Err(lost) = output::write(&format!("{line}\n")) {
                return failure::lost(&lost);
            }
        }
        tracing::info!(events = page.events.len(), cursor = page.cursor, has_more = page.has_more, "events");
        if !page.has_more {
            return Exit::SUCCESS;
        }
        request.cursor = page.cursor;
    }
}

/// An event as a person reads it: when, who, and what was used.
fn readable(event: &v2::Event) -> String {
    let at = event.occurred_at.as_ref().map(|at| from_proto_timestamp(at).to_string()).unwrap_or_default();
    let named = |resource: &Option<v2::Resource>| {
        let resource = resource.as_ref();
        let words = resource.map(|one| format!("{} {}", one.type_id(), one.object_id())).unwrap_or_default();
        printable(&words, text::MESSAGE).into_owned()
    };
    match &event.event {
        Some(v2::event::Event::UsageEvent(usage)) => {
            format!("{at}  {} used {}", named(&usage.actor_resource), named(&usage.target_resource))
        }
        _ => format!("{at}  {}", printable(&event.id, text::NAME)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baton::resource;

    #[test]
    fn a_person_reads_when_who_and_what() {
        let usage = v2::UsageEvent {
            target_resource: Some(resource::reference("account", "444444444444")),
            actor_resource: Some(resource::reference("sso_user", "u-1")),
        };
        let event = v2::Event {
            id: "e-1".to_owned(),
            occurred_at: Some(to_proto_timestamp("2026-01-02T03:04:05Z".parse().unwrap())),
            event: Some(v2::event::Event::UsageEvent(usage)),
            annotations: Vec::new(),
        };
        assert_eq!(readable(&event), "2026-01-02T03:04:05Z  sso_user u-1 used account 444444444444");
        assert_eq!(readable(&v2::Event { event: None, ..event }), "2026-01-02T03:04:05Z  e-1");
    }
}
