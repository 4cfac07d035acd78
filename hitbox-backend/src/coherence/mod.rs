//! Copies in process that are never staler than a bound, whatever other processes do to the store that all share.
//!
//! Processes over one store keep copies of what it holds. What one of them changes is *announced*, and the others *hear* of it:
//! each asks the [`Backplane`] every few milliseconds what has been announced since, and drops its copies of that. Whatever had
//! been acknowledged before a question is in its answer. So a complete answer vouches for all copies as of the moment when it
//! was asked, by the clock of this process alone. A copy that nothing has vouched for within the bound is not served: the store
//! is asked. While nothing is heard, a first layer is a cache whose values live for the bound, or as [`InSilence`] says.
//!
//! [`CompositionBackend::coherent`](crate::CompositionBackend::coherent) makes a composition so. Its second layer has to announce
//! what it changes. [`LocalBackplane`] is for compositions of one process, as in tests:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//!
//! # use hitbox_backend::conformance::MemoryBackend;
//! use hitbox_backend::{
//!     CacheBackend, CacheKey, CacheValue, Compose, DisabledOffload, Stamp,
//!     coherence::{Coherence, LocalBackplane},
//! };
//! # let shared = MemoryBackend::new();
//! # let in_process = || MemoryBackend::new();
//!
//! let plane = LocalBackplane::new();
//! let store = Arc::new(plane.announcing(shared));
//! let within = Coherence::within(Duration::from_millis(100));
//! let one = in_process().compose(store.clone(), DisabledOffload).coherent(plane.clone(), within)?;
//! let two = in_process().compose(store, DisabledOffload).coherent(plane, within)?;
//!
//! let key = CacheKey::from_pair("price", "42");
//! let price = |amount: u32| CacheValue::loaded(Arc::new(amount), Stamp::now());
//! one.set(&key, price(100)).await?;
//! assert_eq!(**two.get::<u32>(&key).await?.unwrap().data(), 100); // A copy of it is in `two` now.
//! one.set(&key, price(120)).await?;
//! tokio::time::sleep(Duration::from_millis(100)).await;
//! assert_eq!(**two.get::<u32>(&key).await?.unwrap().data(), 120);
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```

mod backplane;
mod hearing;
mod listening;
mod local;
pub mod news_form;
mod settings;
mod status;

pub use backplane::{Announces, Backplane, Heard, Mark, News, Origin, PlaneId};
pub use hearing::{Credit, Hearing, Slot};
pub(crate) use listening::{Ear, listen};
pub use local::{Announcing, LocalBackplane};
pub use settings::{Coherence, InSilence};
pub(crate) use status::Counts;
pub use status::HearingStatus;
