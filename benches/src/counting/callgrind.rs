//! Programs that run themselves under callgrind, once for each side of a case.

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::{Child, Command, Stdio},
};

use lexopt::{Arg, Parser, ValueExt};

use super::in_parts;
use crate::{Case, Failure, Runner};

/// How often an operation is carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Before it is counted.
    pub(super) before: u64,
    /// While it is.
    pub(super) counted: u64,
}

/// One side of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Floor,
}

impl Side {
    /// As an argument of the program.
    const fn argument(self) -> &'static str {
        match self {
            Self::Ours => "--ours",
            Self::Floor => "--floor",
        }
    }
}

/// What this process is to carry out, if it is one of those that run under callgrind: a side of the case
/// with this name.
pub(super) fn asked() -> Result<Option<(Side, String)>, Failure> {
    let mut arguments = Parser::from_env();
    let side = match arguments.next()? {
        Some(Arg::Long("ours")) => Side::Ours,
        Some(Arg::Long("floor")) => Side::Floor,
        Some(Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) | None => return Ok(None),
    };
    Ok(Some((side, arguments.value()?.string()?)))
}

/// Carries out one side of a case, or nothing if there is nothing to count.
pub(super) fn carry_out(
    cases: &[Case],
    (side, name): &(Side, String),
    times: Times,
) -> Result<(), Failure> {
    let case = cases.iter().find(|case| case.name() == name.as_str());
    let contest = case.ok_or("there is no such case")?.build()?;
    let contest = contest.ok_or("there is nothing to count")?;
    let runner = match side {
        Side::Ours => Some(contest.ours),
        Side::Floor => contest.floor,
    };
    let Some(mut runner) = runner else {
        return Ok(());
    };
    in_parts(&mut runner, times.before, Runner::run)?;
    in_parts(&mut runner, times.counted, counted_operations)
}

/// The name that callgrind is told: it counts while this runs, and nothing else.
#[inline(never)]
fn counted_operations(runner: &mut Runner, times: u64) -> Result<(), Failure> {
    runner.run(times)
}

/// Whether there is a valgrind.
pub(super) fn is_there() -> bool {
    let mut valgrind = Command::new("valgrind");
    let valgrind = valgrind.arg("--version").stdout(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Runs this program for one side of `case`, with further options of callgrind, which writes its counts to
/// `output`.
pub(super) fn start(
    side: Side,
    case: &Case,
    output: &Path,
    options: &[&str],
) -> Result<Child, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--toggle-collect=*counted_operations*"]);
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(output);
    valgrind.args(options).arg(file).arg(env::current_exe()?);
    valgrind.args([side.argument(), case.name()]);
    let valgrind = valgrind.stdin(Stdio::null()).stderr(Stdio::piped());
    Ok(valgrind.spawn()?)
}

/// What valgrind said, once it has ended.
pub(super) fn end(valgrind: Child) -> Result<String, Failure> {
    let output = valgrind.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(said.into_owned()),
        false => Err(said.into()),
    }
}
