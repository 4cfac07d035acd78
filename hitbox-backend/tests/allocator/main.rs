//! What is asked of the allocator. A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "../it/byte_store.rs"]
mod byte_store;
mod counted;
mod hostile_payloads;
mod record;
mod weights;
mod wrappers;

use counted::{ALLOCATOR, one_at_a_time};
