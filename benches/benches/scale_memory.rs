//! How much memory does an entry take?

use std::{alloc::System, process::ExitCode};

use hitbox_benches::{answer, questions};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    answer(&questions::scale::memory::cases(ALLOCATOR))
}
