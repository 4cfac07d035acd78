//! How often operations allocate: a line of JSON for each case that the arguments select.

use std::{alloc::System, process::ExitCode};

use hitbox_benches::{counting::allocations, exit_code};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    exit_code(allocations::answer(&hitbox_peers::in_process(), ALLOCATOR))
}
