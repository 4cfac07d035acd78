//! Scenarios of composition: what two layers do as one, over any pair of backends.
//!
//! Where the [suite](hitbox_backend::conformance) checks one backend, these check what a composition
//! promises, under every read policy, every write policy, with layers known by their types and as
//! `dyn`. Each [`Scenario`] is a short story (a layer fails, hangs, answers late) that asserts for each
//! policy what that policy is documented to do.
//!
//! ```
//! use std::sync::Arc;
//! use hitbox_backend::conformance::MemoryBackend;
//! use hitbox_scenarios::{Arrangement, LayerPair, scenarios};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let layers = LayerPair::new(Arc::new(MemoryBackend::new()), Arc::new(MemoryBackend::new()));
//! for scenario in scenarios().filter(|one| one.name().starts_with("reads: a miss")) {
//!     for arrangement in Arrangement::all() {
//!         let outcome = scenario.run(&layers, arrangement).await;
//!         assert_eq!(outcome, Ok(()), "{arrangement}/{}", scenario.name());
//!     }
//! }
//! # });
//! ```

mod arrangement;
mod bulk;
mod cancellation;
mod chosen_policy;
mod expected;
mod expiry;
mod late;
mod layer;
mod nested;
mod pair;
mod pending_repairs;
mod reads;
mod refill;
mod removes;
mod repair;
mod scenario;
pub mod server_layer;
mod slow_reads;
mod stage;
mod started;
mod typed;
mod watched;
mod writes;

pub use arrangement::{Arrangement, Mode, ReadKind, WriteKind};
pub use pair::LayerPair;
pub use scenario::Scenario;

use scenario::{Outcome, ensure, scenarios};

const GROUPS: [&[Scenario]; 13] = [
    reads::SCENARIOS,
    slow_reads::SCENARIOS,
    expiry::SCENARIOS,
    refill::SCENARIOS,
    writes::SCENARIOS,
    removes::SCENARIOS,
    pending_repairs::SCENARIOS,
    repair::SCENARIOS,
    late::SCENARIOS,
    cancellation::SCENARIOS,
    bulk::SCENARIOS,
    typed::SCENARIOS,
    nested::SCENARIOS,
];

/// Every scenario.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    GROUPS.into_iter().flatten()
}
