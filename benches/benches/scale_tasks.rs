//! What does one of many tasks pay for a hit?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::scale::tasks::cases())
}
