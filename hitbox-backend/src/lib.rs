//! Cache backends that compose.
//!
//! - [`Backend`] is what an adapter implements: read, write and remove encoded values.
//! - [`CacheBackend`] is what an application calls: `get`, `set` and `delete` of typed values, on
//!   every backend.
//! - [`Compose`] puts one backend in front of another; the result is a backend again.

mod backend;
mod capabilities;
pub mod composition;
pub mod compression;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delete_status;
mod error;
pub mod format;
mod forward;
mod key_format;
pub mod offload;
mod rejection;
pub mod stored_form;
mod typed;

pub use backend::{Backend, ReadOutcome, note_outcome, trace_rejection};
pub use capabilities::Capabilities;
pub use composition::{
    Compose, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, OptimisticParallelWritePolicy, Owed, OwedCause, ParallelReadPolicy,
    RaceLoserPolicy, RaceReadPolicy, RaceWritePolicy, ReadResult, RefillPolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy,
};
pub use compression::Compressor;
pub use delete_status::DeleteStatus;
pub use error::{BackendError, BackendErrorKind, BackendResult, Operation};
#[cfg(feature = "json")]
pub use format::JsonFormat;
#[cfg(feature = "postcard")]
pub use format::PostcardFormat;
pub use format::{BincodeFormat, Format};
pub use key_format::CacheKeyFormat;
pub use offload::{CloseReport, OffloadManager, OffloadManagerBuilder, OffloadStatistics};
pub use rejection::{Rejection, Rejections};
pub use typed::{CacheBackend, Cacheable, GetOutcome};

#[doc(inline)]
pub use hitbox_core as core;
