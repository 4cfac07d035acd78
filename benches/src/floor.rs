//! What in-process operations are compared with.

use std::sync::Arc;

use bytes::Bytes;
use hitbox_core::{CacheKey, CacheKeyHash};
use moka::future::Cache;
use quick_cache::{UnitWeighter, sync};

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

/// What a service would use that keeps objects, and all of one type.
pub type TypedMoka<T> = moka::sync::Cache<String, Arc<T>>;

/// A store under the adapter of moka, with objects of one type and nothing beside them.
#[must_use]
pub fn store_of_moka<T: Send + Sync + 'static>(
    entries: u64,
) -> moka::sync::Cache<CacheKey, Arc<T>, CacheKeyHash> {
    let builder = moka::sync::Cache::builder().max_capacity(entries);
    builder.build_with_hasher(CacheKeyHash)
}

/// The same under that of `quick_cache`.
#[must_use]
pub fn store_of_quick_cache<T>(
    entries: usize,
) -> sync::Cache<CacheKey, Arc<T>, UnitWeighter, CacheKeyHash> {
    let lifecycle = sync::DefaultLifecycle::default();
    sync::Cache::with(
        entries,
        entries as u64,
        UnitWeighter,
        CacheKeyHash,
        lifecycle,
    )
}
