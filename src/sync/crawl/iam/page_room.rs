//! How many IAM entities are in memory at once, over all accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Pages under way at once.
const PAGES: usize = 16;
/// Bytes of documents that a page is meant to hold.
const PAGE_BYTES: usize = 512 * 1024;
/// Entities on the first page of an account, of which nothing is known yet.
const FIRST_PAGE: i32 = 200;
/// AWS's largest page.
const LARGEST_PAGE: i32 = 1000;

/// Room for pages. One page of a thousand entities with long documents takes tens of megabytes: a crawl of many
/// accounts would hold as many such pages as it reads accounts.
#[derive(Debug)]
pub(in crate::sync::crawl) struct PageRoom(Semaphore);

impl PageRoom {
    pub(in crate::sync::crawl) fn new() -> Self {
        Self(Semaphore::new(PAGES))
    }

    /// Waits for the room of one page, which is free again when the permit is dropped.
    pub(super) async fn page(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.0.acquire().await.ok()
    }
}

/// The number of entities to ask for with the next page of one account, from the pages seen so far.
#[derive(Clone, Debug)]
pub(super) struct PageSize(Arc<AtomicI32>);

impl PageSize {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicI32::new(FIRST_PAGE)))
    }

    pub(super) fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// A page of so many entities held so many bytes of documents.
    pub(super) fn learn(&self, entities: usize, bytes: usize) {
        let each = (bytes / entities.max(1)).max(1);
        let fitting = i32::try_from(PAGE_BYTES / each).unwrap_or(LARGEST_PAGE);
        self.0.store(fitting.clamp(1, LARGEST_PAGE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_as_large_as_its_bytes_allow() {
        let size = PageSize::new();
        assert_eq!(size.get(), 200);
        size.learn(200, 200 * 300);
        assert_eq!(size.get(), 1000, "short documents");
        size.learn(1000, 1000 * 4096);
        assert_eq!(size.get(), 128);
        size.learn(10, 10 * 5_000_000);
        assert_eq!(size.get(), 1, "never none");
        size.learn(0, 0);
        assert_eq!(size.get(), 1000);
    }
}
