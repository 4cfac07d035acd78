//! The programs that cargo builds: of tests, and others.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Failure, workspace::Workspace};

/// Makes cargo tell what it has built. Among the arguments of what is given to [`built_by`].
pub const MESSAGES: &str = "--message-format=json-render-diagnostics";

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of the directory that its crate lies in.
    pub package: String,
    /// The name of its target: of a file of tests that without `.rs`, of unit tests the crate's.
    pub name: String,
    /// Where it is.
    pub executable: PathBuf,
    /// The directory of its crate, where cargo would run it if it is one of tests.
    pub directory: PathBuf,
    /// Whether it is a program of tests.
    pub is_test: bool,
}

/// The programs that this run of cargo builds, or finds built.
///
/// # Errors
///
/// If something does not compile: cargo has told the terminal.
pub fn built_by(mut cargo: Command) -> Result<Vec<Program>, Failure> {
    let output = cargo.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let arguments: Vec<_> = cargo.get_args().map(OsStr::to_string_lossy).collect();
        return Err(format!("it does not build: cargo {}", arguments.join(" ")).into());
    }
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().filter_map(program_in).collect())
}

/// Builds the tests that `cargo test` would build with these arguments, and the programs that they run.
///
/// # Errors
///
/// If they do not compile.
pub fn with_tests(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<Program>, Failure> {
    let mut cargo = workspace.cargo(&["test", "--no-run", "--all-features", MESSAGES]);
    cargo.args(arguments);
    built_by(cargo)
}

/// The one of this name that is no program of tests.
///
/// # Errors
///
/// If it is not there.
pub fn named<'p>(programs: &'p [Program], name: &str) -> Result<&'p Path, Failure> {
    let mut others = programs.iter().filter(|program| !program.is_test);
    let program = others.find(|program| program.name == name);
    let program = program.ok_or_else(|| format!("cargo does not say where it has built {name}"))?;
    Ok(&program.executable)
}

/// The program that this message of cargo's tells of, if it does.
fn program_in(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = directory.file_name().and_then(OsStr::to_str);
    Some(Program {
        package: package.unwrap_or_default().to_owned(),
        name: message["target"]["name"].as_str()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        directory: directory.to_path_buf(),
        is_test: message["profile"]["test"] == true,
    })
}

impl Program {
    /// The program of tests with these arguments, to be run where cargo would run it.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).current_dir(&self.directory);
        command.env("CARGO_MANIFEST_DIR", &self.directory);
        command
    }

    /// The names of its tests.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub fn tests(&self) -> Result<Vec<String>, Failure> {
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
    fn programs_of_tests_are_told_from_others() {
        let message = |is_test: bool| {
            format!(
                r#"{{"manifest_path":"/w/cache/Cargo.toml","executable":"/t/faults-1",
                    "profile":{{"test":{is_test}}},"target":{{"kind":["test"],"name":"faults"}}}}"#
            )
        };
        let test = program_in(&message(true)).unwrap();
        assert_eq!((&*test.package, &*test.name), ("cache", "faults"));
        assert_eq!(test.directory, Path::new("/w/cache"));
        let other = program_in(&message(false)).unwrap();
        assert!(test.is_test && !other.is_test);
        let both = [test, other];
        assert_eq!(named(&both, "faults").unwrap(), Path::new("/t/faults-1"));
        assert!(named(&both[..1], "faults").is_err());
    }

    #[test]
    fn other_messages_tell_of_none() {
        let library = r#"{"manifest_path":"/w/cache/Cargo.toml","executable":null,
                          "profile":{"test":false},"target":{"name":"moka"}}"#;
        for message in [
            library,
            r#"{"reason":"build-finished"}"#,
            "warning: not JSON",
        ] {
            assert!(program_in(message).is_none(), "{message}");
        }
    }
}
