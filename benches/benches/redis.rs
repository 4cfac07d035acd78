//! What does a composition cost whose second layer is a Redis server?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::redis::cases())
}
