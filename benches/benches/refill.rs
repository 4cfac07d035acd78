//! What does a miss in L1 cost that L2 answers, L1 being filled with the answer?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::refill::cases())
}
