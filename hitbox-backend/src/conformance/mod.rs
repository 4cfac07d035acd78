//! The suite that every adapter and every wrapper must pass.
//!
//! It checks the contract of [`Backend`](crate::Backend) from the outside: through the trait, on
//! whatever you hand it. The groups of checks are: round trip, keys, expiry, removal, bulk, limits,
//! context, writes at once, concurrency, cancellation, corruption, persistence, typed access, objects
//! and what is absent. [`checks`] lists them all.
//!
//! # Running it on an adapter of your own
//!
//! Turn the feature on for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! hitbox-backend = { version = "0.3", features = ["conformance"] }
//! tokio = { version = "1", features = ["macros", "rt", "time"] }
//! ```
//!
//! and write `tests/conformance.rs`. This is all of it for a backend that keeps values in process:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hitbox_backend::conformance::{MemoryBackend, Subject};
//!
//! # let _test = || {
//! #[tokio::test]
//! async fn conforms() {
//!     Subject::new(Arc::new(MemoryBackend::new())).assert_conforms().await;
//! }
//! # };
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! #     Subject::new(Arc::new(MemoryBackend::new())).assert_conforms().await;
//! # });
//! ```
//!
//! A backend that stores bytes hands the suite a way to put bytes of its choice where a stored
//! value would be, and one that survives a restart a way to open it again:
//!
//! ```
//! use std::{collections::HashMap, sync::{Arc, Mutex}};
//!
//! use async_trait::async_trait;
//! use bytes::Bytes;
//! use hitbox_backend::{
//!     Backend, BackendResult, Capabilities, DeleteStatus, ReadOutcome, StoreSettings,
//!     byte_store::{Codec, Prepared}, conformance::Subject,
//! };
//! use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
//!
//! /// Stands for the server or the file that holds the bytes.
//! type Store = Arc<Mutex<HashMap<String, Bytes>>>;
//!
//! struct StoreBackend(Store, Codec);
//!
//! impl StoreBackend {
//!     fn new(store: Store) -> Self {
//!         let mut capabilities = Capabilities::default();
//!         capabilities.persistent = true;
//!         Self(store, Codec::new(StoreSettings::new(), "store", capabilities).unwrap())
//!     }
//! }
//!
//! #[async_trait]
//! impl Backend for StoreBackend {
//!     async fn read(&self, key: &CacheKey) -> ReadOutcome {
//!         let stored = self.0.lock().unwrap().get(key.as_text()).cloned();
//!         Ok(stored.and_then(|stored| self.1.accept(key, stored)))
//!     }
//!
//!     async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
//!         match self.1.prepare(&value) {
//!             Prepared::Put { stored, .. } => {
//!                 self.0.lock().unwrap().insert(key.as_text().to_owned(), stored);
//!                 Ok(())
//!             }
//!             Prepared::Clear { outcome } => self.remove(key).await.and(outcome),
//!         }
//!     }
//!
//!     async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
//!         Ok(DeleteStatus::from(&self.0.lock().unwrap().remove(key.as_text())))
//!     }
//!
//!     fn label(&self) -> BackendLabel { self.1.label().clone() }
//!     fn capabilities(&self) -> Capabilities { self.1.capabilities().clone() }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let store = Store::default();
//! let injected = Arc::clone(&store);
//! let reopened = Store::default();
//! Subject::new(Arc::new(StoreBackend::new(store)))
//!     .corrupt_with(move |key, bytes| {
//!         injected.lock().unwrap().insert(key.as_text().to_owned(), bytes.into());
//!         async {}
//!     })
//!     .reopen_with(move || {
//!         let backend = StoreBackend::new(Arc::clone(&reopened));
//!         async { Arc::new(backend) as Arc<dyn Backend> }
//!     })
//!     .assert_conforms()
//!     .await;
//! # });
//! ```
//!
//! # What the subject needs
//!
//! - *Room*: for 2,000 entries and 32 MiB, and for four values of its
//!   [`largest_value`](crate::Capabilities::largest_value). The suite takes a missing value for a
//!   lost one, so nothing may be evicted while it runs.
//! - *Real time*: expiry is waited for on the real clock, since many backends keep a clock of their
//!   own. The suite does not run under a `VirtualTime`. A backend on another machine needs its
//!   clock in step with this one's.
//! - *A tokio runtime* of any flavour, with time enabled.
//!
//! The store need not be empty: every run uses keys of its own and removes them in the end, so
//! several runs may share a store.
//!
//! What backends do *together* is the composition's affair, not theirs: the crate `hitbox-scenarios` of the
//! repository checks it.
//!
//! # What it cannot see
//!
//! The suite sees what the trait shows. That values are on disk when the power fails, that rejected
//! bytes are counted, that no credentials end up in an error: such things want tests of the
//! adapter's own.

mod absent;
mod at_once;
mod backplane;
mod bulk;
mod cancellation;
mod check;
mod concurrency;
mod context;
mod corruption;
mod expiry;
mod faulty;
mod history;
mod keys;
mod limits;
mod memory;
mod objects;
mod persistence;
mod removal;
mod report;
mod round_trip;
pub mod sample;
mod subject;
mod trial;
mod typed;
mod verdict;

pub use backplane::BackplaneSubject;
pub use faulty::{Fault, Faults, FaultyBackend, Switch};
pub use history::{Event, History};
pub use memory::MemoryBackend;
pub use report::{CheckOutcome, Report};
pub use subject::Subject;

use check::Check;

const GROUPS: [&[Check]; 15] = [
    round_trip::CHECKS,
    keys::CHECKS,
    expiry::CHECKS,
    removal::CHECKS,
    bulk::CHECKS,
    limits::CHECKS,
    context::CHECKS,
    at_once::CHECKS,
    concurrency::CHECKS,
    cancellation::CHECKS,
    corruption::CHECKS,
    persistence::CHECKS,
    typed::CHECKS,
    objects::CHECKS,
    absent::CHECKS,
];

fn all_checks() -> impl Iterator<Item = &'static Check> {
    GROUPS.into_iter().flatten()
}

/// The names of all checks, as `group::check`.
pub fn checks() -> impl Iterator<Item = &'static str> {
    all_checks().map(|check| check.name)
}

/// Runs the checks on `subject`, all at once, and tells how each came out.
///
/// Does not stop at the first violation. A check that panics or does not end within two minutes
/// counts as violated.
pub async fn run(subject: &Subject) -> Report {
    let run = fastrand::u64(..);
    let wanted = all_checks().filter(|check| subject.wants(check.name));
    let outcomes = wanted.map(|check| async move {
        let outcome = check.run_on(subject, run).await;
        (check.name, outcome)
    });
    let outcomes = futures::future::join_all(outcomes).await;
    Report::new(subject.backend().label(), outcomes)
}

impl Subject {
    /// Runs the suite; the same as [`run`].
    pub async fn run(&self) -> Report {
        run(self).await
    }

    /// Runs the suite and prints the report.
    ///
    /// # Panics
    ///
    /// If a check fails, with the report: every failed check and what it saw. Also if
    /// [`only`](Self::only) left no check that looked at anything.
    pub async fn assert_conforms(&self) {
        let report = run(self).await;
        assert!(report.conforms(), "{report}");
        println!("{report}");
    }
}
