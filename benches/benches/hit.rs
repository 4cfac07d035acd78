//! What does a typed hit in process cost?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::hit::cases())
}
