//! What does get-or-load cost, where there is more to do than to hit?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::loads::cases())
}
