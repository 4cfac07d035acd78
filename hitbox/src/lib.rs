//! Caching for services: one crate to depend on.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `moka` (default) | `hitbox::moka`: in process |
//! | `quick-cache` | `hitbox::quick_cache`: in process, for hits that scale with the cores |
//! | `sled` | `hitbox::sled`: on local disk |
//! | `redis`, `redis-cluster`, `redis-tls` | `hitbox::redis`: in a shared Redis or Valkey server, in a cluster, over TLS |
//! | `dynamodb` | `hitbox::dynamodb`: in a DynamoDB table |
//! | `json`, `postcard` | formats beside bincode, which is always there, for adapters that keep bytes |
//! | `gzip`, `zstd` (needs a C compiler), `lz4` | compressors for adapters that keep bytes |
//! | `uuid` | [`KeyParts`] for `Uuid` |
//! | `chaos`, `virtual-time` | for tests of a service: faults of a cache, and a clock that the test moves |

#![allow(
    dead_code,
    unused_imports,
    reason = "the cache, which uses all of it, is not written yet"
)]

mod entry;
mod error;
mod freshness;
mod key;
mod loaded;
mod settings;
mod status;
mod throttle;

pub use entry::{Entry, Kept};
pub use error::{LoadError, LoadErrorKind};
pub use key::{Key, KeyParts, Keyspace, PartWriter};
pub use loaded::Loaded;
pub use settings::Refresh;
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
    Cacheable, Compose, CompositionPolicy, DeleteStatus, KeyPart, Namespace, OffloadManager,
    ResponseSource, Stamp, StoreSettings,
};
#[cfg(feature = "virtual-time")]
#[doc(no_inline)]
pub use hitbox_core::clock::VirtualTime;
