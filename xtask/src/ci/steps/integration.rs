use xtask::Failure;

use super::{
    Report, Session,
    handed_on::{number, run as run_program},
};
use crate::{ci::libtest::Totals, handed_on::SYSTEM_TESTS};

/// Runs all integration cases of one process; they count as tests. The adapters' own tests are left
/// to the step that runs tests.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let arguments = ["integration", "--without-adapter-tests"];
    let (report, told) = run_program(session, &SYSTEM_TESTS, &arguments)?;
    Ok(report.with_tests(Totals {
        passed: number(&told, "/totals/passed"),
        failed: number(&told, "/totals/failed"),
        ignored: 0,
    }))
}
