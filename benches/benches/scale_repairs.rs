//! What does a hit cost while a layer owes writes of other keys?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::scale::repairs::cases())
}
