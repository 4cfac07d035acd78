//! `cargo xtask integration`.

mod adapter;
mod adapter_tests;
mod case;
mod cases;
mod matrix;
mod outcomes;
mod pair;
mod progress;
mod runner;
mod selection;
mod servers;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};

use xtask::{Failure, Verdict};

use case::{Case, Ended};
use cases::cases;
use outcomes::Outcomes;
use progress::Progress;
use runner::Limits;
use selection::{AdapterTests, Selection};
use servers::Servers;

const HELP: &str = "\
Runs every ordered pair of backends, under every read and write policy, through the scenarios of
composition, and each adapter through the conformance suite and its own tests against servers.
Prints how many passed and failed.

Usage: cargo xtask integration [OPTIONS]

Options:
      --pair L1+L2   Run this pair only, e.g. moka+sled, or this adapter by itself, e.g. redis; may
                     be given several times
      --filter TEXT  Run only cases whose name contains TEXT; given several times, all must occur
      --without-adapter-tests
                     Leave out the adapters' own tests, which `cargo test` runs, too
      --list         Print the names of the cases instead of running them
      --json FILE    Write totals and every outcome to FILE
  -h, --help         Print this

A case is named by pair/read policy/write policy/mode/scenario.

Servers are started on ports of their own, and ended. Redis is the server that REDIS_URL names, else
redis-server or valkey-server on PATH, else in Docker, else valkey from a Python wheel, else from apt (root).
DynamoDB is the server that DYNAMODB_ENDPOINT names, else one in this process.
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
            let selected = Selected::new(&selection)?;
            for case in selected.compositions.iter().chain(&selected.adapter_tests) {
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

/// The cases to run, by what they need of the machine.
struct Selected {
    compositions: Vec<Case>,
    adapter_tests: Vec<Case>,
}

impl Selected {
    fn new(selection: &Selection) -> Result<Self, Failure> {
        let mut compositions = cases();
        // Every adapter is a case by itself, too, so these names are all there are.
        selection.check_pairs(compositions.iter().map(|case| case.id.pair.as_str()))?;
        selection.retain(&mut compositions);
        let mut tests = match selection.adapter_tests {
            AdapterTests::Included => adapter_tests::cases(|adapter| selection.takes(adapter))?,
            AdapterTests::LeftOut => Vec::new(),
        };
        selection.retain(&mut tests);
        let selected = Self {
            compositions,
            adapter_tests: tests,
        };
        if selected.compositions.is_empty() && selected.adapter_tests.is_empty() {
            // A run of no case must not look like a run without failures.
            return Err("no case matches; --list names them".into());
        }
        Ok(selected)
    }
}

/// Runs the selected cases and prints failures, the table and the totals.
fn run_cases(selection: &Selection) -> Result<Outcomes, Failure> {
    let selected = Selected::new(selection)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run_selected(selected) => ended,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                Err(Failure::from("interrupted"))
            }
        }
    });
    // Ends the cases that were interrupted, and with them servers and directories. Not for ever: a
    // case that missed its deadline may never give its thread back.
    runtime.shutdown_timeout(Duration::from_secs(2));
    let outcomes = Outcomes::new(ended?, began.elapsed());
    print!("{outcomes}");
    Ok(outcomes)
}

async fn run_selected(selected: Selected) -> Result<Vec<Ended>, Failure> {
    let Selected {
        compositions,
        adapter_tests,
    } = selected;
    let needed: Vec<_> = compositions
        .iter()
        .flat_map(|case| case.adapters.iter().copied())
        .collect();
    let servers = Arc::new(Servers::start(&needed).await?);
    print!("{servers}");
    let mut progress = Progress::new(compositions.len() + adapter_tests.len());
    let limits = Limits::of_compositions();
    let mut ended = runner::run(compositions, &servers, limits, |one| progress.advance(one)).await;
    let limits = Limits::of_adapter_tests();
    let tests = runner::run(adapter_tests, &servers, limits, |one| progress.advance(one)).await;
    ended.extend(tests);
    progress.finish();
    servers.clean_up().await;
    Ok(ended)
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
            Arg::Long("without-adapter-tests") => selection.adapter_tests = AdapterTests::LeftOut,
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
            adapter_tests: AdapterTests::Included,
        }
    }

    #[test]
    fn arguments_say_what_to_run_and_where_to_write() {
        let run = parsed(&["--pair", "moka+sled", "--json=out.json", "--filter", "race"]);
        let expected = selection(&["moka+sled"], &["race"]);
        assert_eq!(run, Ok(Request::Run(expected, Some("out.json".into()))));
        let list = parsed(&["--list", "--filter", "race"]);
        assert_eq!(list, Ok(Request::List(selection(&[], &["race"]))));
        let mut without = selection(&[], &[]);
        without.adapter_tests = AdapterTests::LeftOut;
        let run = parsed(&["--without-adapter-tests"]);
        assert_eq!(run, Ok(Request::Run(without, None)));
        assert_eq!(parsed(&["--list", "--help"]), Ok(Request::Help));
    }

    #[test]
    fn arguments_that_cannot_work_are_refused() {
        for arguments in [&["--pair"][..], &["moka+sled"], &["--list", "--json", "x"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
