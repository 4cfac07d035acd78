//! The table of flights under every order in which threads can get to its locks, atomics and signals.
//!
//! Run by `cargo xtask schedules`, which compiles the unit tests with loom's types in the place of
//! std's (`crate::sync`). Callers are threads, and so is each load. The backend is not explored: its operations are
//! single steps here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flights;
mod scene;
