//! The tests that adapters have of their own: servers that are killed, paused, full, mistaken.
//!
//! They live with the adapters, as tests that cargo runs. Here each is a case: a process of its own
//! with servers of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    adapter::Adapter,
    case::{Case, CaseId},
    cases::NONE,
};
use crate::{Failure, workspace::Workspace};

/// Whose adapters work with servers.
const WITH_SERVERS: [(Adapter, &str); 2] = [
    (Adapter::Redis, "hitbox-redis"),
    (Adapter::DynamoDb, "hitbox-dynamodb"),
];

/// A compiled file of tests.
struct TestBinary {
    /// The name of the file, without `.rs`.
    name: String,
    executable: PathBuf,
    /// Where cargo would run it.
    directory: PathBuf,
}

/// Every test of those adapters that are wanted, in the order in which cargo would run them. Builds
/// them.
pub(super) fn cases(wanted: impl Fn(&str) -> bool) -> Result<Vec<Case>, Failure> {
    let workspace = Workspace::load()?;
    let mut cases = Vec::new();
    for (adapter, package) in WITH_SERVERS {
        if !wanted(adapter.as_str()) {
            continue;
        }
        for binary in build(&workspace, package)? {
            for test in tests_of(&binary)? {
                cases.push(case(adapter, &binary, test));
            }
        }
    }
    Ok(cases)
}

fn build(workspace: &Workspace, package: &str) -> Result<Vec<TestBinary>, Failure> {
    let arguments = ["test", "--no-run", "--package", package, "--all-features"];
    let mut command = workspace.cargo(&arguments);
    command.args(["--test", "*", "--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the tests of {package} do not build").into());
    }
    let messages = String::from_utf8(output.stdout)?;
    Ok(messages.lines().filter_map(test_binary).collect())
}

/// What cargo says of a file of tests that it has built; `None` for anything else that it says.
fn test_binary(message: &str) -> Option<TestBinary> {
    let message: Value = serde_json::from_str(message).ok()?;
    let kinds = message["target"]["kind"].as_array()?;
    if !kinds.iter().any(|kind| kind == "test") {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(TestBinary {
        name: message["target"]["name"].as_str()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        directory: manifest.parent()?.to_path_buf(),
    })
}

fn tests_of(binary: &TestBinary) -> Result<Vec<String>, Failure> {
    let output = Command::new(&binary.executable)
        .args(["--list", "--format", "terse"])
        .current_dir(&binary.directory)
        .output()?;
    let listed = String::from_utf8(output.stdout)?;
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn case(adapter: Adapter, binary: &TestBinary, test: String) -> Case {
    let (executable, directory) = (binary.executable.clone(), binary.directory.clone());
    Case {
        id: CaseId {
            pair: adapter.as_str().into(),
            read: NONE,
            write: NONE,
            mode: NONE,
            scenario: format!("{}: {}", binary.name, test.replace('_', " ")).into(),
        },
        adapters: Vec::new(),
        run: Box::new(move |_| {
            Box::pin(async move {
                let mut command = tokio::process::Command::new(executable);
                command.args(["--exact", &test]).current_dir(directory);
                let output = command.kill_on_drop(true).output().await;
                let output = output.map_err(|error| error.to_string())?;
                if output.status.success() {
                    return Ok(());
                }
                let (said, warned) = (
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                );
                Err(format!("{}{}", said.trim(), warned.trim()))
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_told_from_what_else_cargo_builds() {
        let message = |kind: &str| {
            format!(
                r#"{{"manifest_path":"/w/cache/Cargo.toml","executable":"/t/faults-1",
                    "target":{{"kind":["{kind}"],"name":"faults"}}}}"#
            )
        };
        let binary = test_binary(&message("test")).unwrap();
        assert_eq!(binary.name, "faults");
        assert_eq!(binary.executable, Path::new("/t/faults-1"));
        assert_eq!(binary.directory, Path::new("/w/cache"));
        assert!(test_binary(&message("lib")).is_none());
        assert!(test_binary("{\"reason\":\"build-finished\"}").is_none());
        assert!(test_binary("warning: not JSON").is_none());
    }
}
