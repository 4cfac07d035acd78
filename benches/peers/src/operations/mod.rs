//! What is done, by whom, and the floor beside it.

pub(crate) mod get_or_load;
pub(crate) mod hit;
pub(crate) mod memory;
pub(crate) mod parallel;
pub(crate) mod redis;
pub(crate) mod set;
pub(crate) mod sled;

use std::rc::Rc;

use hitbox_benches::{Case, Contest, Failure, Runner, bodies::Size, runtime};
use tokio::runtime::Runtime;

/// How what is to be measured is made.
type Build = fn(&Rc<Runtime>, Size) -> Result<Runner, Failure>;

/// The case of a subject in process. Quick runs take those of 1 KB.
fn in_process(operation: &str, size: Size, subject: &str, build: Build, floor: Build) -> Case {
    let case = Case::contest(name(operation, size, subject), move || {
        let runtime = runtime()?;
        Ok(Contest::between(
            build(&runtime, size)?,
            floor(&runtime, size)?,
        ))
    });
    quick(case, size)
}

fn name(operation: &str, size: Size, subject: &str) -> String {
    format!("{operation}/{size}/{subject}")
}

fn quick(case: Case, size: Size) -> Case {
    match size {
        Size::ONE_KB => case.quick(),
        _ => case,
    }
}
