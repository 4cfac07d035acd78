//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use hitbox_moka::{Moka as TestedStore, MokaBackend as Tested};

#[path = "../../../hitbox-backend/tests/in_process/mod.rs"]
mod in_process;
mod tiny_lfu;
