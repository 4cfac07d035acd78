//! How many instructions an operation takes, as callgrind counts them.

use std::{
    env,
    io::{self, Write},
    process::{Child, Command, Stdio},
};

use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;

use super::{BEFORE, in_parts};
use crate::{Case, Failure, Runner, Selection};

const TIMES: u64 = 10_000;

/// Which of the two sides of a case, as an argument.
const OURS: &str = "--ours";
const FLOOR: &str = "--floor";

/// Prints the instructions of the cases that the arguments select; nothing where there is no
/// valgrind. For each case the program runs itself twice, once for the operation and once for the floor.
///
/// # Errors
///
/// What the operations return, and whatever keeps valgrind from running them.
pub fn answer(cases: &[Case]) -> Result<(), Failure> {
    let mut arguments = Parser::from_env();
    if let Some(side) = side(&mut arguments)? {
        return carry_out(cases, &side);
    }
    let selection = Selection::parse(Parser::from_env())?;
    if selection.lists() {
        let mut output = io::stdout().lock();
        for case in super::counted(cases, &selection) {
            writeln!(output, "{}", case.name())?;
        }
        return Ok(());
    }
    if !is_there() {
        eprintln!("no valgrind: instructions are not counted");
        return Ok(());
    }
    let mut output = io::stdout().lock();
    for case in super::counted(cases, &selection) {
        // Both at once: what else the machine does changes nothing about the counts.
        let (ours, floor) = (start(OURS, case)?, start(FLOOR, case)?);
        let (ours, floor) = (collected(ours)?, collected(floor)?);
        let line = json!({ "case": case.name(), "instructions": ours, "floor": floor });
        writeln!(output, "{line}")?;
    }
    Ok(())
}

enum Side {
    Ours(String),
    Floor(String),
}

/// What this process is to carry out, if it is one of those that run under callgrind.
fn side(arguments: &mut Parser) -> Result<Option<Side>, Failure> {
    Ok(match arguments.next()? {
        Some(Arg::Long("ours")) => Some(Side::Ours(arguments.value()?.string()?)),
        Some(Arg::Long("floor")) => Some(Side::Floor(arguments.value()?.string()?)),
        Some(Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) | None => None,
    })
}

fn carry_out(cases: &[Case], side: &Side) -> Result<(), Failure> {
    let (Side::Ours(name) | Side::Floor(name)) = side;
    let case = cases.iter().find(|case| case.name() == name);
    let contest = case.ok_or("there is no such case")?.build()?;
    let contest = contest.ok_or("there is nothing to count")?;
    let mut runner = match side {
        Side::Ours(_) => contest.ours,
        Side::Floor(_) => match contest.floor {
            Some(floor) => floor,
            None => return Ok(()),
        },
    };
    in_parts(&mut runner, BEFORE, Runner::run)?;
    in_parts(&mut runner, TIMES, counted_operations)
}

/// The name that callgrind is told: it counts while this runs, and nothing else.
#[inline(never)]
fn counted_operations(runner: &mut Runner, times: u64) -> Result<(), Failure> {
    runner.run(times)
}

fn is_there() -> bool {
    let mut valgrind = Command::new("valgrind");
    let valgrind = valgrind.arg("--version").stdout(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

fn start(side: &str, case: &Case) -> Result<Child, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--toggle-collect=*counted_operations*",
    ]);
    valgrind.arg(env::current_exe()?).args([side, case.name()]);
    let valgrind = valgrind.stdin(Stdio::null()).stderr(Stdio::piped());
    Ok(valgrind.spawn()?)
}

/// What one operation took; `None` if there was nothing to carry out.
fn collected(valgrind: Child) -> Result<Option<f64>, Failure> {
    let output = valgrind.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(said.into());
    }
    let collected = instructions(&said).ok_or("valgrind does not say what it has counted")?;
    Ok((collected > 0).then_some(collected as f64 / TIMES as f64))
}

/// From `==123== Collected : 456`.
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_has_counted_is_in_one_of_its_lines() {
        let said = "==7== \n==7== Events    : Ir\n==7== Collected : 1234\n==7== \n";
        assert_eq!(instructions(said), Some(1_234));
        assert_eq!(instructions("==7== Events    : Ir"), None);
    }
}
