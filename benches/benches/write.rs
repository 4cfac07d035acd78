//! What does a write in process cost?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::write::cases())
}
