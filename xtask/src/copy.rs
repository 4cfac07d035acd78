use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use xtask::{
    Failure,
    workspace::{Workspace, cargo_in},
};

/// A copy of the files of the workspace, to be changed.
pub(crate) struct Copy {
    directory: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what git knows of or would take, as it is now, into `directory`. Each file that is `replaced`
    /// has the content of the other one. What was built of an earlier copy, in `target`, is used again.
    pub(crate) fn make(
        workspace: &Workspace,
        directory: PathBuf,
        target: PathBuf,
        replaced: &[(PathBuf, PathBuf)],
    ) -> Result<Self, Failure> {
        let copy = Self { directory, target };
        let files = files(workspace)?;
        for file in &files {
            let other = replaced.iter().find(|(replaced, _)| replaced == file);
            let from = workspace.root().join(other.map_or(file, |(_, from)| from));
            copy_if_changed(&from, &copy.directory.join(file))?;
        }
        // What is left of an earlier copy would be found by cargo: a test, a module, a binary.
        remove_others(&copy.directory, &copy.directory, &files)?;
        Ok(copy)
    }

    /// Runs `work` while `file` has `wrong` in the place of `right`.
    pub(crate) fn with<T>(
        &self,
        file: &str,
        (right, wrong): (&str, &str),
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let path = self.directory.join(file);
        let code = fs::read_to_string(&path)?;
        if code.matches(right).count() != 1 {
            return Err(format!("{file}: {right:?} is not there once").into());
        }
        fs::write(&path, code.replace(right, wrong))?;
        let outcome = work();
        fs::write(&path, code)?;
        outcome
    }

    /// `cargo` with these arguments, to be run in the copy.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo_in(&self.directory, arguments);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

/// The files of the workspace, from its root.
fn files(workspace: &Workspace) -> Result<HashSet<PathBuf>, Failure> {
    let options = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let list = workspace.program("git", &options).output()?;
    if !list.status.success() {
        let said = String::from_utf8_lossy(&list.stderr);
        return Err(format!("git does not list the files: {}", said.trim()).into());
    }
    let files = String::from_utf8(list.stdout)?;
    let files = files.split_terminator('\0').map(PathBuf::from);
    // Others are deleted, but not yet for git.
    Ok(files
        .filter(|file| workspace.root().join(file).exists())
        .collect())
}

/// What did not change keeps its time, so that cargo does not build it again.
fn copy_if_changed(from: &Path, to: &Path) -> Result<(), Failure> {
    let content = fs::read(from)?;
    if fs::read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(to, content)?;
    Ok(())
}

/// Removes every file in `directory` that is none of `files`, which are named from `root`.
fn remove_others(directory: &Path, root: &Path, files: &HashSet<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, root, files)?;
        } else if !files.contains(path.strip_prefix(root)?) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_of_the_workspace_are_left_of_an_earlier_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = |file: &str| directory.path().join(file);
        fs::create_dir(path("tests")).unwrap();
        for file in ["lib.rs", "old.rs", "tests/one.rs", "tests/old.rs"] {
            fs::write(path(file), "").unwrap();
        }
        let files = HashSet::from(["lib.rs", "tests/one.rs"].map(PathBuf::from));
        remove_others(directory.path(), directory.path(), &files).unwrap();
        assert!(path("lib.rs").exists() && path("tests/one.rs").exists());
        assert!(!path("old.rs").exists() && !path("tests/old.rs").exists());
    }
}
