//! The vocabulary of hitbox caches.
//!
//! This crate holds the nouns that every other hitbox crate speaks: what a value is stored under
//! ([`CacheKey`]), what is stored ([`CacheValue`], [`Raw`]), what travels with an operation and
//! tells afterwards what happened ([`Context`]), and how work is handed to the background
//! ([`Offload`]). It does no I/O and needs no async runtime.
//!
//! Applications normally depend on `hitbox-backend` and one adapter crate per place where values
//! are kept; this crate is for those who write adapters, policies or offloaders of their own.
//!
//! ```
//! use std::time::Duration;
//! use hitbox_core::{CacheKey, CacheState, CacheValue, KeyPart, Stamp};
//!
//! let key = CacheKey::new("users", 1, [KeyPart::new("id", Some("42")), KeyPart::new("full", None::<&str>)]);
//! assert_eq!(key.as_text(), "users:v1:id=42&full");
//! assert_eq!(CacheKey::parse("users:v1:id=42&full"), Ok(key));
//!
//! let began = Stamp::now(); // before the load
//! let value = CacheValue::loaded("Ada", began).ttl(Duration::from_secs(60));
//! assert_eq!(value.cache_state(), CacheState::Actual);
//! ```

pub mod clock;
mod context;
mod encoded;
mod error_kind;
mod failures;
mod key;
mod label;
mod layer;
mod meta;
mod object_type;
mod offload;
mod raw;
mod stamp;
mod tag_set;
mod value;
mod wants;

pub use context::{BoxContext, CacheContext, CacheStatus, Context, ResponseSource};
pub use encoded::{CompressorId, Encoded, Encoding, FormatId};
pub use error_kind::BackendErrorKind;
pub use failures::{Failures, LayerFailure};
pub use key::{CacheKey, CacheKeyHash, CarriedHash, KeyParseError, KeyPart, KeyWriter, Namespace};
pub use label::BackendLabel;
pub use layer::CompositionLayer;
pub use meta::{LogMark, Meta};
pub use object_type::{ObjectType, TypeOf};
pub use offload::{DisabledOffload, Offload, OffloadKey};
pub use raw::Raw;
pub use stamp::Stamp;
pub use tag_set::{InvalidTags, TagSet};
pub use value::{CacheState, CacheValue, Expiry};
pub use wants::{Freshness, Wants};
