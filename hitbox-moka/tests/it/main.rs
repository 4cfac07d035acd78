//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use hitbox_moka::{Moka as TestedStore, MokaBackend as Tested};

mod tiny_lfu;

// What backends in process have in common, on this one.
#[path = "../../../hitbox-backend/tests/in_process/builder.rs"]
mod builder;
#[path = "../../../hitbox-backend/tests/in_process/conformance.rs"]
mod conformance;
#[path = "../../../hitbox-backend/tests/in_process/contract.rs"]
mod contract;
#[path = "../../../hitbox-backend/tests/in_process/eviction.rs"]
mod eviction;
#[path = "../../../hitbox-backend/tests/in_process/expiry.rs"]
mod expiry;
#[path = "../../../hitbox-backend/tests/in_process/namespaces.rs"]
mod namespaces;
#[path = "../../../hitbox-backend/tests/in_process/sweep.rs"]
mod sweep;
