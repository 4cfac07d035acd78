//! Tasks of the workspace, run with `cargo xtask`. `cargo xtask --help` lists them.

mod bench;
mod cache_lines;
mod ci;
mod circles;
mod copy;
mod drop_in;
mod example;
mod fuzz;
mod handed_on;
mod mutants;
mod repeat;
mod schedules;
mod tokens;

use std::process::ExitCode;

use lexopt::Arg;
use xtask::{Failure, Verdict};

const HELP: &str = "\
Tasks of the hitbox workspace.

Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  bench        Measure what operations cost beside what they are made of
  cache-lines  Count the lines that a service writes for its cache
  ci           Check everything that must hold before a change is merged
  coherence    Check that L1s are never staler than their bound: processes, a server, faults
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

fn main() -> ExitCode {
    xtask::end(dispatch(lexopt::Parser::from_env()))
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
            Some("cache-lines") => cache_lines::run(arguments),
            Some("ci") => ci::run(arguments),
            Some("coherence") => handed_on::SYSTEM_TESTS.take_over(&["coherence"], arguments),
            Some("drop-in") => drop_in::run(arguments),
            Some("example") => example::run(arguments),
            Some("faults") => handed_on::SYSTEM_TESTS.take_over(&["faults"], arguments),
            Some("fuzz") => fuzz::run(arguments),
            Some("integration") => handed_on::SYSTEM_TESTS.take_over(&["integration"], arguments),
            Some("model") => handed_on::SIMULATION.take_over(&[], arguments),
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
