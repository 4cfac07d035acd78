//! A hitbox cache backend in a shared [Redis](https://redis.io) or [Valkey](https://valkey.io)
//! server: every process sees the same values, and they outlive each of them.
//!
//! ```no_run
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! use hitbox_backend::CacheBackend;
//! use hitbox_core::{CacheKey, CacheValue, Stamp};
//! use hitbox_redis::RedisBackend;
//!
//! let cache = RedisBackend::builder()
//!     .url("redis://127.0.0.1:6379")
//!     .namespace("shop")
//!     .build()?;
//!
//! let key = CacheKey::from_pair("user", "42");
//! let began = Stamp::now(); // before the user is loaded
//! let name = Arc::new(String::from("Ada"));
//! let value = CacheValue::loaded(name, began).ttl(Duration::from_secs(300));
//! cache.set(&key, value).await?;
//!
//! let cached = cache.get::<String>(&key).await?;
//! assert_eq!(cached.unwrap().data().as_str(), "Ada");
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # Commands
//!
//! A read is one `GET`, a write one `SET` (with `PXAT` for a value that expires), a removal one
//! `UNLINK`; bulk calls are one `MGET` or one pipeline. So the server must be Redis 6.2 or Valkey,
//! or later. Expiry is kept by the server, by its clock, to the millisecond; what this process's
//! clock takes for expired is not returned either.
//!
//! While eight or more reads are on their way to a server, those that tasks send at the same time go
//! together, as one `MGET` of up to 64 keys and about 256 KiB; likewise writes and removals, as one pipeline
//! in the order in which they came. None waits for others to come, only for the tasks that are about
//! to run. A key that holds something other than a string is a miss, and counted as
//! [`Foreign`](hitbox_backend::Rejection::Foreign) only where it is read by itself. The nodes of a cluster get
//! each command by itself.
//!
//! # One connection
//!
//! All clones of a backend share one connection, on which any number of tasks send at the same
//! time. It is opened when first used, by a task of its own, and opened anew when it breaks or has
//! left everything unanswered for two seconds; between failed attempts lies a pause that doubles up
//! to one second. While there is no connection, calls fail at once.
//!
//! No call takes longer than [`deadline`](RedisBackendBuilder::deadline), whatever the server does.
//! A command whose connection turns out to be broken is sent once more on the next, which is sound
//! for these commands; only a removal may then say `Missing` of what its first attempt removed.
//!
//! Commands of different runtimes may go together. If the runtime that was to send them ends first, they are
//! [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable); one that is merely not driven holds up
//! the others for a deadline at most.
//!
//! # Features
//!
//! - `cluster`: Redis Cluster. There is one connection to each master, and a bulk call is one
//!   pipeline to each. While some nodes are down, the keys of the others stay usable.
//! - `tls`: `rediss://`, over rustls. Where the application has not installed a crypto provider for
//!   rustls, building a backend with such a URL installs ring, for the whole process.
//!
//! Sentinel is not supported.

mod address;
mod backend;
mod batch;
mod builder;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod connection;
mod encoder;
mod error;
mod exchange;
mod link;
#[cfg(feature = "cluster")]
mod slots;
mod statistics;
#[cfg(feature = "tls")]
mod tls;

pub use backend::RedisBackend;
pub use builder::RedisBackendBuilder;
pub use statistics::Statistics;
