//! What a load needs of a backend: get-or-load, where a value is loaded, stored, and may be overtaken meanwhile.
//!
//! A load takes a [`Lease`] before it begins, with [`Backend::begin_load`](crate::Backend::begin_load), makes its
//! stamp, loads, and stores what it has with [`Backend::write_if`](crate::Backend::write_if). So it is told if
//! something newer has been done to the key meanwhile, however much has been done to other keys.
//!
//! A backend may keep leases in a store that processes share ([`Capabilities::gives_leases`](crate::Capabilities)). Then
//! one process at a time loads a key, the others are told so ([`Begun::Elsewhere`]), and what another process does to the key
//! meanwhile ends the lease. No clocks are compared.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//!
//! use hitbox_backend::{
//!     Backend, Begun, CacheBackend, CacheKey, CacheValue, Compose, Condition, Conditional,
//!     DisabledOffload, Known, Stamp, conformance::MemoryBackend,
//! };
//!
//! let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
//! let key = CacheKey::from_pair("user", "42");
//!
//! let Begun::Lead(lease) = cache.begin_load(&key).await? else {
//!     panic!("a composition has nobody else load");
//! };
//! let began = Stamp::now();
//! let loaded = Arc::new(String::from("Ada"));
//! // The data has changed, while it was being loaded.
//! cache.delete(&key).await?;
//!
//! assert!(lease.invalidations().hard > began);
//! let value = CacheValue::loaded(Known::Present(loaded), began);
//! let stored = cache.set_if(&key, value, Condition::Lease(lease)).await?;
//! assert_eq!(stored, Conditional::Refused);
//! assert!(cache.get::<String>(&key).await?.is_none());
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```

mod condition;
mod fencing;
mod invalidations;
mod lease;

pub use condition::{Condition, Conditional};
pub use fencing::Fencing;
pub use invalidations::Invalidations;
pub use lease::{Begun, Held, Lease};
