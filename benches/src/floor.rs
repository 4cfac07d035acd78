//! What in-process operations are compared with.

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use quick_cache::sync;

/// F: the cache that a service would use if it had no hitbox.
pub type RawMoka = Cache<Arc<str>, Bytes>;

/// One of these with room for so many entries.
#[must_use]
pub fn raw_moka(entries: u64) -> RawMoka {
    Cache::new(entries)
}

/// What [`hitbox_quick_cache`] is made of.
pub type RawQuickCache = sync::Cache<Arc<str>, Bytes>;

/// One of these with room for so many entries.
#[must_use]
pub fn raw_quick_cache(entries: usize) -> RawQuickCache {
    RawQuickCache::new(entries)
}
