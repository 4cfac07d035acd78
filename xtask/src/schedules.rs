//! `cargo xtask schedules`.

mod report;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, Verdict, program, workspace::Workspace};

pub(crate) use report::Report;

const HELP: &str = "\
Runs the fences, the record of pending repairs, the permits, the circuit breaker, the offload manager, the
copies of coherent compositions and the table of flights under every order in which threads can get to their locks and atomics, with loom, and prints
how many orders (schedules) that were for each scenario.

Usage: cargo xtask schedules [OPTIONS]

Options:
      --part PART        Only scenarios of this part: fences, repairs, permits, breaker, offload,
                         coherence, flights
      --interruptions N  Only schedules in which at most N times a thread is interrupted that could
                         have gone on; quicker, and most mistakes show with 2
  -h, --help             Print this

The scenarios are unit tests of hitbox-backend and hitbox, in src/schedules, compiled with the cfg
hitbox_schedules. Each has a bound of its own, which is printed, or none.
";

/// Each with the crate whose unit tests its scenarios are.
const PARTS: &[(&str, &str)] = &[
    ("fences", "hitbox-backend"),
    ("repairs", "hitbox-backend"),
    ("permits", "hitbox-backend"),
    ("breaker", "hitbox-backend"),
    ("offload", "hitbox-backend"),
    ("coherence", "hitbox-backend"),
    ("flights", "hitbox"),
];

/// What is to be explored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// All parts if there is none.
    pub(crate) part: Option<String>,
    pub(crate) interruptions: Option<u32>,
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let Some(options) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(Verdict::Passed);
    };
    let report = explore(&Workspace::load()?, &options)?;
    println!("{report}");
    Ok(match report.broken {
        0 => Verdict::Passed,
        _ => Verdict::Failed,
    })
}

/// Explores what is asked for, and prints a line for each scenario as it ends.
pub(crate) fn explore(workspace: &Workspace, options: &Options) -> Result<Report, Failure> {
    let mut report = Report::default();
    let began = Instant::now();
    for package in packages(options.part.as_deref()) {
        let program = build(package, |arguments| workspace.cargo(arguments))?;
        run_program(workspace, program, options, &mut report)?;
    }
    report.took = began.elapsed();
    if report.broken == 0 && report.scenarios == 0 {
        return Err("there was no scenario to explore".into());
    }
    Ok(report)
}

/// The crates that have scenarios of this part.
pub(crate) fn packages(part: Option<&str>) -> BTreeSet<&'static str> {
    let parts = PARTS.iter();
    let wanted = parts.filter(|(name, _)| part.is_none_or(|part| part == *name));
    wanted.map(|(_, package)| *package).collect()
}

/// Explores those of one crate.
fn run_program(
    workspace: &Workspace,
    program: PathBuf,
    options: &Options,
    report: &mut Report,
) -> Result<(), Failure> {
    let part = options.part.as_deref().unwrap_or_default();
    let mut command = workspace.program(program, &[]);
    command.arg(format!("schedules::{part}")).arg("--nocapture");
    if let Some(most) = options.interruptions {
        command.env("LOOM_MAX_PREEMPTIONS", most.to_string());
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let broken_before = report.broken;
    for line in child
        .stdout
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines)
    {
        report.add_line(&line?);
    }
    if !child.wait()?.success() {
        // A process that was aborted says nothing about the scenario that did it.
        report.broken = report.broken.max(broken_before + 1);
    }
    Ok(())
}

/// Compiles a crate's unit tests with loom's types. The flag is for this crate alone, so that what it depends
/// on is what `cargo test` has built.
pub(crate) fn build(
    package: &str,
    cargo: impl FnOnce(&[&str]) -> Command,
) -> Result<PathBuf, Failure> {
    let mut command = cargo(&["rustc", "--quiet", "--package", package]);
    command.args(["--lib", "--profile", "test"]);
    command.args([program::MESSAGES, "--", "--cfg", "hitbox_schedules"]);
    let program = program::built_by(command)?.pop();
    Ok(program.ok_or("cargo has built no test program")?.executable)
}

/// The options, or `None` if help is asked for.
fn parse(mut arguments: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("part") => options.part = Some(part(arguments.value()?.string()?)?),
            Arg::Long("interruptions") => {
                options.interruptions = Some(arguments.value()?.parse()?);
            }
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn part(name: String) -> Result<String, String> {
    let mut names = PARTS.iter().map(|(part, _)| *part);
    if names.any(|part| part == name) {
        return Ok(name);
    }
    let known: Vec<_> = PARTS.iter().map(|(part, _)| *part).collect();
    let known = known.join(", ");
    Err(format!("there is no part {name:?}; the parts are: {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<Options>, String> {
        parse(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_is_explored_unless_asked_otherwise() {
        assert_eq!(parsed(&[]), Ok(Some(Options::default())));
        let options = Options {
            part: Some("fences".to_owned()),
            interruptions: Some(2),
        };
        let asked = ["--part", "fences", "--interruptions=2"];
        assert_eq!(parsed(&asked), Ok(Some(options)));
        assert_eq!(parsed(&["--part", "fences", "-h"]), Ok(None));
    }

    #[test]
    fn an_unknown_part_is_answered_with_the_known_ones() {
        let error = parsed(&["--part", "fence"]).unwrap_err();
        assert!(
            PARTS.iter().all(|(part, _)| error.contains(part)),
            "{error}"
        );
    }

    /// A part that has been renamed would explore nothing.
    #[test]
    fn every_part_is_a_module_of_scenarios() {
        let workspace = Workspace::load().unwrap();
        for (part, package) in PARTS {
            let module = format!("{package}/src/schedules/{part}.rs");
            assert!(workspace.root().join(&module).exists(), "{module}");
        }
    }
}
