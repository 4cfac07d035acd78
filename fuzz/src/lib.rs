//! Hostile bytes for everything in hitbox that reads stored bytes (guarantee G6).
//!
//! A [`Target`] is a function over bytes that panics when a guarantee does not hold: it knows what
//! is due for them, a value or a miss, and how much may be allocated on the way. [`TARGETS`] lists
//! them. `cargo xtask fuzz` runs them on the stable toolchain, with the mutations of [`engine`].
//!
//! There is no feedback from coverage in that: chance alone does not get past a checksum or into a
//! nested value. So each target starts from a corpus, and brings a step of its own that turns a
//! mutated input back into one that gets far: it computes checksums anew, or makes the input the
//! content of a valid frame.
//!
//! # Other fuzzers
//!
//! The targets have no part in how their inputs are made. For one under libFuzzer, which follows
//! coverage, `cargo fuzz init` a crate outside of this workspace that depends on this one, with the
//! target
//!
//! ```text
//! libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { hitbox_fuzz::targets::bincode::run(bytes); });
//! ```
//!
//! and run it with `cargo fuzz run --sanitizer none TARGET fuzz/corpus/TARGET`, which works without
//! nightly; the sanitizers need it. For AFL the same call goes into `afl::fuzz!`. Allocations are
//! counted only if the program installs `stats_alloc::INSTRUMENTED_SYSTEM` as its global allocator.

pub mod corpus;
pub mod engine;
mod mutation;
mod observed;
mod shelf;
mod target;
pub mod targets;
mod values;

pub use observed::{Observed, counts_allocations};
pub use target::{Seed, TARGETS, Target};
