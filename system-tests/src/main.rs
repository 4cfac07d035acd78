//! Tests with real servers, disks, clocks and signals: `cargo xtask integration`, `cargo xtask
//! faults` and `cargo xtask coherence`.

mod coherence;
mod faults;
mod integration;

use std::process::ExitCode;

use lexopt::{Arg, Parser};
use xtask::{Failure, Verdict};

fn main() -> ExitCode {
    xtask::end(run(Parser::from_env()))
}

fn run(mut arguments: Parser) -> Result<Verdict, Failure> {
    match arguments.next()? {
        Some(Arg::Value(task)) if task == "coherence" => coherence::run(arguments),
        Some(Arg::Value(task)) if task == "faults" => faults::run(arguments),
        Some(Arg::Value(task)) if task == "integration" => integration::run(arguments),
        Some(other) => Err(other.unexpected().into()),
        None => Err(lexopt::Error::from("coherence, faults or integration?").into()),
    }
}
