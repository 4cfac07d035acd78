use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use serde_json::Value;
use xtask::{Failure, program, workspace::Workspace};

use super::question::Question;
use crate::handed_on::TEST_SERVERS;

/// The programs that count, beside the questions.
const COUNTING: [&str; 2] = ["allocations", "instructions"];

/// What is built, whatever is measured: with other features, the compiler would make other code of the
/// same operation.
const BENCHES: [&str; 3] = ["--package", "hitbox-benches", "--all-features"];

/// The program that says where instructions go.
const PROFILE: &str = "profile";

/// `cargo test` of the guard, with its output: it says what could not be compared.
///
/// All that it counts is in process: an optimised build of the clients of servers would only take minutes.
pub(crate) fn guard(workspace: &Workspace) -> Command {
    let mut test = workspace.cargo(&["test"]);
    test.args(["--release", "--package", "hitbox-benches"]);
    test.args(["--test", "guard", "--", "--nocapture"]);
    test
}

/// From which length on the C library copies by `rep movsb`, which on some processors takes several
/// times as long for some addresses as for others: which side of a case is affected is a matter of
/// where its buffers happen to lie. Nothing that is copied here is that long.
const COPYING: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.x86_rep_movsb_threshold=1000000000",
);

/// The built programs of `hitbox-benches`, by name.
pub(super) struct Programs {
    paths: BTreeMap<String, PathBuf>,
    /// The program that runs another one beside servers, if a question wants that.
    servers: Option<PathBuf>,
}

/// What a program prints of a case.
pub(super) struct Line {
    pub(super) case: String,
    pub(super) figures: Value,
}

impl Programs {
    /// Builds the questions and the programs that count, as a user's release build would be.
    pub(super) fn build(workspace: &Workspace, questions: &[&Question]) -> Result<Self, Failure> {
        let mut build = workspace.cargo(&["build", "--release"]);
        for program in COUNTING {
            build.args(["--bin", program]);
        }
        for question in questions {
            build.args(["--bench", question.name]);
        }
        Self::built_by(build)
    }

    /// Builds the program that says where instructions go: the same code, with the lines of its source.
    pub(super) fn build_profile(workspace: &Workspace) -> Result<Self, Failure> {
        let mut build = workspace.cargo(&["build", "--profile", "profiled"]);
        build.args(["--bin", PROFILE]);
        Self::built_by(build)
    }

    fn built_by(mut build: Command) -> Result<Self, Failure> {
        build.args(BENCHES).arg(program::MESSAGES);
        let programs = program::built_by(build)?.into_iter();
        Ok(Self {
            paths: programs
                .map(|program| (program.name, program.executable))
                .collect(),
            servers: None,
        })
    }

    /// The same programs, with the servers that these questions want.
    pub(super) fn with_servers(
        mut self,
        workspace: &Workspace,
        questions: &[&Question],
    ) -> Result<Self, Failure> {
        if questions.iter().any(|question| question.wants.is_some()) {
            self.servers = Some(TEST_SERVERS.build(workspace)?.get_program().into());
        }
        Ok(self)
    }

    /// Prints the names of a question's cases.
    pub(super) fn list(&self, question: &Question, arguments: &[&str]) -> Result<(), Failure> {
        let mut program = self.program(question.name, &[])?;
        let status = program.args(arguments).arg("--list").status()?;
        if !status.success() {
            return Err(format!("{} ended with {status}", question.name).into());
        }
        Ok(())
    }

    /// Prints where the instructions of these questions' cases go.
    pub(super) fn profile(
        &self,
        questions: &[&Question],
        arguments: &[&str],
    ) -> Result<ExitStatus, Failure> {
        let mut program = self.program(PROFILE, questions)?;
        program.args(arguments);
        for question in questions {
            program.args(["--question", question.name]);
        }
        Ok(program.status()?)
    }

    /// Measures a question's cases, and hands over each as soon as it is measured.
    pub(super) fn measure(
        &self,
        question: &Question,
        arguments: &[&str],
        each: impl FnMut(Line),
    ) -> Result<(), Failure> {
        eprintln!("measuring: {}", question.name);
        self.read(question.name, &[question], arguments, each)
    }

    /// The counts of all cases of these questions that have any.
    pub(super) fn count(
        &self,
        questions: &[&Question],
        arguments: &[&str],
    ) -> Result<Vec<Line>, Failure> {
        let mut arguments = arguments.to_vec();
        for question in questions {
            arguments.extend(["--question", question.name]);
        }
        let mut lines = Vec::new();
        for program in COUNTING {
            eprintln!("counting: {program}");
            self.read(program, questions, &arguments, |line| lines.push(line))?;
        }
        Ok(lines)
    }

    /// Runs the program of this name, and hands over each line of it.
    fn read(
        &self,
        name: &str,
        questions: &[&Question],
        arguments: &[&str],
        mut each: impl FnMut(Line),
    ) -> Result<(), Failure> {
        let mut program = self.program(name, questions)?;
        let mut child = program.args(arguments).stdout(Stdio::piped()).spawn()?;
        for line in child.stdout.take().into_iter().flat_map(lines) {
            each(parsed(&line?)?);
        }
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("{name} ended with {status}").into());
        }
        Ok(())
    }

    /// The program of this name, beside the servers that these questions want.
    fn program(&self, name: &str, questions: &[&Question]) -> Result<Command, Failure> {
        let path = self.paths.get(name);
        let path = path.ok_or_else(|| format!("cargo does not say where it has built {name}"))?;
        // A program that sets variables, for this one alone: the servers are as they would be without.
        let mut command = Command::new("env");
        let (variable, setting) = COPYING;
        // Who has chosen settings gets those.
        if cfg!(target_os = "linux") && env::var_os(variable).is_none() {
            command.arg(format!("{variable}={setting}"));
        }
        command.arg(path);
        let wanted: BTreeSet<_> = questions.iter().filter_map(|one| one.wants).collect();
        match &self.servers {
            Some(servers) if !wanted.is_empty() => {
                let mut beside = Command::new(servers);
                beside.args(wanted).arg("--");
                beside.arg(command.get_program()).args(command.get_args());
                Ok(beside)
            }
            Some(_) | None => Ok(command),
        }
    }
}

fn lines(output: impl io::Read) -> impl Iterator<Item = io::Result<String>> {
    BufReader::new(output).lines()
}

fn parsed(line: &str) -> Result<Line, Failure> {
    let figures: Value = serde_json::from_str(line)?;
    let case = figures["case"].as_str();
    let case = case.ok_or_else(|| format!("no case is named in {line}"))?;
    Ok(Line {
        case: case.to_owned(),
        figures,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::bench::question::selected;

    #[test]
    fn only_a_program_that_wants_a_server_is_run_beside_one() {
        let path = |name: &str| (name.to_owned(), PathBuf::from("/t").join(name));
        let programs = Programs {
            paths: ["hit", "bulk", "profile"].map(path).into(),
            servers: Some("/t/test-servers".into()),
        };
        let words = |name: &str, questions: &[&str]| {
            let filters: Vec<_> = questions.iter().map(ToString::to_string).collect();
            let command = programs.program(name, &selected(&filters)).unwrap();
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let setting = |word: &&OsStr| !word.to_string_lossy().contains('=');
            let words = words.filter(setting).map(OsStr::to_string_lossy);
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("hit", &["hit"]), "env /t/hit");
        let beside_redis = "/t/test-servers redis -- env /t/bulk";
        assert_eq!(words("bulk", &["bulk"]), beside_redis);
        let beside_both = "/t/test-servers dynamodb redis -- env /t/profile";
        assert_eq!(
            words("profile", &["bulk", "redis", "dynamodb", "hit"]),
            beside_both
        );
        assert!(programs.program("refill", &[]).is_err());
    }
}
