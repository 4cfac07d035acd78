use std::{
    env::consts::EXE_SUFFIX,
    ffi::OsString,
    process::{Command, Stdio},
};

use xtask::Failure;

use super::{Report, Session, command};
use crate::ci::{Outcome, Tools};

/// The version whose configuration `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Checks the dependencies with cargo-deny, as far as this machine can.
///
/// The advisories come from a database on another site than the registry. Where that one cannot be
/// reached, the other checks still count, and the report says what was left out.
pub(super) fn run(session: &Session) -> Result<Report, Failure> {
    let program = match find(session) {
        Some(program) => program,
        None if session.options.tools == Tools::Fetch => match install(session)? {
            Ok(program) => program,
            Err(report) => return Ok(report),
        },
        None => {
            return Ok(Report::not_run(
                "cargo-deny is not installed; `cargo install cargo-deny --locked`, or --fetch-tools",
            ));
        }
    };
    let deny = |arguments: &[&str]| {
        let mut command = session.workspace.program(&program, &["--all-features"]);
        command.args(arguments);
        command
    };
    let local = command::run(&mut deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    if local.outcome != Outcome::Passed {
        return Ok(local);
    }
    if command::run(&mut deny(&["fetch", "db"]))?.outcome != Outcome::Passed {
        return Ok(local.with_note("without advisories: their database could not be fetched"));
    }
    command::run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}

/// The cargo-deny of the target directory, or the one on the path.
fn find(session: &Session) -> Option<OsString> {
    let candidates = [installed(session), "cargo-deny".into()];
    candidates.into_iter().find(|program| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

fn installed(session: &Session) -> OsString {
    let tools = session.workspace.target_directory().join("tools");
    let program = tools.join("bin").join(format!("cargo-deny{EXE_SUFFIX}"));
    program.into_os_string()
}

/// Installs cargo-deny into the target directory: the program, or the report of the failure.
fn install(session: &Session) -> Result<Result<OsString, Report>, Failure> {
    let tools = session.workspace.target_directory().join("tools");
    // Unoptimised: it runs for seconds and would compile for minutes.
    let arguments = ["install", "cargo-deny", "--locked", "--debug"];
    let mut command = session.workspace.cargo(&arguments);
    command.args(["--version", VERSION, "--root"]).arg(tools);
    let report = command::run(&mut command)?;
    Ok(match report.outcome {
        Outcome::Passed => Ok(installed(session)),
        Outcome::Failed | Outcome::NotRun => Err(report),
    })
}
