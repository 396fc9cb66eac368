//! Listings page by page.

use std::collections::HashSet;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};

use futures::stream::{BoxStream, StreamExt, try_unfold};

use super::call::Lane;
use super::error::CallError;
use super::operation::Operation;

/// One page, and the token that leads to the next.
pub(super) type Page<T> = (Vec<T>, Option<String>);

/// A listing as a stream with one item per page.
///
/// `fetch` gets one page by its token. The token leads on, also from an empty page; an empty token ends the listing
/// like an absent one. A token that was followed before would lead in circles and is an error.
pub(super) fn pages<T, F>(
    lane: Lane,
    operation: Operation,
    fetch: impl Fn(Lane, Option<String>) -> F + Send + 'static,
) -> BoxStream<'static, Result<Vec<T>, CallError>>
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>, CallError>> + Send + 'static,
{
    let start = Some(Walk { token: None, followed: HashSet::new(), hasher: RandomState::new() });
    try_unfold((start, fetch, lane), move |(walk, fetch, lane)| async move {
        let Some(mut walk) = walk else { return Ok(None) };
        let (items, next) = fetch(lane.clone(), walk.token.take()).await?;
        let walk = match next.filter(|token| !token.is_empty()) {
            None => None,
            // Tokens can be kilobytes long, and a listing can have thousands of pages: their hashes suffice.
            Some(token) if walk.followed.insert(walk.hasher.hash_one(&token)) => {
                Some(Walk { token: Some(token), ..walk })
            }
            Some(_) => {
                return Err(lane.malformed(operation, "the listing repeats a page token, it would never end"));
            }
        };
        Ok(Some((items, (walk, fetch, lane))))
    })
    .boxed()
}

struct Walk {
    token: Option<String>,
    followed: HashSet<u64>,
    hasher: RandomState,
}
