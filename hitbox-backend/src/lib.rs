//! Cache backends that compose.
//!
//! - [`Backend`] is what an adapter implements: read, write and remove encoded values.
//! - [`CacheBackend`] is what an application calls: `get`, `set` and `delete` of typed values, on
//!   every backend, static or `dyn`.
//! - [`Compose`] puts one backend in front of another; the result is a backend again. A
//!   [`CompositionPolicy`] says how reads, writes and refills go about the two layers.
//! - [`BackendExt`] puts a deadline, a circuit breaker or retries around a backend.
//! - [`OffloadManager`] runs what should happen without making a caller wait.
//!
//! The adapters are crates of their own (`hitbox-moka`, `hitbox-quick-cache`, `hitbox-sled`, `hitbox-redis`,
//! `hitbox-dynamodb`); none knows another. To write one, implement [`Backend`], over a store of bytes with a
//! [`byte_store::Codec`], or over a cache in memory with [`in_process`], and run the suite of the feature
//! `conformance` on it.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! # use hitbox_backend::conformance::MemoryBackend;
//! use hitbox_backend::{
//!     CacheBackend, CacheContext, CacheKey, CacheValue, Compose, OffloadManager, Stamp,
//! };
//! # let (in_process, on_disk) = (MemoryBackend::new(), MemoryBackend::new());
//!
//! let cache = in_process.compose(on_disk, OffloadManager::builder().build()?);
//!
//! let key = CacheKey::from_pair("user", "42");
//! let began = Stamp::now(); // before the load
//! let name = Arc::new(String::from("Ada"));
//! cache.set(&key, CacheValue::loaded(name, began).ttl(Duration::from_secs(300))).await?;
//!
//! let mut context = CacheContext::default().boxed();
//! let found = cache.get_with::<String>(&key, &mut context).await?;
//! assert_eq!(found.unwrap().data().as_str(), "Ada");
//! assert_eq!(context.source().to_string(), "composition.memory");
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `json` (default), `postcard` | formats beside bincode, which is always there |
//! | `gzip`, `zstd` (needs a C compiler), `lz4` | compressors |
//! | `chaos` | [`chaos`]: a backend that delays, fails, hangs and damages, to test what uses a cache |
//! | `conformance` | [`conformance`]: the suite that every adapter must pass, and backends for tests |

mod backend;
pub mod byte_store;
mod cacheable;
mod capabilities;
#[cfg(feature = "chaos")]
pub mod chaos;
pub mod coherence;
pub mod composition;
pub mod compression;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delete_status;
mod error;
pub mod flights;
pub mod format;
mod forward;
pub mod in_process;
mod key_format;
mod leftovers;
pub mod load;
mod log;
mod object;
pub mod offload;
mod outcome;
mod rejection;
mod repeated;
mod report;
#[cfg(all(test, hitbox_schedules))]
mod schedules;
mod skew;
pub mod stored_form;
mod sync;
pub mod tags;
mod typed;
pub mod wrapper;

pub use backend::{
    Attempt, Backend, ReadAttempt, ReadOutcome, WriteAttempt, note_outcome, note_outcome_at,
};
pub use byte_store::StoreSettings;
pub use cacheable::Cacheable;
pub use capabilities::Capabilities;
pub use composition::{
    Compose, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, FenceStays, Fenced, Observed, OptimisticParallelWritePolicy,
    ParallelReadPolicy, PendingRepair, RaceLoserPolicy, RaceReadPolicy, RaceWritePolicy,
    ReadDecision, ReadResult, ReadStep, RefillPolicy, RepairBackoff, RepairCause, RepairPolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy, WriteDecision, WriteObserved,
    WriteStep,
};
pub use compression::Compressor;
pub use delete_status::DeleteStatus;
pub use error::{BackendError, BackendResult, Operation};
#[cfg(feature = "json")]
pub use format::JsonFormat;
#[cfg(feature = "postcard")]
pub use format::PostcardFormat;
pub use format::{BincodeFormat, Format};
pub use key_format::CacheKeyFormat;
pub use leftovers::Leftovers;
pub use load::{Begun, Condition, Conditional, Fencing, Held, Invalidations, Lease};
pub use object::{encoded, weight};
pub use offload::{CloseReport, OffloadManager, OffloadManagerBuilder, OffloadStatistics};
pub use rejection::{Rejection, Rejections, trace_rejection};
pub use repeated::Repeated;
pub use report::Report;
pub use typed::{
    CacheBackend, Described, DescribedOutcome, GetOutcome, Known, KnownAttempt, KnownOutcome,
    Storable,
};
pub use wrapper::{
    BackendExt, CircuitBreaker, CircuitBreakerConfig, Deadline, FailureRate, Retry, RetryConfig,
};

// Not under a name of its own: `core` would shadow the standard library's for those who import all.
#[doc(no_inline)]
pub use hitbox_core::{
    BackendErrorKind, BackendLabel, BoxContext, CacheContext, CacheKey, CacheState, CacheStatus,
    CacheValue, Context, DisabledOffload, Encoded, Expiry, Failures, Freshness, InvalidTags,
    KeyPart, LayerFailure, LogMark, Meta, Namespace, Offload, OffloadKey, Raw, ResponseSource,
    Stamp, TagSet,
};
