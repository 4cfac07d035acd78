//! Where the instructions of operations go: a table for each case that the arguments select.

use std::process::ExitCode;

use hitbox_benches::{counting::profile, exit_code, questions};

fn main() -> ExitCode {
    exit_code(profile::answer(&questions::all()))
}
