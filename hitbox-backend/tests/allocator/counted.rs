//! The allocator of a program whose tests ask what was allocated. It counts for the whole process.

use std::{
    alloc::System,
    sync::{Mutex, MutexGuard, PoisonError},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
pub(crate) static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each test takes this first: what another one allocates would be counted too.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
