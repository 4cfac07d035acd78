//! A hitbox cache backend on local disk, over sled 0.34.
//!
//! Cached values survive a restart of the process, and a crash: after it, each value is there whole
//! or not at all. A directory belongs to one open [`SledBackend`] at a time.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path();
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use hitbox_backend::Backend;
//! use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
//! use hitbox_sled::SledBackend;
//!
//! let cache = SledBackend::builder().path(path).max_bytes(256 << 20).open().await?;
//!
//! let key = CacheKey::from_pair("report", "2031-05");
//! let began = Stamp::now(); // before the report is made
//! let payload = Raw::from(Bytes::from_static(b"an encoded report"));
//! let value = CacheValue::loaded(payload.clone(), began).ttl(Duration::from_secs(3_600));
//! cache.write(&key, value).await?;
//! cache.flush().await?;
//!
//! let cached = cache.read(&key).await?;
//! assert_eq!(cached.map(CacheValue::into_inner), Some(payload));
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # What runs where
//!
//! A read of a value of up to 128 KiB and a write of one of up to 3 KiB (with its key) are done in
//! place: handing them to another thread would take longer than the work itself. Larger values, bulk
//! operations on many keys, flushes and sweeps go to tokio's blocking pool; outside of a tokio
//! runtime everything is done in place. What is not in sled's page cache, or the system's, is read
//! from the disk in place, and a write waits for the disk when sled's buffers are full.
//!
//! # What is on disk
//!
//! Short entries stand in sled's log, longer ones in a file each (sled itself would keep files for
//! them that it often forgets to delete). All of it takes at most three times
//! [`max_bytes`](SledBackendBuilder::max_bytes) and 64 MiB; `cargo run -p hitbox-sled --example
//! disk_use` shows what it takes by the length of the values.
//!
//! Dropping the last clone of a backend waits for its background threads and writes what is not yet
//! on disk. In async code call [`SledBackend::close`] instead.
//!
//! # Damage
//!
//! Every value carries a checksum: one that does not match is a miss. Files that sled cannot open,
//! while it opens others, are set aside and the cache starts empty
//! ([`SledBackend::recovered_from`]). Should sled panic on
//! the damage rather than report it, that is caught at open too, though the message still reaches
//! the panic hook. Damage that arises under an open database is not contained in that way. If the
//! end of sled's log is lost, a key may show the value it had before its last overwrite, within
//! that value's expiry.

mod backend;
mod builder;
mod directory;
mod error;
mod hand_over;
mod inner;
mod offload;
mod recovery;
mod signal;
mod statistics;
mod store;
mod sweep;
mod threads;

pub use backend::SledBackend;
pub use builder::SledBackendBuilder;
pub use statistics::Statistics;
