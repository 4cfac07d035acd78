//! What does a hit cost while a subscriber is there whose level leaves out what the hit path says?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::tracing::cases())
}
