use std::process::Command;

use test_servers::redis::{Missing, PROGRAM_VARIABLE, ServerProgram, oldest_and_newest};

use super::{Report, Session, command};
use crate::{
    Failure,
    ci::{Outcome, Tools},
    test_program::{self, TestProgram},
};

/// Runs the adapter's tests on the oldest server that a package offers and on the newest.
///
/// The newest is fetched into the target directory, as for all tests. The oldest is a package of the
/// system: it is installed only where tools may be.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let missing = match session.options.tools {
        Tools::Fetch => Missing::Install,
        Tools::AsInstalled => Missing::LeaveOut,
    };
    // As the step `test` builds them, so that nothing is built anew for other features.
    let mut programs = test_program::build(&session.workspace, &["--workspace", "--tests"])?;
    programs.retain(|program| program.package == "hitbox-redis");

    let mut whole = Report::not_run("");
    for server in oldest_and_newest(missing) {
        let (note, report) = match server {
            Ok(server) => (server.version.clone(), Some(run_on(&server, &programs)?)),
            Err(problem) => (problem, None),
        };
        whole.note = [whole.note, note]
            .join("; ")
            .trim_start_matches("; ")
            .to_owned();
        if let Some(report) = report {
            whole.tests += report.tests;
            whole.outcome = match (&whole.outcome, report.outcome) {
                (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
                (Outcome::Passed | Outcome::NotRun, outcome) => outcome,
            };
        }
    }
    Ok(whole)
}

fn run_on(server: &ServerProgram, programs: &[TestProgram]) -> Result<Report, Failure> {
    println!("\n{} ({})", server.version, server.path.display());
    let mut whole = Report::passed();
    for program in programs {
        let mut command: Command = program.command(&[]);
        command.env(PROGRAM_VARIABLE, &server.path);
        let report = command::run_tests(&mut command)?;
        whole.tests += report.tests;
        if report.outcome != Outcome::Passed {
            whole.outcome = report.outcome;
        }
    }
    Ok(whole)
}
