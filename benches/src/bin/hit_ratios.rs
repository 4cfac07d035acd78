//! How many reads hit caches in process that take the same memory: a table in Markdown.

use std::{alloc::System, process::ExitCode};

use hitbox_benches::{exit_code, hit_ratios};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    exit_code(hit_ratios::answer(ALLOCATOR))
}
