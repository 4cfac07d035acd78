use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use xtask::{
    Failure,
    program::{self, Program},
};

use super::{Report, Session, command};
use crate::{
    ci::{OnFailure, Outcome, Tools},
    handed_on::TEST_SERVERS,
};

/// Names the server program that tests run.
const PROGRAM_VARIABLE: &str = "TEST_REDIS_SERVER";

/// The package whose tests these are.
pub(super) const ADAPTER: &str = "hitbox-redis";

/// A server program that tests can be run on.
#[derive(Debug, PartialEq, Eq)]
struct ServerProgram {
    path: PathBuf,
    version: String,
}

/// Runs the adapter's tests on the oldest server that a package offers and on the newest.
///
/// The newest is fetched into the target directory, as for all tests. The oldest is a package of the
/// system: it is installed only where tools may be.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    // As the step `test` builds them, so that nothing is built anew for other features.
    let mut programs = program::with_tests(&session.workspace, &["--workspace", "--tests"])?;
    let finder = program::named(&programs, TEST_SERVERS.name())?;
    let servers = servers(finder, session.options.tools)?;
    programs.retain(|program| program.is_test && program.package == ADAPTER);

    let mut whole = Report::not_run("");
    if servers.iter().all(Result::is_err) {
        // The step `test` has left them to this one. They find a server in another way, or fail.
        let commands = programs.iter().map(|program| program.command(&[]));
        whole = command::run_all_tests(commands, OnFailure::KeepGoing)?;
    }
    for server in servers {
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

/// The servers that there are, the oldest first, and of each that there is not, why.
fn servers(finder: &Path, tools: Tools) -> Result<Vec<Result<ServerProgram, String>>, Failure> {
    let mut command = Command::new(finder);
    command.arg("redis-programs");
    if tools == Tools::Fetch {
        command.arg("--install");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the servers are not known: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(server)
        .collect())
}

/// A server program and its version, or why there is none.
fn server(line: &str) -> Result<ServerProgram, String> {
    match line.split_once('\t') {
        Some((path, version)) => Ok(ServerProgram {
            path: path.into(),
            version: version.to_owned(),
        }),
        None => Err(line.to_owned()),
    }
}

fn run_on(server: &ServerProgram, programs: &[Program]) -> Result<Report, Failure> {
    println!("\n{} ({})", server.version, server.path.display());
    let commands = programs.iter().map(|program| {
        let mut command = program.command(&[]);
        command.env(PROGRAM_VARIABLE, &server.path);
        command
    });
    command::run_all_tests(commands, OnFailure::KeepGoing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_from_the_reason_that_there_is_none() {
        let there = ServerProgram {
            path: "/usr/bin/redis-server".into(),
            version: "Redis 7.0.15".into(),
        };
        assert_eq!(server("/usr/bin/redis-server\tRedis 7.0.15"), Ok(there));
        let problem = "redis-server: not installed";
        assert_eq!(server(problem), Err(problem.to_owned()));
    }
}
