use std::{fmt, path::Path, process::Command};

use xtask::Failure;

use crate::{copy::Copy, schedules};

/// Most mistakes show with as many interruptions of threads, as in `cargo xtask ci`.
const INTERRUPTIONS: u32 = 3;

/// What passes as long as the code is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// A crate's own tests.
    UnitTests(&'static str),
    /// A crate's program of tests.
    Tests(&'static str, &'static str),
    /// Those tests of a crate's program whose names contain this.
    Test(&'static str, &'static str, &'static str),
    /// So many operations of the model for each pair of policies, over layers in memory, from this seed.
    Model { seed: u64, operations: u64 },
    /// The same of a cache over such layers.
    ModelOfCache { seed: u64, operations: u64 },
    /// A part of the schedules.
    Schedules(&'static str),
}

impl Check {
    /// Builds it, and says how to carry it out.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub(super) fn build(self, copy: &Copy) -> Result<Command, Failure> {
        match self {
            Self::UnitTests(package) => of_tests(copy, package, "--lib", &[]),
            Self::Tests(package, program) => {
                of_tests(copy, package, &format!("--test={program}"), &[])
            }
            Self::Test(package, program, tests) => {
                of_tests(copy, package, &format!("--test={program}"), &[tests])
            }
            Self::Model { seed, operations } => of_the_model(copy, "backend", seed, operations),
            Self::ModelOfCache { seed, operations } => {
                // Of a cache it makes a fifth.
                of_the_model(copy, "cache", seed, operations * 5)
            }
            Self::Schedules(part) => {
                let package = schedules::packages(Some(part)).pop_first();
                let package = package.ok_or_else(|| format!("there is no part {part:?}"))?;
                let program = schedules::build(package, |arguments| copy.cargo(arguments))?;
                Ok(of_schedules(&program, part))
            }
        }
    }
}

fn of_tests(copy: &Copy, package: &str, target: &str, names: &[&str]) -> Result<Command, Failure> {
    let tests = [
        "test",
        "--quiet",
        "--all-features",
        "--package",
        package,
        target,
    ];
    must_compile(copy.cargo(&tests).arg("--no-run"))?;
    let mut command = copy.cargo(&tests);
    command.args(names);
    Ok(command)
}

fn must_compile(cargo: &mut Command) -> Result<(), Failure> {
    let output = cargo.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("it does not compile:\n{}", said.trim()).into())
}

fn of_the_model(copy: &Copy, calls: &str, seed: u64, operations: u64) -> Result<Command, Failure> {
    must_compile(&mut copy.cargo(&["build", "--quiet", "--package", "simulation"]))?;
    let [seed, operations] = [seed, operations].map(|number| number.to_string());
    let run = ["run", "--quiet", "--package", "simulation", "--"];
    let mut command = copy.cargo(&run);
    command.args(["--layers", "memory", "--seed", &seed]);
    command.args(["--operations", &operations, "--calls", calls]);
    Ok(command)
}

fn of_schedules(program: &Path, part: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("schedules::{part}"));
    command.env("LOOM_MAX_PREEMPTIONS", INTERRUPTIONS.to_string());
    command
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitTests(package) => write!(f, "{package}, unit tests"),
            Self::Tests(package, program) => write!(f, "{package}/tests/{program}"),
            Self::Test(package, program, tests) => write!(f, "{package}/tests/{program}, {tests}"),
            Self::Model { seed, .. } => write!(f, "model, seed {seed}"),
            Self::ModelOfCache { seed, .. } => write!(f, "model of a cache, seed {seed}"),
            Self::Schedules(part) => write!(f, "schedules, {part}"),
        }
    }
}
