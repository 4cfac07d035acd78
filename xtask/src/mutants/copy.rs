use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{Check, Fate, Mutant};
use crate::{
    Failure,
    workspace::{Workspace, cargo_in},
};

/// A copy of the files of the workspace, to be broken.
pub(super) struct Copy {
    directory: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what git knows of, as it is now. What was built of an earlier copy is used again.
    pub(super) fn make(workspace: &Workspace) -> Result<Self, Failure> {
        let mutants = workspace.target_directory().join("mutants");
        let copy = Self {
            directory: mutants.join("workspace"),
            target: mutants.join("target"),
        };
        let mut list = workspace.program("git", &["ls-files", "-z", "--cached"]);
        let files = String::from_utf8(list.output()?.stdout)?;
        for file in files.split_terminator('\0') {
            let from = workspace.root().join(file);
            // Deleted, but not yet for git.
            if from.exists() {
                copy_if_changed(&from, &copy.directory.join(file))?;
            }
        }
        Ok(copy)
    }

    /// Runs `work` while the copy has the mistake.
    pub(super) fn with<T>(
        &self,
        mutant: &Mutant,
        work: impl FnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let file = self.directory.join(mutant.file);
        let code = fs::read_to_string(&file)?;
        if code.matches(mutant.right).count() != 1 {
            let problem = format!("{}: {:?} is not there once", mutant.file, mutant.right);
            return Err(problem.into());
        }
        fs::write(&file, code.replace(mutant.right, mutant.wrong))?;
        let outcome = work(self);
        fs::write(&file, code)?;
        outcome
    }

    pub(super) fn must_pass(&self, check: Check) -> Result<(), Failure> {
        if self.cargo(&check.run())? {
            Ok(())
        } else {
            Err(format!("{check} fails without any break").into())
        }
    }

    /// A break that does not compile is no break.
    pub(super) fn fate(&self, mutant: &Mutant) -> Result<Fate, Failure> {
        if !self.cargo(&mutant.check.build())? {
            return Err(format!("{} does not compile", mutant.mistake).into());
        }
        Ok(if self.cargo(&mutant.check.run())? {
            Fate::Missed
        } else {
            Fate::Caught
        })
    }

    /// Whether it succeeds.
    fn cargo(&self, arguments: &[String]) -> Result<bool, Failure> {
        let mut cargo = cargo_in(&self.directory, &[]);
        cargo.args(arguments);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        cargo.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(cargo.status()?.success())
    }
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
