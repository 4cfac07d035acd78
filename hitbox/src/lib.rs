//! Caching for services: the one crate to depend on.
//!
//! - [`Cache`]: [`get_or_load`](Cache::get_or_load) and its kin, [`insert`](Cache::insert), [`remove`](Cache::remove),
//!   [`expire`](Cache::expire), [`remove_tagged`](Cache::remove_tagged), [`clear`](Cache::clear).
//! - [`Keyspace`] and [`Key`]: what values are kept under, with their type.
//! - [`Loaded`] is what a loader says, [`Entry`] what a caller gets, [`LoadError`] why he does not.
//! - [`Loader`] and [`LoadingCache`]: how the values of a keyspace are loaded, whoever asks.
//! - [`CacheBuilder`]: all settings. A keyspace and a call have the same, and the nearest to the call is in force.
//!
//! # What a load is to those who ask
//!
//! A load runs as a task of its own on the tokio runtime of whoever asked first, or on the one that
//! [`runtime`](CacheBuilder::runtime) names. Who asks while it is under way waits for it, and may go; it is handed to all who wait,
//! and stored. One that has not begun, for want of a place, is dropped with the last who waits for it. If the key is removed meanwhile, those who ask after that get a load that begins after it, and what the first one
//! returns is not stored. A load that fails, panics or hangs is one failure of those who waited.
//!
//! A hit in process is answered in the first poll, without an allocation, and needs no runtime.
//!
//! # Keys
//!
//! A [`Keyspace`] is a constant of the service: a name, a version, the type of the ids and that of the values. It makes
//! a [`Key`] of an id, and may have settings of its own, which are over those of the cache:
//!
//! ```
//! use std::time::Duration;
//! use hitbox::{CacheKey, Keyspace, Loaded};
//!
//! struct User {
//!     name: String,
//! }
//!
//! const USERS: Keyspace<u64, User> = Keyspace::new("users", 1)
//!     .ttl(Duration::from_secs(300))
//!     .stale_if_error(Duration::from_secs(3_600));
//!
//! let key = USERS.key(42);
//! assert_eq!(CacheKey::from(key).as_text(), "users:v1:id=42");
//!
//! // What a loader may return: a value, an `Arc` of it, an `Option` of it, or a word on how long it lives.
//! let found: Option<User> = None;
//! let loaded: Loaded<User> = found.into();
//! assert_eq!(format!("{loaded:?}"), "Loaded { content: absent, life: AsSet }");
//! ```
//!
//! # Backends
//!
//! ```
//! # #[cfg(feature = "moka")] fn main() -> Result<(), hitbox::BackendError> {
//! use hitbox::moka::MokaBackend;
//!
//! let moka = MokaBackend::builder().max_entries(10_000).build()?;
//! # let _ = moka;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "moka"))] fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `moka` (default) | `hitbox::moka`: in process |
//! | `quick-cache` | `hitbox::quick_cache`: in process, for hits that scale with the cores |
//! | `sled` | `hitbox::sled`: on local disk |
//! | `redis`, `redis-cluster`, `redis-sentinel`, `redis-tls` | `hitbox::redis`: in a shared Redis or Valkey server, in a cluster, in a master that sentinels name, over TLS |
//! | `dynamodb` | `hitbox::dynamodb`: in a DynamoDB table |
//! | `json`, `postcard` | formats beside bincode, which is always there, for adapters that keep bytes |
//! | `gzip`, `zstd` (needs a C compiler), `lz4` | compressors for adapters that keep bytes |
//! | `uuid` | [`KeyParts`] for `Uuid` |
//! | `chaos`, `virtual-time` | for tests of a service: faults of a cache, and a clock that the test moves |

mod batch;
mod builder;
mod cache;
pub mod call;
mod call_tags;
mod close;
mod entry;
mod error;
mod fills;
mod flights;
mod freshness;
mod key;
mod load;
mod load_under_way;
mod loaded;
mod loaded_life;
mod loader;
mod reading;
mod refused_fills;
#[cfg(all(test, hitbox_schedules))]
mod schedules;
mod settings;
mod shared;
mod statistics;
mod status;
mod sync;
mod tags;
mod tasks;
mod throttle;

pub use batch::Batch;
pub use builder::CacheBuilder;
pub use cache::Cache;
pub use call::{GetManyOrLoad, GetOrLoad, Insert};
pub use close::CloseReport;
pub use entry::{Entry, Kept};
pub use error::{LoadError, LoadErrorKind};
pub use fills::FillUnderWay;
pub use key::{Key, KeyParts, Keyspace, PartWriter};
pub use load_under_way::{LoadStage, LoadUnderWay};
pub use loaded::Loaded;
pub use loader::{Loader, LoadingCache};
pub use settings::Refresh;
pub use statistics::{Calls, Statistics};
pub use status::{Status, Why};

#[doc(no_inline)]
pub use hitbox_backend as backend;
#[cfg(feature = "dynamodb")]
#[doc(no_inline)]
pub use hitbox_dynamodb as dynamodb;
#[cfg(feature = "moka")]
#[doc(no_inline)]
pub use hitbox_moka as moka;
#[cfg(feature = "quick-cache")]
#[doc(no_inline)]
pub use hitbox_quick_cache as quick_cache;
#[cfg(feature = "redis")]
#[doc(no_inline)]
pub use hitbox_redis as redis;
#[cfg(feature = "sled")]
#[doc(no_inline)]
pub use hitbox_sled as sled;

#[doc(no_inline)]
pub use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendExt, BackendLabel, BackendResult, CacheKey,
    Cacheable, Compose, CompositionPolicy, DeleteStatus, InvalidTags, KeyPart, Namespace,
    OffloadKey, OffloadManager, ResponseSource, Stamp, StoreSettings,
};
#[cfg(feature = "virtual-time")]
#[doc(no_inline)]
pub use hitbox_core::clock::VirtualTime;
