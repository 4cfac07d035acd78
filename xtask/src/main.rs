//! Tasks of the workspace, run with `cargo xtask`. `cargo xtask --help` lists them.

mod bench;
mod ci;
mod copy;
mod drop_in;
mod example;
mod faults;
mod fuzz;
mod integration;
mod model;
mod mutants;
mod repeat;
mod schedules;
mod table;
mod test_program;
mod workspace;

use std::{error::Error, io, process::ExitCode};

use lexopt::Arg;

const HELP: &str = "\
Tasks of the hitbox workspace.

Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  bench        Measure what operations cost beside what they are made of
  ci           Check everything that must hold before a change is merged
  drop-in      Put policies written elsewhere in the place of the built-in ones
  example      Run an example together with the server that it needs
  faults       Put real faults to servers, disks, clocks and runtimes
  fuzz         Feed hostile bytes to whatever reads stored bytes
  integration  Run every composition of two backends through the scenarios
  model        Check a composition of faulty layers against a reference model
  mutants      Break what upholds each guarantee, and see that a check fails
  repeat       Run the test programs many times, with the machine idle or busy
  schedules    Explore the orders in which threads get to locks and atomics

`cargo xtask <TASK> --help` tells more about a task.
";

/// Why a task could not be carried out.
type Failure = Box<dyn Error + Send + Sync>;

/// What a task that was carried out found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
}

fn main() -> ExitCode {
    match dispatch(lexopt::Parser::from_env()) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(failure) => explain(&failure),
    }
}

fn dispatch(mut arguments: lexopt::Parser) -> Result<Verdict, Failure> {
    let Some(argument) = arguments.next()? else {
        return Err(lexopt::Error::from("a task is missing").into());
    };
    match argument {
        Arg::Short('h') | Arg::Long("help") => {
            print!("{HELP}");
            Ok(Verdict::Passed)
        }
        Arg::Value(task) => match task.to_str() {
            Some("bench") => bench::run(arguments),
            Some("ci") => ci::run(arguments),
            Some("drop-in") => drop_in::run(arguments),
            Some("example") => example::run(arguments),
            Some("faults") => faults::run(arguments),
            Some("fuzz") => fuzz::run(arguments),
            Some("integration") => integration::run(arguments),
            Some("model") => model::run(arguments),
            Some("mutants") => mutants::run(arguments),
            Some("repeat") => repeat::run(arguments),
            Some("schedules") => schedules::run(arguments),
            Some(_) | None => {
                let unknown = format!("there is no task {}", task.display());
                Err(lexopt::Error::from(unknown).into())
            }
        },
        Arg::Short(_) | Arg::Long(_) => Err(argument.unexpected().into()),
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
