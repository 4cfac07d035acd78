//! What does a typed read of a local disk cost, while what is read is in sled's memory?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::sled::cases())
}
