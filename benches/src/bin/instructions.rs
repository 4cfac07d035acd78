//! How many instructions operations take: a line of JSON for each case that the arguments select.

use std::process::ExitCode;

use hitbox_benches::{counting::instructions, exit_code, questions};

fn main() -> ExitCode {
    exit_code(instructions::answer(&questions::in_process()))
}
