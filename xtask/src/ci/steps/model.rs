use xtask::Failure;

use super::{
    Report, Session,
    handed_on::{number, run as run_program},
};
use crate::handed_on::SIMULATION;

/// What fails a change is to be that change, not a history that no one has met before: those are for
/// `cargo xtask model --minutes N`.
const SEED: &str = "20261127";

/// Runs the model with its defaults: as many operations for each pair of policies as a change must
/// survive.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let (report, told) = run_program(session, &SIMULATION, &["--seed", SEED])?;
    let of_all =
        |counts: [&str; 3]| -> u64 { counts.into_iter().map(|count| number(&told, count)).sum() };
    let operations = of_all([
        "/total/operations",
        "/of_cache/operations",
        "/of_fleet/reads",
    ]);
    let violations = [
        "/total/violations",
        "/of_cache/violations",
        "/of_fleet/violations",
    ];
    Ok(match of_all(violations) {
        0 if operations == 0 => report,
        0 => report.with_note(format!("{operations} operations")),
        violations => report.with_note(format!(
            "{violations} violations in {operations} operations"
        )),
    })
}
