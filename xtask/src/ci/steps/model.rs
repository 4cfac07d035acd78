use super::{Report, Session};
use crate::{
    Failure,
    model::{self, Options},
};

/// Runs the model with its defaults: as many operations for each pair of policies as a change must
/// survive, from a seed of its own each time.
pub(super) fn run(_: &Session) -> Result<Report, Failure> {
    let summary = model::check(&Options::default())?;
    let operations = summary.operations();
    Ok(match summary.violations() {
        0 => Report::passed().with_note(format!("{operations} operations")),
        violations => Report::failed(format!(
            "{violations} violations in {operations} operations"
        )),
    })
}
