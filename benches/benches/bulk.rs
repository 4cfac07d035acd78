//! What does a read of many keys cost through a composition?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::redis::bulk_cases())
}
