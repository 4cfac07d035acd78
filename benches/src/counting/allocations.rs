//! How often an operation asks the allocator for memory.

use std::{
    alloc::System,
    io::{self, Write},
};

use serde_json::json;
use stats_alloc::{Region, StatsAlloc};

use super::{BEFORE, in_parts};
use crate::{Case, Failure, Runner, Selection};

/// Enough that what moka does only now and then shows as what it is: next to nothing.
const TIMES: u64 = 10_000;

/// Prints the allocations of the cases that the arguments select. `allocator` is the one that the
/// program runs with.
///
/// # Errors
///
/// What the operations return.
pub fn answer(cases: &[Case], allocator: &'static StatsAlloc<System>) -> Result<(), Failure> {
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let mut output = io::stdout().lock();
    for case in super::counted(cases, &selection) {
        if selection.lists() {
            writeln!(output, "{}", case.name())?;
            continue;
        }
        let Some(mut contest) = case.build()? else {
            continue;
        };
        let ours = per_operation(&mut contest.ours, allocator)?;
        let floor = match &mut contest.floor {
            Some(floor) => Some(per_operation(floor, allocator)?),
            None => None,
        };
        let line = json!({ "case": case.name(), "allocations": ours, "floor": floor });
        writeln!(output, "{line}")?;
    }
    Ok(())
}

/// Growing an allocation counts as one: it is as much work.
fn per_operation(
    runner: &mut Runner,
    allocator: &'static StatsAlloc<System>,
) -> Result<f64, Failure> {
    in_parts(runner, BEFORE, Runner::run)?;
    let mut counted = 0;
    in_parts(runner, TIMES, |runner, times| {
        let region = Region::new(allocator);
        runner.run(times)?;
        let change = region.change();
        counted += change.allocations + change.reallocations;
        Ok(())
    })?;
    Ok(counted as f64 / TIMES as f64)
}
