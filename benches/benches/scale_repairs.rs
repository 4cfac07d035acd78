//! What does a hit cost while repairs of other keys are pending?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::scale::repairs::cases())
}
