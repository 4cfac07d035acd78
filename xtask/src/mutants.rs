//! `cargo xtask mutants`.

mod catalogue;
mod check;
mod trial;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, Verdict, table::Table, workspace::Workspace};

use crate::copy::Copy;
use check::Check;
use trial::Outcome;

const HELP: &str = "\
Breaks the code that upholds each guarantee, one break at a time, in a copy of the workspace, and
sees whether the check that is there for it fails.

Usage: cargo xtask mutants [OPTIONS]

Options:
      --filter TEXT  Only breaks whose guarantee or description contains TEXT
      --list         Print the breaks instead of running them
  -h, --help         Print this

The table names the first test, or the rule of the model, that a break made fail. A check that does not
end has found the break, too.

The copy and what is built of it are under target/mutants.
";

/// A deliberate mistake, and the check that must find it.
struct Mutant {
    /// `G1` to `G17`.
    guarantee: &'static str,
    /// The mistake, in words.
    mistake: &'static str,
    /// From the root of the workspace.
    file: &'static str,
    /// Occurs once in the file.
    right: &'static str,
    wrong: &'static str,
    check: Check,
}

enum Request {
    Help,
    List(Option<String>),
    Run(Option<String>),
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    match parse(arguments)? {
        Request::Help => {
            print!("{HELP}");
            Ok(Verdict::Passed)
        }
        Request::List(filter) => {
            for mutant in selected(filter.as_deref()) {
                println!("{}: {} ({})", mutant.guarantee, mutant.mistake, mutant.file);
            }
            Ok(Verdict::Passed)
        }
        Request::Run(filter) => run_selected(&selected(filter.as_deref())),
    }
}

fn parse(mut arguments: Parser) -> Result<Request, lexopt::Error> {
    let mut filter = None;
    let mut request: fn(Option<String>) -> Request = Request::Run;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("filter") => filter = Some(arguments.value()?.string()?),
            Arg::Long("list") => request = Request::List,
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    Ok(request(filter))
}

fn selected(filter: Option<&str>) -> Vec<&'static Mutant> {
    let wanted = |mutant: &&Mutant| {
        filter.is_none_or(|text| mutant.guarantee == text || mutant.mistake.contains(text))
    };
    catalogue::all().filter(wanted).collect()
}

fn run_selected(mutants: &[&Mutant]) -> Result<Verdict, Failure> {
    if mutants.is_empty() {
        return Err("no break matches; --list names them".into());
    }
    let workspace = Workspace::load()?;
    let place = workspace.target_directory().join("mutants");
    let mut bench = Bench {
        copy: Copy::make(
            &workspace,
            place.join("workspace"),
            place.join("target"),
            &[],
        )?,
        log: place.join("last-check.log"),
        limits: Vec::new(),
    };
    let mut table = Table::new(["", "broken", "found by", "seconds", ""], 3);
    let mut missed = 0;
    for mutant in mutants {
        let limit = bench.limit_of(mutant.check)?;
        let began = Instant::now();
        let outcome = bench.outcome_of(mutant, limit)?;
        let seconds = format!("{:.0}", began.elapsed().as_secs_f64());
        println!(
            "{}: {}: {}",
            mutant.guarantee,
            mutant.mistake,
            shown(&outcome)
        );
        if outcome == Outcome::Passed {
            missed += 1;
        }
        table.push([
            mutant.guarantee.to_owned(),
            mutant.mistake.to_owned(),
            mutant.check.to_string(),
            seconds,
            shown(&outcome),
        ]);
    }
    println!("\n{}", table.render());
    println!("{} breaks, {missed} not caught", mutants.len());
    Ok(if missed == 0 {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// Where breaks are tried.
struct Bench {
    copy: Copy,
    /// What the last check has said.
    log: PathBuf,
    /// How long the checks that have been carried out without a break may take.
    limits: Vec<(Check, Duration)>,
}

impl Bench {
    /// How long the check may take: many times what it takes without a break, which must not make it
    /// fail. A check that fails by itself would find everything.
    fn limit_of(&mut self, check: Check) -> Result<Duration, Failure> {
        /// Of a check that nothing keeps from ending.
        const AT_MOST: Duration = Duration::from_secs(20 * 60);
        const AT_LEAST: Duration = Duration::from_secs(120);
        let known = self.limits.iter().find(|(known, _)| *known == check);
        if let Some((_, limit)) = known {
            return Ok(*limit);
        }
        let command = check.build(&self.copy)?;
        let began = Instant::now();
        match trial::run(command, &self.log, AT_MOST)? {
            Outcome::Passed => {}
            Outcome::Failed(reason) => {
                return Err(format!("{check} fails without any break: {reason}").into());
            }
            Outcome::Hung(_) => return Err(format!("{check} does not end").into()),
        }
        let limit = (began.elapsed() * 5).max(AT_LEAST);
        self.limits.push((check, limit));
        Ok(limit)
    }

    /// What its check says of a break. One that does not compile is none.
    fn outcome_of(&self, mutant: &Mutant, limit: Duration) -> Result<Outcome, Failure> {
        let tried = self
            .copy
            .with(mutant.file, (mutant.right, mutant.wrong), || {
                let command = mutant.check.build(&self.copy)?;
                trial::run(command, &self.log, limit)
            });
        tried.map_err(|failure| format!("{}: {failure}", mutant.mistake).into())
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => String::from("NOT CAUGHT"),
        Outcome::Failed(reason) => format!("caught: {reason}"),
        Outcome::Hung(limit) => format!("caught: hangs, ended after {} s", limit.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A break that no longer fits the code would only be noticed when somebody runs it.
    #[test]
    fn every_break_fits_the_code() {
        let workspace = Workspace::load().unwrap();
        for mutant in catalogue::all() {
            let code = std::fs::read_to_string(workspace.root().join(mutant.file)).unwrap();
            let found = code.matches(mutant.right).count();
            assert_eq!(found, 1, "{}: {}", mutant.file, mutant.mistake);
            assert_ne!(mutant.right, mutant.wrong, "{}", mutant.mistake);
        }
    }

    #[test]
    fn every_guarantee_is_broken() {
        for number in 1..=15 {
            let guarantee = format!("G{number}");
            let breaks = catalogue::all().any(|mutant| mutant.guarantee == guarantee);
            assert!(breaks, "{guarantee}");
        }
    }
}
