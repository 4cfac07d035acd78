//! Tasks that are programs of their own: what they are made of takes minutes to compile, which no other
//! task should wait for.

use std::{os::unix::process::CommandExt, process::Command};

use lexopt::Parser;
use xtask::{Failure, Verdict, program, workspace::Workspace};

/// A program of the workspace.
pub(crate) struct HandedOn {
    program: &'static str,
    /// A file of its tests, which runs it. No other crate has one of that name.
    test: &'static str,
}

/// `cargo xtask model`.
pub(crate) const SIMULATION: HandedOn = HandedOn {
    program: "simulation",
    test: "simulation",
};

/// `cargo xtask integration`, `cargo xtask faults` and `cargo xtask coherence`.
pub(crate) const SYSTEM_TESTS: HandedOn = HandedOn {
    program: "system-tests",
    test: "system_tests",
};

/// Servers, for as long as another program runs.
pub(crate) const TEST_SERVERS: HandedOn = HandedOn {
    program: "test-servers",
    test: "test_servers",
};

impl HandedOn {
    pub(crate) const fn name(&self) -> &'static str {
        self.program
    }

    /// Builds it, to be run where this task is.
    ///
    /// It is built for its test, with the whole workspace's features: so cargo makes of its dependencies
    /// what it makes for `cargo test --workspace --all-features`. `cargo run` would make them again, since
    /// what tests depend on turns more features on in some.
    pub(crate) fn build(&self, workspace: &Workspace) -> Result<Command, Failure> {
        let programs = program::with_tests(workspace, &["--workspace", "--test", self.test])?;
        Ok(Command::new(program::named(&programs, self.program)?))
    }

    /// Builds it and lets it take the place of this process, with what is left of the arguments.
    pub(crate) fn take_over(
        &self,
        task: &[&str],
        mut arguments: Parser,
    ) -> Result<Verdict, Failure> {
        let mut command = self.build(&Workspace::load()?)?;
        Err(command.args(task).args(arguments.raw_args()?).exec().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_the_test_that_it_is_built_for() {
        let workspace = Workspace::load().unwrap();
        for HandedOn { program, test } in [SIMULATION, SYSTEM_TESTS, TEST_SERVERS] {
            assert!(workspace.tests_of(program).contains(&test), "{program}");
        }
    }
}
