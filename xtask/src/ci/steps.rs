mod circles;
mod coherence;
mod deny;
mod faults;
mod features;
mod handed_on;
mod integration;
mod model;
mod redis_versions;
mod schedules;

use xtask::{Failure, program};

use super::{OnFailure, Outcome, Report, Session, command};
use crate::bench;

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(&Session) -> Result<Report, Failure>,
}

/// All steps, the quickest to fail first.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "the code is formatted",
        run: |session| {
            let arguments = ["fmt", "--all", "--check"];
            command::run(&mut session.workspace.cargo(&arguments))
        },
    },
    Step {
        name: "circles",
        about: "no files of a published crate import each other",
        run: circles::run,
    },
    Step {
        name: "clippy",
        about: "no warnings in any target, with all features",
        run: clippy,
    },
    Step {
        name: "rustdoc",
        about: "the documentation builds without warnings",
        run: rustdoc,
    },
    Step {
        name: "features",
        about: "every library builds with no feature, each alone, and all",
        run: features::run,
    },
    Step {
        name: "test",
        about: "unit tests, integration tests, tests of the examples",
        run: test,
    },
    Step {
        name: "redis",
        about: "the tests of hitbox-redis on the oldest server that a package offers, and the newest",
        run: redis_versions::run,
    },
    Step {
        name: "doctest",
        about: "the examples in the documentation",
        run: doctest,
    },
    Step {
        name: "drop-in",
        about: "policies written elsewhere take the place of the built-in ones",
        run: |session| command::run_tests(&mut crate::drop_in::scenarios(&session.workspace)?),
    },
    Step {
        name: "guard",
        about: "a hit costs no more allocations and instructions than recorded",
        run: guard,
    },
    Step {
        name: "integration",
        about: "what `cargo xtask integration` runs",
        run: integration::run,
    },
    Step {
        name: "model",
        about: "histories of calls, failures and time against a reference model",
        run: model::run,
    },
    Step {
        name: "schedules",
        about: "what `cargo xtask schedules` explores, up to three interruptions of threads",
        run: schedules::run,
    },
    Step {
        name: "faults",
        about: "what `cargo xtask faults` does",
        run: faults::run,
    },
    Step {
        name: "coherence",
        about: "what `cargo xtask coherence` holds against eight processes, for a minute",
        run: coherence::run,
    },
    Step {
        name: "deny",
        about: "licences, sources and advisories of the dependencies (cargo-deny)",
        run: deny::run,
    },
];

fn clippy(session: &Session) -> Result<Report, Failure> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features"];
    let mut command = session.workspace.cargo(&arguments);
    command::run(command.args(["--", "-D", "warnings"]))
}

fn rustdoc(session: &Session) -> Result<Report, Failure> {
    let arguments = ["doc", "--workspace", "--all-features", "--no-deps"];
    let mut command = session.workspace.cargo(&arguments);
    command::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn test(session: &Session) -> Result<Report, Failure> {
    // Tests run the examples. Asked for them by name, `cargo test` would build them as tests.
    let arguments = ["build", "--workspace", "--all-features", "--examples"];
    let built = command::run(&mut session.workspace.cargo(&arguments))?;
    if built.outcome != Outcome::Passed {
        return Ok(built);
    }
    // All targets but benches, which clippy compiles and which prove nothing unoptimised.
    let mut programs = program::with_tests(&session.workspace, &["--workspace", "--tests"])?;
    programs.retain(|program| program.is_test);
    if session.options.asks_for("redis") {
        // That step runs them, on more servers than one.
        programs.retain(|program| program.package != redis_versions::ADAPTER);
    }
    let commands = programs.iter().map(|program| program.command(&[]));
    command::run_all_tests(commands, session.options.on_failure)
}

fn doctest(session: &Session) -> Result<Report, Failure> {
    let arguments = ["test", "--workspace", "--all-features", "--doc"];
    let mut command = session.workspace.cargo(&arguments);
    command::run_tests(command.args(fail_fast(session)))
}

/// Tests of an optimised build, the only one whose counts mean something.
fn guard(session: &Session) -> Result<Report, Failure> {
    command::run_tests(&mut bench::guard(&session.workspace))
}

fn fail_fast(session: &Session) -> Option<&'static str> {
    match session.options.on_failure {
        OnFailure::Stop => None,
        OnFailure::KeepGoing => Some("--no-fail-fast"),
    }
}
