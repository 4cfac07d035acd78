use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{Case, Failure, Selection, selection::Request};

/// What every bench binary does: measures the cases that its arguments select, and prints a line of
/// JSON for each as soon as it is there.
#[must_use]
pub fn answer(cases: &[Case]) -> ExitCode {
    exit_code(measure(cases))
}

/// What a program ends with.
#[must_use]
pub fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cases: &[Case]) -> Result<(), Failure> {
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let mut output = io::stdout().lock();
    for case in cases.iter().filter(|case| selection.takes(case)) {
        match selection.request() {
            Request::List => writeln!(output, "{}", case.name())?,
            Request::Measure => {
                let row = case.measure(selection.extent());
                let row = row.map_err(|failure| format!("{}: {failure}", case.name()))?;
                writeln!(output, "{}", row.to_json())?;
            }
        }
    }
    Ok(())
}
