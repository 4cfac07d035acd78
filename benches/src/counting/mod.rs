//! What is the same each time: how often an operation allocates, and how many instructions it takes.
//!
//! Counting costs time, so programs of their own do it: `allocations`, whose allocator counts, and
//! `instructions`, which runs itself under callgrind. Each prints a line of JSON for each case. `profile`
//! prints where the instructions go.

pub mod allocations;
mod callgrind;
pub mod guard;
pub mod instructions;
pub mod profile;

use crate::{Case, Counts, Failure, Runner, Selection};

/// How often an operation is carried out before it is counted: whatever is made once, is made.
const BEFORE: u64 = 2_000;

/// The cases that the arguments select, but for those of which nothing is counted.
fn counted<'c>(cases: &'c [Case], selection: &Selection) -> impl Iterator<Item = &'c Case> {
    let counted = |case: &&Case| case.counted() != Counts::Nothing;
    let taken = cases.iter().filter(|case| selection.takes(case));
    taken.filter(counted)
}

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
