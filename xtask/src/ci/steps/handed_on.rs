//! Steps that are programs of their own.

use std::fs;

use serde_json::Value;
use xtask::Failure;

use super::{Report, Session, command};
use crate::{ci::Outcome, handed_on::HandedOn};

/// Runs the program with these arguments. The answer is how that ended, and what it has written to the file
/// that its `--json` names: nothing if it has failed before.
pub(super) fn run(
    session: &Session,
    program: &HandedOn,
    arguments: &[&str],
) -> Result<(Report, Value), Failure> {
    let directory = session.workspace.target_directory().join("ci");
    fs::create_dir_all(&directory)?;
    let file = directory.join(program.name()).with_extension("json");
    // What an earlier run has left must not be taken for what this one says.
    fs::write(&file, "")?;
    let mut command = program.build(&session.workspace)?;
    let report = command::run(command.args(arguments).arg("--json").arg(&file))?;
    match (serde_json::from_slice(&fs::read(&file)?), &report.outcome) {
        (Ok(told), _) => Ok((report, told)),
        (Err(_), Outcome::Failed) => Ok((report, Value::Null)),
        (Err(error), _) => Err(format!("{}: {error}", file.display()).into()),
    }
}

/// The number at this place in what a program has told. Zero if it has told nothing.
pub(super) fn number(told: &Value, place: &str) -> u64 {
    told.pointer(place).and_then(Value::as_u64).unwrap_or(0)
}
