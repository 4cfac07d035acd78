use xtask::Failure;

use super::{
    Report, Session,
    handed_on::{number, run as run_program},
};
use crate::handed_on::SYSTEM_TESTS;

/// The same faults each time. What comes of them depends on the machine, too.
const SEED: &str = "20261130";

/// Lets processes, a server and faults go on for a minute.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let arguments = ["coherence", "--seed", SEED];
    let (report, told) = run_program(session, &SYSTEM_TESTS, &arguments)?;
    let (hits, violations) = (number(&told, "/hits"), number(&told, "/violations"));
    Ok(match violations {
        0 if hits == 0 => report,
        0 => report.with_note(format!("{hits} hits of L1")),
        violations => report.with_note(format!("{violations} violations in {hits} hits of L1")),
    })
}
