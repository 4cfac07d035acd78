//! `cargo xtask fuzz`.

use lexopt::Parser;
use xtask::{Failure, Verdict, workspace::Workspace};

/// Builds the runner with optimisation and hands the arguments on to it.
pub(crate) fn run(mut arguments: Parser) -> Result<Verdict, Failure> {
    let workspace = Workspace::load()?;
    let mut command = workspace.cargo(&["run", "--release", "--quiet", "-p", "hitbox-fuzz", "--"]);
    let status = command.args(arguments.raw_args()?).status()?;
    if status.success() {
        return Ok(Verdict::Passed);
    }
    if status.code().is_none_or(|code| code > 2) {
        // A stack overflow, or memory that ran out: nothing was left to report with.
        eprintln!(
            "The process was ended ({status}). The same seed with --journal FILE leaves the input."
        );
    }
    Ok(Verdict::Failed)
}
