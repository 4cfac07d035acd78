//! What does the size of a value cost?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::scale::values::cases())
}
