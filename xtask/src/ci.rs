//! `cargo xtask ci`.

mod command;
mod libtest;
mod steps;
mod summary;

use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, Verdict, workspace::Workspace};

use libtest::Totals;
use steps::{STEPS, Step};
use summary::{Line, summarize};

/// What the steps are asked to do.
#[derive(Debug, Default)]
struct Options {
    /// Names; all steps if there is none.
    steps: Vec<String>,
    on_failure: OnFailure,
    tools: Tools,
}

/// What becomes of the remaining steps after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OnFailure {
    #[default]
    Stop,
    KeepGoing,
}

/// What becomes of a step whose tool is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tools {
    /// It is not run.
    #[default]
    AsInstalled,
    /// The tool is installed first.
    Fetch,
}

impl Options {
    fn asks_for(&self, step: &str) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|name| name == step)
    }
}

/// What a step has to work with.
struct Session {
    workspace: Workspace,
    options: Options,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// The step cannot run here, and nobody can conclude anything from that.
    NotRun,
}

/// What a step has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    outcome: Outcome,
    note: String,
    tests: Totals,
}

impl Report {
    fn passed() -> Self {
        Self::new(Outcome::Passed, "")
    }

    fn failed(note: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, note)
    }

    fn not_run(note: impl Into<String>) -> Self {
        Self::new(Outcome::NotRun, note)
    }

    fn new(outcome: Outcome, note: impl Into<String>) -> Self {
        Self {
            outcome,
            note: note.into(),
            tests: Totals::default(),
        }
    }

    fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn with_tests(mut self, tests: Totals) -> Self {
        self.tests = tests;
        self
    }
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let Some(options) = parse(arguments)? else {
        print!("{}", help());
        return Ok(Verdict::Passed);
    };
    let session = Session {
        workspace: Workspace::load()?,
        options,
    };
    let began = Instant::now();
    let steps = STEPS
        .iter()
        .filter(|step| session.options.asks_for(step.name));
    let lines = run_steps(steps, session.options.on_failure, |step| {
        (step.run)(&session)
    });
    print!("\n{}", summarize(&lines, began.elapsed()));
    Ok(if lines.iter().any(Line::is_failed) {
        Verdict::Failed
    } else {
        Verdict::Passed
    })
}

/// The options, or `None` if help is asked for.
fn parse(mut arguments: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("keep-going") => options.on_failure = OnFailure::KeepGoing,
            Arg::Long("fetch-tools") => options.tools = Tools::Fetch,
            Arg::Long("step") => options.steps.push(step_name(arguments.value()?.string()?)?),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn step_name(name: String) -> Result<String, lexopt::Error> {
    if STEPS.iter().any(|step| step.name == name) {
        return Ok(name);
    }
    let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    Err(format!(
        "there is no step {name:?}; the steps are: {}",
        known.join(", ")
    )
    .into())
}

fn help() -> String {
    let steps: String = STEPS
        .iter()
        .map(|step| format!("  {:<12} {}\n", step.name, step.about))
        .collect();
    format!(
        "\
Checks everything that must hold before a change is merged, and stops at the first failure.

Usage: cargo xtask ci [OPTIONS]

Options:
      --step NAME    Run this step only; may be given several times
      --keep-going   Run the remaining steps after a failure
      --fetch-tools  Install tools that are missing, into the target directory
  -h, --help         Print this

Steps, in order:
{steps}"
    )
}

/// Runs the steps with `run`, telling the terminal about each.
fn run_steps<'s>(
    steps: impl IntoIterator<Item = &'s Step>,
    on_failure: OnFailure,
    run: impl Fn(&Step) -> Result<Report, Failure>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for step in steps {
        if on_failure == OnFailure::Stop && lines.iter().any(Line::is_failed) {
            lines.push(Line::not_reached(step.name));
            continue;
        }
        println!("\n==> {}: {}", step.name, step.about);
        let began = Instant::now();
        let report = run(step).unwrap_or_else(|failure| Report::failed(failure.to_string()));
        let line = Line::new(step.name, report, began.elapsed());
        println!("<== {line}");
        lines.push(line);
    }
    lines
}

/// `12.3 s`.
fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Option<Options>, String> {
        parse(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let options = parsed(&["--step", "fmt", "--keep-going", "--step=deny"]);
        let options = options.unwrap().unwrap();
        assert_eq!(options.steps, ["fmt", "deny"]);
        assert_eq!(options.on_failure, OnFailure::KeepGoing);
        assert_eq!(options.tools, Tools::AsInstalled);
        let asked = STEPS.iter().filter(|step| options.asks_for(step.name));
        let names: Vec<_> = asked.map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "deny"]);
        assert!(
            STEPS
                .iter()
                .all(|step| Options::default().asks_for(step.name))
        );
    }

    /// What each step came to when `test` fails.
    fn outcomes(on_failure: OnFailure) -> Vec<String> {
        let lines = run_steps(STEPS, on_failure, |step| match step.name {
            "features" => Ok(Report::not_run("")),
            "test" => Err("no cargo".into()),
            _ => Ok(Report::passed()),
        });
        lines.iter().map(|line| line.outcome().to_owned()).collect()
    }

    #[test]
    fn steps_after_a_failure_are_run_only_when_asked() {
        let before = ["passed", "passed", "passed", "passed", "not run", "FAILED"];
        let after = STEPS.len() - before.len();
        let stopped = [&before[..], &vec!["not reached"; after]].concat();
        assert_eq!(outcomes(OnFailure::Stop), stopped);
        let kept_going = [&before[..], &vec!["passed"; after]].concat();
        assert_eq!(outcomes(OnFailure::KeepGoing), kept_going);
    }

    #[test]
    fn an_unknown_step_is_answered_with_the_known_ones() {
        let error = parsed(&["--step", "format"]).err().unwrap();
        assert!(error.contains("\"format\""), "{error}");
        assert!(
            STEPS.iter().all(|step| error.contains(step.name)),
            "{error}"
        );
    }

    #[test]
    fn help_names_every_step_and_wins_over_the_rest() {
        assert!(parsed(&["--keep-going", "-h"]).unwrap().is_none());
        assert!(STEPS.iter().all(|step| help().contains(step.about)));
    }
}
