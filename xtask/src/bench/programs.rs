use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use serde_json::Value;

use super::{question::Question, servers::Servers};
use crate::{Failure, workspace::Workspace};

/// The programs that count, beside the questions.
const COUNTING: [&str; 2] = ["allocations", "instructions"];

/// What is built, whatever is measured or guarded: with other features, the compiler would make other
/// code of the same operation.
const BENCHES: [&str; 3] = ["--package", "hitbox-benches", "--all-features"];

/// The program that says where instructions go.
const PROFILE: &str = "profile";

/// `cargo test` of the guard, with its output: it says what could not be compared.
pub(crate) fn guard(workspace: &Workspace) -> Command {
    let mut test = workspace.cargo(&["test"]);
    test.arg("--release").args(BENCHES);
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
    /// What they are told of servers.
    variables: Vec<(&'static str, String)>,
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
        build.args(BENCHES);
        build.arg("--message-format=json-render-diagnostics");
        let output = build.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the benches do not build".into());
        }
        let messages = output.stdout.split(|byte| *byte == b'\n');
        Ok(Self {
            paths: messages.filter_map(executable).collect(),
            variables: Vec::new(),
        })
    }

    /// The same programs, told of these servers.
    pub(super) fn with(mut self, servers: &Servers) -> Self {
        self.variables = servers.variables();
        self
    }

    /// Prints the names of a question's cases.
    pub(super) fn list(&self, question: &Question, arguments: &[&str]) -> Result<(), Failure> {
        let mut program = self.program(question.name)?;
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
        let mut program = self.program(PROFILE)?;
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
        self.read(question.name, arguments, each)
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
            self.read(program, &arguments, |line| lines.push(line))?;
        }
        Ok(lines)
    }

    fn read(
        &self,
        program: &str,
        arguments: &[&str],
        mut each: impl FnMut(Line),
    ) -> Result<(), Failure> {
        let mut command = self.program(program)?;
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn()?;
        for line in child.stdout.take().into_iter().flat_map(lines) {
            each(parsed(&line?)?);
        }
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("{program} ended with {status}").into());
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Result<Command, Failure> {
        let path: Option<&Path> = self.paths.get(name).map(PathBuf::as_path);
        let path = path.ok_or_else(|| format!("cargo does not say where it has built {name}"))?;
        let mut command = Command::new(path);
        let variables = self.variables.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
        let (variable, setting) = COPYING;
        // Who has chosen settings gets those.
        if cfg!(target_os = "linux") && env::var_os(variable).is_none() {
            command.env(variable, setting);
        }
        Ok(command)
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

/// The name and path of the program that one of cargo's messages is about, if it is about one.
fn executable(message: &[u8]) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let path = message["executable"].as_str()?;
    let name = message["target"]["name"].as_str()?;
    Some((name.to_owned(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_programs_are() {
        let message =
            br#"{"reason":"compiler-artifact","target":{"name":"hit"},"executable":"/t/hit-1"}"#;
        let expected = Some(("hit".to_owned(), PathBuf::from("/t/hit-1")));
        assert_eq!(executable(message), expected);
        let library =
            br#"{"reason":"compiler-artifact","target":{"name":"moka"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(b""), None);
    }
}
