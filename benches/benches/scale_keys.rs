//! How long does a hit take among so many keys?

use std::process::ExitCode;

use hitbox_benches::{answer, questions};

fn main() -> ExitCode {
    answer(&questions::scale::keys::cases())
}
