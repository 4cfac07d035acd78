//! `cargo xtask faults`.

mod caller;
mod cancellation;
mod clock_steps;
mod coherent;
mod cuts;
mod disk;
mod disturbed;
mod get_or_load;
mod hit_latency;
mod network;
mod panics;
mod record;
mod report;
mod runner;
mod runtime_end;
mod scenario;
mod shutdown;
mod signals;
mod small_disk;
mod stage;

use std::{fs, path::PathBuf, sync::Arc, time::Instant};

use lexopt::{Arg, Parser, ValueExt};

use xtask::{Failure, Verdict};

use report::Report;
use scenario::{Depth, Scenario};
use stage::Stage;

const HELP: &str = "\
Puts real faults to real servers, disks, clocks and runtimes, and prints what callers saw of each,
how long the worst call took, what was lost, and whether every promise was kept.

Usage: cargo xtask faults [OPTIONS]

Options:
      --long         Every byte of every reply, and longer under load; takes minutes
      --filter TEXT  Run only scenarios whose name contains TEXT; given several times, all must occur
      --list         Print the names of the scenarios instead of running them
      --json FILE    Write everything to FILE, too
  -h, --help         Print this

Redis is redis-server or valkey-server on PATH, else in Docker, else valkey from a Python wheel, else from apt
(root), always a server of the run's own. DynamoDB is a server in this process. What needs root is
left out without it, and says so.
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    depth: Depth,
    filters: Vec<String>,
    wanted: Wanted,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Help,
    Names,
    Report(Option<PathBuf>),
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let request = parse(arguments)?;
    match &request.wanted {
        Wanted::Help => print!("{HELP}"),
        Wanted::Names => {
            for scenario in selected(request.depth, &request.filters)? {
                println!("{}", scenario.name);
            }
        }
        Wanted::Report(json) => {
            let report = run_scenarios(request.depth, &request.filters)?;
            if let Some(file) = json {
                fs::write(file, report.to_json())
                    .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            }
            if report.tally().broken > 0 {
                return Ok(Verdict::Failed);
            }
        }
    }
    Ok(Verdict::Passed)
}

/// Carries out the scenarios whose names contain all of the filters, and prints the report.
fn run_scenarios(depth: Depth, filters: &[String]) -> Result<Report, Failure> {
    let scenarios = selected(depth, filters)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stage = Arc::new(runtime.block_on(Stage::set(depth))?);
    print!("{stage}");
    let began = Instant::now();
    let ended = runner::run(scenarios, &stage, |one| {
        println!(
            "{} {} ({:.1} s)",
            one.verdict,
            one.name,
            one.duration.as_secs_f64()
        );
    });
    let report = Report::new(ended, began.elapsed());
    print!("{report}");
    Ok(report)
}

fn selected(depth: Depth, filters: &[String]) -> Result<Vec<Scenario>, Failure> {
    let mut scenarios = scenarios(depth);
    scenarios.retain(|one| filters.iter().all(|text| one.name.contains(text)));
    if scenarios.is_empty() {
        // A run of nothing must not look like a run in which every promise was kept.
        return Err("no scenario matches; --list names them".into());
    }
    Ok(scenarios)
}

fn scenarios(depth: Depth) -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(network::scenarios(depth));
    all.extend(cuts::scenarios(depth));
    all.extend(signals::scenarios(depth));
    all.extend(get_or_load::scenarios(depth));
    all.extend(hit_latency::scenarios(depth));
    all.extend(coherent::scenarios());
    all.extend(disk::scenarios());
    all.extend(clock_steps::scenarios());
    all.extend(shutdown::scenarios(depth));
    all.extend(runtime_end::scenarios());
    all.extend(cancellation::scenarios(depth));
    all
}

fn parse(mut arguments: Parser) -> Result<Request, lexopt::Error> {
    let mut request = Request {
        depth: Depth::Short,
        filters: Vec::new(),
        wanted: Wanted::Report(None),
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => request.wanted = Wanted::Help,
            Arg::Long("long") => request.depth = Depth::Long,
            Arg::Long("filter") => request.filters.push(arguments.value()?.string()?),
            Arg::Long("list") => request.wanted = Wanted::Names,
            Arg::Long("json") => {
                request.wanted = Wanted::Report(Some(PathBuf::from(arguments.value()?)));
            }
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn arguments_say_what_to_run_and_where_to_write() {
        let request = parse(Parser::from_args([
            "--long",
            "--filter=hang",
            "--json",
            "out",
        ]));
        let expected = Request {
            depth: Depth::Long,
            filters: vec!["hang".into()],
            wanted: Wanted::Report(Some("out".into())),
        };
        assert_eq!(request.unwrap(), expected);
        assert!(parse(Parser::from_args(["hang"])).is_err());
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        for depth in [Depth::Short, Depth::Long] {
            let all = scenarios(depth);
            let names: BTreeSet<_> = all.iter().map(|one| one.name.clone()).collect();
            assert_eq!(names.len(), all.len());
        }
        assert!(selected(Depth::Short, &["nothing is called this".into()]).is_err());
    }
}
