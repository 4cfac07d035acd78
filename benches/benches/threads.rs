//! Do two threads get twice as much done as one?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::threads::cases())
}
