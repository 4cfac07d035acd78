//! Weighs the entries of the caches that the arguments select, and prints a table.

use std::{alloc::System, process::ExitCode};

use hitbox_benches::{Failure, Selection, exit_code};
use hitbox_peers::table::{Counted, HEAD, Table};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    exit_code(weigh())
}

fn weigh() -> Result<(), Failure> {
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let mut table = Table::new(Counted::default());
    println!("{HEAD}");
    for case in hitbox_peers::memory(ALLOCATOR) {
        if selection.takes(&case) {
            println!("{}", table.lines(&case.measure(selection.extent())?)?);
        }
    }
    Ok(())
}
