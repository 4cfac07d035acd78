use xtask::Failure;

use super::{
    Report, Session,
    handed_on::{number, run as run_program},
};
use crate::{ci::libtest::Totals, handed_on::SYSTEM_TESTS};

/// Carries out the short form of the fault scenarios; they count as tests, and those that this
/// machine cannot carry out as ignored ones.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let (report, told) = run_program(session, &SYSTEM_TESTS, &["faults"])?;
    Ok(report.with_tests(Totals {
        passed: number(&told, "/totals/held"),
        failed: number(&told, "/totals/broken"),
        ignored: number(&told, "/totals/not_run"),
    }))
}
