//! The fences, the record of pending repairs, the circuit breaker, the offload manager and coherent
//! copies under every
//! order in which threads can get to their locks and atomics.
//!
//! Run by `cargo xtask schedules`, which compiles the unit tests with loom's types in the place of
//! std's (`crate::sync`). Loom runs a scenario once for each order of what its threads do that can
//! make a difference, and lets every load see each value that the memory model allows.
//! `tests/it/composition/interleavings` explores what is above that: the order in which operations reach the layers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod background;
mod breaker;
mod cache;
mod coherence;
mod fences;
mod layer;
mod offload;
mod permits;
mod repairs;
