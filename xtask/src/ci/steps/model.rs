use super::{Report, Session};
use crate::{
    Failure,
    model::{self, Options},
};

/// What fails a change is to be that change, not a history that no one has met before: those are for
/// `cargo xtask model --minutes N`.
const SEED: u64 = 20_261_127;

/// Runs the model with its defaults: as many operations for each pair of policies as a change must
/// survive.
pub(super) fn run(_: &Session) -> Result<Report, Failure> {
    let summary = model::check(&Options::from_seed(SEED))?;
    let operations = summary.operations();
    Ok(match summary.violations() {
        0 => Report::passed().with_note(format!("{operations} operations")),
        violations => Report::failed(format!(
            "{violations} violations in {operations} operations"
        )),
    })
}
