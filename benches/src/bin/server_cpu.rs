//! What announced writes, and those who listen to them, cost a Redis server: a table in Markdown.

use std::process::ExitCode;

use hitbox_benches::{exit_code, server_cpu};

fn main() -> ExitCode {
    exit_code(server_cpu::answer())
}
