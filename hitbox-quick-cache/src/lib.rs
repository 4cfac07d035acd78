//! A hitbox cache backend in the memory of this process, over `quick_cache`.
//!
//! It is bounded, by entries or by bytes; every entry has an expiry of its own; reads and writes
//! run on any thread at the same time. Nothing survives the process, and no other process sees it:
//! for that, compose it in front of a backend that persists or is shared.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! use hitbox_backend::CacheBackend;
//! use hitbox_core::{CacheContext, CacheKey, CacheStatus, CacheValue, Stamp};
//! use hitbox_quick_cache::QuickCacheBackend;
//!
//! let cache = QuickCacheBackend::builder().max_entries(10_000).build()?;
//!
//! let key = CacheKey::from_pair("user", "42");
//! let began = Stamp::now(); // before the user is loaded
//! let name = Arc::new(String::from("Ada"));
//! let value = CacheValue::loaded(Arc::clone(&name), began).ttl(Duration::from_secs(300));
//! cache.set(&key, value).await?;
//!
//! let mut context = CacheContext::default().boxed();
//! let cached = cache.get_with::<String>(&key, &mut context).await?.unwrap();
//! assert_eq!(context.status(), CacheStatus::Hit);
//! // The object that was put in: a hit decodes and copies nothing.
//! assert!(Arc::ptr_eq(cached.data(), &name));
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # This or moka
//!
//! The builders, the statistics and the guarantees are those of `hitbox-moka`. A hit takes about half the instructions,
//! and two threads get 1.7 times as much done as one, because a hit writes next to nothing that is shared.
//! The price is how the capacity is kept: it is divided among shards, each of which evicts on its own
//! (Clock-PRO with a memory of what was evicted lately, much like S3-FIFO). So
//!
//! - a cache may evict while another shard still has room: a few in a hundred entries of a working set that
//!   just fits;
//! - under [`max_bytes`](InProcessBuilder::max_bytes), an entry must fit into a shard: 4 MB, or
//!   [`largest_value`](InProcessBuilder::largest_value) if that is set, which makes the shards larger and fewer.
//!
//! `docs/performance.md` in the repository has the measurements, with a table of hit ratios.

mod evicted;
mod shards;
mod store;

#[doc(no_inline)]
pub use hitbox_backend::in_process::{Capacity, CapacityUnset, EvictionCause, Statistics};
use hitbox_backend::in_process::{InProcess, InProcessBuilder};
pub use store::QuickCache;

/// A cache in the memory of this process, over `quick_cache`.
///
/// It never holds more than its capacity.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hitbox_backend::{Backend, CacheKey, CacheValue, Raw, Stamp};
/// use hitbox_quick_cache::QuickCacheBackend;
///
/// let cache = QuickCacheBackend::builder().max_bytes(64 << 20).build()?;
/// let (a, b) = (cache.in_namespace("tenant-a"), cache.in_namespace("tenant-b"));
/// let key = CacheKey::from_pair("id", "42");
/// a.write(&key, CacheValue::loaded(Raw::from(vec![1]), Stamp::now())).await?;
/// assert!(a.read(&key).await?.is_some());
/// assert!(b.read(&key).await?.is_none());
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
pub type QuickCacheBackend = InProcess<QuickCache>;

/// The settings of a [`QuickCacheBackend`].
///
/// ```
/// use std::sync::mpsc;
/// use hitbox_quick_cache::QuickCacheBackend;
///
/// let (sender, evicted) = mpsc::channel();
/// let cache = QuickCacheBackend::builder()
///     .max_bytes(64 << 20)
///     .largest_value(1 << 20)
///     .label("local")
///     .eviction_listener(move |key, cause| {
///         // Fails only when nobody listens any more.
///         let _ = sender.send((key.clone(), cause));
///     })
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
pub type QuickCacheBackendBuilder<C> = InProcessBuilder<QuickCache, C>;
