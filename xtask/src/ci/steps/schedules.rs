use xtask::Failure;

use super::{Report, Session};
use crate::{
    ci::libtest::Totals,
    schedules::{self, Options},
};

/// Most mistakes show with as many interruptions of threads, and all of them take a minute.
const INTERRUPTIONS: u32 = 3;

/// Explores every scenario up to this bound; they count as tests.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let options = Options {
        interruptions: Some(INTERRUPTIONS),
        ..Options::default()
    };
    let explored = schedules::explore(&session.workspace, &options)?;
    let report = match explored.broken {
        0 => Report::passed().with_note(format!("{} schedules", explored.schedules)),
        broken => Report::failed(format!("{broken} scenarios broken")),
    };
    Ok(report.with_tests(Totals {
        passed: explored.scenarios,
        failed: explored.broken,
        ignored: 0,
    }))
}
