//! Listings page by page.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher, RandomState};

use futures::stream::{BoxStream, StreamExt, try_unfold};

use super::call::Lane;
use super::error::CallError;
use super::operation::Operation;

/// One page, and the token that leads to the next.
pub(super) type Page<T> = (Vec<T>, Option<String>);

/// Pages in a row that may bring nothing new. AWS sends empty pages that lead on, where it filters what it has read.
const MOST_IDLE: u32 = 100;
/// Pages of one listing: two million entries.
const MOST: usize = 20_000;

/// A listing as a stream with one item per page.
///
/// `fetch` gets one page by its token. The token leads on, also from an empty page; an empty token ends the listing
/// like an absent one. What would never end is an error: a token that was followed before, a hundred pages in a row
/// that are empty or the same as the one before, and twenty thousand pages.
pub(super) fn pages<T, F>(
    lane: Lane,
    operation: Operation,
    fetch: impl Fn(Lane, Option<String>) -> F + Send + 'static,
) -> BoxStream<'static, Result<Vec<T>, CallError>>
where
    T: fmt::Debug + Send + 'static,
    F: Future<Output = Result<Page<T>, CallError>> + Send + 'static,
{
    try_unfold((Some(Walk::default()), fetch, lane), move |(walk, fetch, lane)| async move {
        let Some(mut walk) = walk else { return Ok(None) };
        let (items, next) = fetch(lane.clone(), walk.token.take()).await?;
        let walk = match next.filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => Some(walk.on(&items, token).map_err(|fault| lane.malformed(operation, fault))?),
        };
        Ok(Some((items, (walk, fetch, lane))))
    })
    .boxed()
}

/// How far a listing was followed. Tokens can be kilobytes long, a page megabytes, and a listing can have thousands
/// of pages: their hashes suffice.
#[derive(Default)]
struct Walk {
    token: Option<String>,
    followed: HashSet<u64>,
    page: u64,
    /// Pages in a row that brought nothing new.
    idle: u32,
    hasher: RandomState,
}

impl Walk {
    /// The way on from a page with these items.
    fn on<T: fmt::Debug>(mut self, items: &[T], token: String) -> Result<Self, &'static str> {
        if !self.followed.insert(self.hasher.hash_one(&token)) {
            return Err("the listing repeats a page token, it would never end");
        }
        if self.followed.len() >= MOST {
            return Err("the listing has more than 20000 pages");
        }
        let mut page = Hashed(self.hasher.build_hasher());
        // Hashing cannot fail, and a value that does not show itself is like another.
        let _ = write!(page, "{items:?}");
        let page = page.0.finish();
        self.idle = if items.is_empty() || page == self.page { self.idle + 1 } else { 0 };
        if self.idle >= MOST_IDLE {
            return Err("a hundred pages in a row bring nothing new, the listing would never end");
        }
        Ok(Self { token: Some(token), page, ..self })
    }
}

/// Hashes what is written.
struct Hashed<H>(H);

impl<H: Hasher> fmt::Write for Hashed<H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of the page at which a listing of `page` is given up, and why.
    fn followed(page: impl Fn(usize) -> Vec<usize>) -> (usize, &'static str) {
        let mut walk = Walk::default();
        for number in 1.. {
            walk = match walk.on(&page(number), format!("token {number}")) {
                Ok(walk) => walk,
                Err(fault) => return (number, fault),
            };
        }
        unreachable!("every listing ends")
    }

    #[test]
    fn a_listing_that_would_never_end_is_given_up() {
        let (at, fault) = followed(|_| Vec::new());
        assert!(at == 100 && fault.contains("nothing new"), "{at}: {fault}");
        let (at, fault) = followed(|_| vec![1, 2, 3]);
        assert!(at == 101 && fault.contains("nothing new"), "{at}: {fault}");
        let (at, fault) = followed(|number| vec![number]);
        assert!(at == MOST && fault.contains("20000 pages"), "{at}: {fault}");
    }

    #[test]
    fn empty_pages_between_full_ones_are_followed() {
        let (at, _) = followed(|number| if number % 90 == 0 { vec![number] } else { Vec::new() });
        assert_eq!(at, MOST);
    }

    #[test]
    fn a_repeated_token_is_not_followed() {
        let walk = Walk::default().on(&[1], "a".to_owned()).and_then(|walk| walk.on(&[2], "b".to_owned()));
        let fault = walk.and_then(|walk| walk.on(&[3], "a".to_owned())).err().unwrap();
        assert!(fault.contains("repeats a page token"), "{fault}");
    }
}
