//! A hitbox cache backend in the memory of this process, over moka.
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
//! use hitbox_moka::MokaBackend;
//!
//! let cache = MokaBackend::builder().max_entries(10_000).build()?;
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
//! When the capacity is reached, what is asked for least often and least recently goes first (moka's
//! TinyLFU); a new entry that is asked for less often than the ones it would displace is itself the
//! one that goes. There is no other policy to choose: with LRU, moka 0.12.16 was seen to lose its capacity bit by
//! bit while several threads write, until it holds nothing.
//!
//! What is kept is the object that was set, or that a read of another layer has decoded, without its bytes. So nothing
//! is encoded, and types can be cached that no format can store. Bytes are made of an object where another layer wants
//! them. Neither compressor nor key format are there to choose: keys are kept as they are.

mod backlog;
mod store;

#[doc(no_inline)]
pub use hitbox_backend::in_process::{Capacity, CapacityUnset, EvictionCause, Statistics};
use hitbox_backend::in_process::{InProcess, InProcessBuilder};
pub use store::Moka;

/// A cache in the memory of this process, over moka.
///
/// What moka puts off (evictions after a write, the counts of [`Statistics`]), it does within the next operations.
/// So for a moment there can be more in it than it is to hold: some entries, or a thirty-second of the bytes and a few entries.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hitbox_backend::{Backend, CacheKey, CacheValue, Raw, Stamp};
/// use hitbox_moka::MokaBackend;
///
/// let cache = MokaBackend::builder().max_bytes(64 << 20).build()?;
/// let (a, b) = (cache.in_namespace("tenant-a"), cache.in_namespace("tenant-b"));
/// let key = CacheKey::from_pair("id", "42");
/// a.write(&key, CacheValue::loaded(Raw::from(vec![1]), Stamp::now())).await?;
/// assert!(a.read(&key).await?.is_some());
/// assert!(b.read(&key).await?.is_none());
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
pub type MokaBackend = InProcess<Moka>;

/// The settings of a [`MokaBackend`].
///
/// ```
/// use std::sync::mpsc;
/// use hitbox_moka::MokaBackend;
///
/// let (sender, evicted) = mpsc::channel();
/// let cache = MokaBackend::builder()
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
pub type MokaBackendBuilder<C> = InProcessBuilder<Moka, C>;
