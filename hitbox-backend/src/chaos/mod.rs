//! A backend that goes wrong, to test what uses a cache.
//!
//! [`ChaosBackend`] wraps any [`Backend`](crate::Backend) and makes its calls slow, fail, hang, lose
//! their answers, come late, or find damaged bytes: by probability ([`Chaos`]) or by script
//! ([`Script`]). A [`ChaosHandle`] calms it down, takes the whole backend away, lets go what hangs,
//! and tells what has happened. Put it where the real backend stands, alone or as a layer of a
//! composition, and see whether your service still answers.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! use hitbox_backend::{
//!     CacheBackend,
//!     chaos::{Chaos, ChaosBackend, FaultKind},
//! };
//! # use hitbox_backend::conformance::MemoryBackend;
//! use hitbox_core::{CacheKey, CacheValue, Stamp};
//!
//! /// The service under test: it must answer whatever its cache does.
//! async fn name_of(user: u32, cache: &impl CacheBackend) -> String {
//!     let key = CacheKey::from_pair("user", user.to_string());
//!     let began = Stamp::now();
//!     let read = cache.get::<String>(&key);
//!     // Without this limit, a read that hangs would hang the service.
//!     let read = tokio::time::timeout(Duration::from_millis(10), read).await;
//!     if let Ok(Ok(Some(cached))) = read {
//!         return cached.into_inner().to_string();
//!     }
//!     let name = format!("user {user}");
//!     // A cache that cannot be written to is no reason not to answer.
//!     let _not_cached = cache.set(&key, CacheValue::loaded(Arc::new(name.clone()), began)).await;
//!     name
//! }
//!
//! let cache = ChaosBackend::builder(MemoryBackend::new())
//!     .seed(7)
//!     .reads(
//!         Chaos::new()
//!             .fail(0.2)
//!             .delay(0.2, Duration::from_millis(1)..=Duration::from_millis(3))
//!             .hang(0.05)
//!             .corrupt(0.1),
//!     )
//!     .writes(Chaos::new().lose_answer(0.2))
//!     .build()?;
//! let handle = cache.handle();
//!
//! for user in (0..20).cycle().take(100) {
//!     assert_eq!(name_of(user, &cache).await, format!("user {user}"));
//! }
//! assert!(handle.injected(FaultKind::Fail) > 0);
//!
//! // The whole backend is down.
//! handle.fail_everything();
//! assert_eq!(name_of(1, &cache).await, "user 1");
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # What a fault is
//!
//! [`Fault`] says it for each. A call meets one fault or none. What it may be follows the contract
//! of [`Backend`](crate::Backend): an error that promises that nothing happened
//! ([`is_definite`](crate::BackendError::is_definite)) comes only where nothing happened, and
//! whatever a conforming backend may do under such a fault, a service must bear. Damaged bytes
//! ([`Fault::Tear`], [`Fault::Corrupt`]) stand for a disk, a server or a wire that changed what an
//! adapter had stored: they go through the real [stored form](crate::stored_form), whose checksum
//! finds them, and are a miss that is [reported](crate::Backend::reject) to the backend within.
//! Only [`Fault::Distort`] goes beyond the contract: it stands for bad memory, or for a backend
//! without a checksum.
//!
//! # The same faults again
//!
//! What a call meets by probability depends on the seed, the operation, the key, and on which call
//! of this operation on this key it is: the first, the second, and so on. It does not depend on
//! when the call comes or what other keys are asked for meanwhile, nor on the process. So a run
//! with several tasks meets the same faults again, as long as it makes the same calls: of two
//! concurrent calls on *one* key, whichever arrives first is the first. A script for a key goes by
//! the calls on that key in the same way; a script for an operation goes by the order in which all
//! its calls arrive, which is the same again only with one task.
//!
//! Every fault is traced at DEBUG, with the key, the call's number and the fault.
//!
//! # Bulk calls
//!
//! Each key of a bulk call counts as a call of its own. If none meets a fault, the backend within
//! gets the bulk call as it is. Otherwise the keys are dealt with one after the other, so their
//! delays add up, and one that hangs holds up the rest. [`Fault::BreakOff`] ends the whole call.
//!
//! # What it needs and costs
//!
//! Delays need a tokio runtime with time enabled; a paused clock works. Nothing is spawned: what
//! is late is carried out by later calls, see [`Late`]. A dropped call leaves no trace, except for
//! an effect that it has had or that is late. For each operation and key a number is kept, for
//! each key with damaged bytes the damage, and what is late is kept until it comes: it is made for
//! tests, not for production.

mod backend;
mod builder;
mod bulk;
mod calls;
mod course;
mod damage;
mod dice;
mod entries;
mod fault;
mod gate;
mod handle;
mod injection;
mod late;
mod script;
mod settings;
mod state;
mod target;

pub use backend::ChaosBackend;
pub use builder::ChaosBuilder;
pub use fault::{Failure, Fault, FaultKind, Late};
pub use handle::ChaosHandle;
pub use injection::Injection;
pub use script::Script;
pub use settings::Chaos;

#[cfg(feature = "conformance")]
pub(crate) use {course::Course, gate::Gate};
