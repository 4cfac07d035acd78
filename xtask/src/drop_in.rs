//! `cargo xtask drop-in`.

use std::{path::PathBuf, process::Command};

use lexopt::{Arg, Parser};
use xtask::{Failure, Verdict, workspace::Workspace};

use crate::copy::Copy;

const HELP: &str = "\
Puts policies that were written elsewhere in the place of the seven built-in ones, in a copy of the
workspace, and runs the scenarios of composition with them: only what the traits promise may be asked of
a policy file.

Usage: cargo xtask drop-in [OPTIONS]

Options:
  -h, --help  Print this

The policies are in xtask/drop-in. The copy is under target/drop-in; what is built of it is where
everything else is, so that dependencies are not built again.
";

/// The files of policies, without `.rs`, in `policy` of the composition and in `xtask/drop-in`.
const POLICIES: [&str; 7] = [
    "read/sequential",
    "read/race",
    "read/parallel",
    "write/sequential",
    "write/optimistic_parallel",
    "write/race",
    "write/strict",
];

pub(crate) fn run(mut arguments: Parser) -> Result<Verdict, Failure> {
    match arguments.next()? {
        Some(Arg::Short('h') | Arg::Long("help")) => {
            print!("{HELP}");
            Ok(Verdict::Passed)
        }
        Some(other) => Err(other.unexpected().into()),
        None => Ok(match scenarios(&Workspace::load()?)?.status()?.success() {
            true => Verdict::Passed,
            false => Verdict::Failed,
        }),
    }
}

/// Makes the copy. Returns the command that compiles it and runs the scenarios.
pub(crate) fn scenarios(workspace: &Workspace) -> Result<Command, Failure> {
    let target = workspace.target_directory();
    let replaced = POLICIES.map(|policy| {
        let ours = format!("hitbox-backend/src/composition/policy/{policy}.rs");
        let theirs = format!("xtask/drop-in/{policy}.rs");
        println!("{theirs} takes the place of {ours}");
        (PathBuf::from(ours), PathBuf::from(theirs))
    });
    let copy = Copy::make(workspace, target.join("drop-in"), target, &replaced)?;
    let mut command = copy.cargo(&["test", "--all-features", "--lib", "--test", "composition"]);
    command.args([
        "--package",
        "hitbox-backend",
        "--package",
        "hitbox-scenarios",
    ]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A policy that is added later must be replaced, too.
    #[test]
    fn every_policy_is_replaced() {
        let workspace = Workspace::load().unwrap();
        let policies = |root: &str| {
            let files = |kind: &str| {
                let directory = workspace.root().join(root).join(kind);
                let files = fs::read_dir(directory).unwrap();
                let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
                let files = names.filter(|name| name != "mod.rs");
                let files = files.map(|file| format!("{kind}/{file}"));
                files.collect::<Vec<_>>()
            };
            let mut all = [files("read"), files("write")].concat();
            all.sort();
            all
        };
        let mut listed = POLICIES.map(|policy| format!("{policy}.rs"));
        listed.sort();
        assert_eq!(policies("hitbox-backend/src/composition/policy"), listed);
        assert_eq!(policies("xtask/drop-in"), listed);
    }
}
