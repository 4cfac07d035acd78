//! `cargo xtask mutants`.

mod catalogue;
mod copy;

use std::{fmt, time::Instant};

use lexopt::{Arg, Parser, ValueExt};

use crate::{Failure, Verdict, table::Table, workspace::Workspace};
use catalogue::MUTANTS;
use copy::Copy;

const HELP: &str = "\
Breaks the code that upholds each guarantee, one break at a time, in a copy of the workspace, and
sees whether the check that is there for it fails.

Usage: cargo xtask mutants [OPTIONS]

Options:
      --filter TEXT  Only breaks whose guarantee or description contains TEXT
      --list         Print the breaks instead of running them
  -h, --help         Print this

The copy and what is built of it are under target/mutants.
";

/// A deliberate mistake, and the check that must find it.
struct Mutant {
    /// `G1` to `G10`.
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

/// What passes as long as the code is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// A crate's own tests.
    UnitTests(&'static str),
    /// A crate's file of tests.
    Tests(&'static str, &'static str),
    /// One test of a crate's file.
    Test(&'static str, &'static str, &'static str),
    /// So many operations of the model for each pair of policies, over layers in memory, from this seed.
    Model { seed: u64, operations: u64 },
}

impl Check {
    /// The arguments of cargo to build it.
    fn build(self) -> Vec<String> {
        match self {
            Self::UnitTests(_) | Self::Tests(..) => [self.run(), words("--no-run")].concat(),
            Self::Test(package, file, _) => Self::Tests(package, file).build(),
            Self::Model { .. } => words("build --quiet --package xtask"),
        }
    }

    /// The arguments of cargo to carry it out.
    fn run(self) -> Vec<String> {
        words(&match self {
            Self::UnitTests(package) => {
                format!("test --quiet --all-features --package {package} --lib")
            }
            Self::Tests(package, file) => {
                format!("test --quiet --all-features --package {package} --test {file}")
            }
            Self::Test(package, file, test) => {
                format!("test --quiet --all-features --package {package} --test {file} {test}")
            }
            Self::Model { seed, operations } => format!(
                "run --quiet --package xtask -- model --layers memory --seed {seed} --operations {operations}"
            ),
        })
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitTests(package) => write!(f, "{package}, unit tests"),
            Self::Tests(package, file) => write!(f, "{package}/tests/{file}"),
            Self::Test(package, file, test) => write!(f, "{package}/tests/{file}, {test}"),
            Self::Model { seed, .. } => write!(f, "model, seed {seed}"),
        }
    }
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The check failed, as it should.
    Caught,
    Missed,
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
    MUTANTS.iter().filter(wanted).collect()
}

fn run_selected(mutants: &[&Mutant]) -> Result<Verdict, Failure> {
    if mutants.is_empty() {
        return Err("no break matches; --list names them".into());
    }
    let workspace = Workspace::load()?;
    let copy = Copy::make(&workspace)?;
    let mut table = Table::new(["", "broken", "found by", "seconds", ""], 3);
    let mut missed = 0;
    let mut passed = Vec::new();
    for mutant in mutants {
        // A check that fails by itself would find everything.
        if !passed.contains(&mutant.check) {
            copy.must_pass(mutant.check)?;
            passed.push(mutant.check);
        }
        let began = Instant::now();
        let fate = copy.with(mutant, |copy| copy.fate(mutant))?;
        let seconds = format!("{:.0}", began.elapsed().as_secs_f64());
        println!("{}: {}: {}", mutant.guarantee, mutant.mistake, shown(fate));
        if fate == Fate::Missed {
            missed += 1;
        }
        table.push([
            mutant.guarantee.to_owned(),
            mutant.mistake.to_owned(),
            mutant.check.to_string(),
            seconds,
            shown(fate).to_owned(),
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

const fn shown(fate: Fate) -> &'static str {
    match fate {
        Fate::Caught => "caught",
        Fate::Missed => "NOT CAUGHT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A break that no longer fits the code would only be noticed when somebody runs it.
    #[test]
    fn every_break_fits_the_code() {
        let workspace = Workspace::load().unwrap();
        for mutant in MUTANTS {
            let code = std::fs::read_to_string(workspace.root().join(mutant.file)).unwrap();
            let found = code.matches(mutant.right).count();
            assert_eq!(found, 1, "{}: {}", mutant.file, mutant.mistake);
            assert_ne!(mutant.right, mutant.wrong, "{}", mutant.mistake);
        }
    }

    #[test]
    fn every_guarantee_is_broken() {
        for number in 1..=10 {
            let guarantee = format!("G{number}");
            let breaks = MUTANTS.iter().any(|mutant| mutant.guarantee == guarantee);
            assert!(breaks, "{guarantee}");
        }
    }
}
