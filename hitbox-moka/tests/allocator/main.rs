//! What is asked of the allocator. A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "../../../hitbox-backend/tests/in_process/hits.rs"]
mod hits;
#[path = "../../../hitbox-backend/tests/in_process/memory.rs"]
mod memory;

use std::{
    alloc::System,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hitbox_moka::{Moka as TestedStore, MokaBackend as Tested};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// What is asked for an entry beside what its key and its value say they weigh, in bytes.
const OVERHEAD: RangeInclusive<usize> = 240..=340;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each test takes this first: what another one allocates would be counted too.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
