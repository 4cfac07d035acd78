//! What tags cost: hits, memory, and questions to a store. The times are of a release build.

use std::{alloc::System, process::ExitCode};

use hitbox_benches::{exit_code, tags};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    exit_code(tags::answer(ALLOCATOR))
}
