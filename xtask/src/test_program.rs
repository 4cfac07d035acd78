//! The programs that cargo makes of tests.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Failure, workspace::Workspace};

/// A compiled program of tests.
#[derive(Clone, Debug)]
pub(crate) struct TestProgram {
    /// The name of the directory that its crate lies in.
    pub(crate) package: String,
    /// The name of the file of tests without `.rs`, or of the crate for the unit tests.
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    /// Where cargo would run it.
    pub(crate) directory: PathBuf,
}

/// Builds the tests that `cargo test` would build with these arguments.
pub(crate) fn build(
    workspace: &Workspace,
    arguments: &[&str],
) -> Result<Vec<TestProgram>, Failure> {
    let mut command = workspace.cargo(&["test", "--no-run", "--all-features"]);
    command.args(arguments);
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the tests do not build: cargo test {}", arguments.join(" ")).into());
    }
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().filter_map(program_in).collect())
}

/// The program of tests that this message of cargo's tells of, if it does.
fn program_in(message: &str) -> Option<TestProgram> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = directory.file_name().and_then(OsStr::to_str);
    Some(TestProgram {
        package: package.unwrap_or_default().to_owned(),
        name: message["target"]["name"].as_str()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        directory: directory.to_path_buf(),
    })
}

impl TestProgram {
    /// The program with these arguments, to be run where cargo would run it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).current_dir(&self.directory);
        command.env("CARGO_MANIFEST_DIR", &self.directory);
        command
    }

    /// The names of its tests.
    pub(crate) fn tests(&self) -> Result<Vec<String>, Failure> {
        let output = self.command(&["--list", "--format", "terse"]).output()?;
        let listed = String::from_utf8(output.stdout)?;
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_tests_are_told_from_what_else_cargo_builds() {
        let message = |is_test: bool| {
            format!(
                r#"{{"manifest_path":"/w/cache/Cargo.toml","executable":"/t/faults-1",
                    "profile":{{"test":{is_test}}},"target":{{"kind":["test"],"name":"faults"}}}}"#
            )
        };
        let program = program_in(&message(true)).unwrap();
        assert_eq!((&*program.package, &*program.name), ("cache", "faults"));
        assert_eq!(program.executable, Path::new("/t/faults-1"));
        assert_eq!(program.directory, Path::new("/w/cache"));
        assert!(program_in(&message(false)).is_none());
        assert!(program_in("{\"reason\":\"build-finished\"}").is_none());
        assert!(program_in("warning: not JSON").is_none());
    }
}
