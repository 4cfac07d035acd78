//! What is asked of the allocator. A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "../it/byte_store.rs"]
mod byte_store;
mod hostile_payloads;
mod record;
mod weights;
mod wrappers;

use std::{
    alloc::System,
    sync::{Mutex, MutexGuard, PoisonError},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each test takes this first: what another one allocates would be counted too.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
