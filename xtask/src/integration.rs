//! `cargo xtask integration`.

mod adapter;
mod case;
mod cases;
mod matrix;
mod outcomes;
mod pair;
mod progress;
mod runner;
mod selection;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

use lexopt::{Arg, Parser, ValueExt};

pub(crate) use outcomes::Outcomes;
pub(crate) use selection::Selection;

use crate::{Failure, Verdict};
use cases::cases;
use progress::Progress;
use runner::Limits;

const HELP: &str = "\
Runs every ordered pair of backends, under every read and write policy, through the scenarios of
composition, and prints how many passed and failed.

Usage: cargo xtask integration [OPTIONS]

Options:
      --pair L1+L2   Run this pair only, e.g. moka+sled; may be given several times
      --filter TEXT  Run only cases whose name contains TEXT; given several times, all must occur
      --list         Print the names of the cases instead of running them
      --json FILE    Write totals and every outcome to FILE
  -h, --help         Print this

A case is named by pair/read policy/write policy/mode/scenario.
";

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    List(Selection),
    Run(Selection, Option<PathBuf>),
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    match parse(arguments)? {
        Request::Help => {
            print!("{HELP}");
            Ok(Verdict::Passed)
        }
        Request::List(selection) => {
            let mut output = io::stdout().lock();
            for case in selection.select(cases())? {
                writeln!(output, "{}", case.id)?;
            }
            Ok(Verdict::Passed)
        }
        Request::Run(selection, json) => {
            let outcomes = run_cases(&selection)?;
            if let Some(file) = json {
                fs::write(&file, outcomes.to_json())
                    .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            }
            Ok(if outcomes.tally().failed == 0 {
                Verdict::Passed
            } else {
                Verdict::Failed
            })
        }
    }
}

/// Runs the selected cases and prints failures, the table and the totals.
pub(crate) fn run_cases(selection: &Selection) -> Result<Outcomes, Failure> {
    let cases = selection.select(cases())?;
    let began = Instant::now();
    let mut progress = Progress::new(cases.len());
    let ended = runner::run(cases, Limits::default(), |one| progress.advance(one))?;
    progress.finish();
    let outcomes = Outcomes::new(ended, began.elapsed());
    print!("{outcomes}");
    Ok(outcomes)
}

fn parse(mut arguments: Parser) -> Result<Request, lexopt::Error> {
    let mut selection = Selection::default();
    let mut json = None;
    let mut list = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("pair") => selection.pairs.push(arguments.value()?.string()?),
            Arg::Long("filter") => selection.filters.push(arguments.value()?.string()?),
            Arg::Long("json") => json = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("list") => list = Some(Request::List),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    match (list, json) {
        (Some(_), Some(_)) => Err("--list runs nothing that --json could write".into()),
        (Some(list), None) => Ok(list(selection)),
        (None, json) => Ok(Request::Run(selection, json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, String> {
        parse(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    fn selection(pairs: &[&str], filters: &[&str]) -> Selection {
        Selection {
            pairs: pairs.iter().map(ToString::to_string).collect(),
            filters: filters.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn arguments_say_what_to_run_and_where_to_write() {
        let run = parsed(&["--pair", "moka+sled", "--json=out.json", "--filter", "race"]);
        let expected = selection(&["moka+sled"], &["race"]);
        assert_eq!(run, Ok(Request::Run(expected, Some("out.json".into()))));
        let list = parsed(&["--list", "--filter", "race"]);
        assert_eq!(list, Ok(Request::List(selection(&[], &["race"]))));
        assert_eq!(parsed(&["--list", "--help"]), Ok(Request::Help));
    }

    #[test]
    fn arguments_that_cannot_work_are_refused() {
        for arguments in [&["--pair"][..], &["moka+sled"], &["--list", "--json", "x"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
