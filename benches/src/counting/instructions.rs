//! How many instructions an operation takes, as callgrind counts them.

use std::{
    io::{self, Write},
    path::Path,
    process::Child,
};

use serde_json::json;

use super::{
    BEFORE,
    callgrind::{self, Side, Times},
};
use crate::{Case, Failure, Selection};

const TIMES: Times = Times {
    before: BEFORE,
    counted: 10_000,
};

/// Prints the instructions of the cases that the arguments select; nothing where there is no
/// valgrind. For each case the program runs itself twice, once for the operation and once for the floor.
///
/// # Errors
///
/// What the operations return, and whatever keeps valgrind from running them.
pub fn answer(cases: &[Case]) -> Result<(), Failure> {
    if let Some(asked) = callgrind::asked()? {
        return callgrind::carry_out(cases, &asked, TIMES);
    }
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let mut output = io::stdout().lock();
    if selection.lists() {
        for case in super::counted(cases, &selection) {
            writeln!(output, "{}", case.name())?;
        }
        return Ok(());
    }
    if !callgrind::is_there() {
        eprintln!("no valgrind: instructions are not counted");
        return Ok(());
    }
    for case in super::counted(cases, &selection) {
        // Both at once: what else the machine does changes nothing about the counts.
        let nowhere = Path::new("/dev/null");
        let ours = callgrind::start(Side::Ours, case, nowhere, &[])?;
        let floor = callgrind::start(Side::Floor, case, nowhere, &[])?;
        let (ours, floor) = (collected(ours)?, collected(floor)?);
        let line = json!({ "case": case.name(), "instructions": ours, "floor": floor });
        writeln!(output, "{line}")?;
    }
    Ok(())
}

/// What one operation took; `None` if there was nothing to carry out.
fn collected(valgrind: Child) -> Result<Option<f64>, Failure> {
    let said = callgrind::end(valgrind)?;
    let collected = instructions(&said).ok_or("valgrind does not say what it has counted")?;
    Ok((collected > 0).then_some(collected as f64 / TIMES.counted as f64))
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
