//! What the tasks of the workspace share: those in the program of this crate, and those that are
//! programs of their own.

pub mod program;
pub mod table;
pub mod workspace;

use std::{error::Error, io, process::ExitCode};

/// Why a task could not be carried out.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a task that was carried out found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing wrong.
    Passed,
    /// What it looks for.
    Failed,
}

/// How the process ends after this, which it explains where that is called for.
#[must_use]
pub fn end(outcome: Result<Verdict, Failure>) -> ExitCode {
    match outcome {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(failure) => explain(&failure),
    }
}

fn explain(failure: &Failure) -> ExitCode {
    let written = failure.downcast_ref::<io::Error>();
    if written.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // Whoever reads the output has seen enough: `cargo xtask integration --list | head`.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {failure}");
    if failure.is::<lexopt::Error>() {
        eprintln!(
            "`cargo xtask --help` lists the tasks and `cargo xtask <TASK> --help` their options."
        );
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}
