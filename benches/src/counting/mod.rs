//! What is the same each time: how often an operation allocates, and how many instructions it takes.
//!
//! Counting costs time, so two programs of their own do it: `allocations`, whose allocator counts, and
//! `instructions`, which runs itself under callgrind. Each prints a line of JSON for each case.

pub mod allocations;
pub mod guard;
pub mod instructions;

use crate::{Failure, Runner};

/// How often an operation is carried out before it is counted: whatever is made once, is made.
const BEFORE: u64 = 2_000;

/// Carries out the operation `times` times, in parts as long as a preparation lasts.
fn in_parts(
    runner: &mut Runner,
    times: u64,
    mut run: impl FnMut(&mut Runner, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut left = times;
    while left > 0 {
        let part = left.min(runner.most());
        runner.prepare()?;
        run(runner, part)?;
        left -= part;
    }
    Ok(())
}
