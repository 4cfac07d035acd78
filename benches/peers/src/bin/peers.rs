//! Measures the cases that the arguments select, and prints a table.

use std::{
    env,
    process::{Command, ExitCode, Stdio},
};

use hitbox_benches::{Failure, Selection, exit_code};
use hitbox_peers::table::{Counted, HEAD, Table};

fn main() -> ExitCode {
    exit_code(measure())
}

fn measure() -> Result<(), Failure> {
    let selection = Selection::parse(lexopt::Parser::from_env())?;
    let cases = hitbox_peers::in_process()
        .into_iter()
        .chain(hitbox_peers::with_server());
    let cases = cases.filter(|case| selection.takes(case));
    if selection.lists() {
        for case in cases {
            println!("{}", case.name());
        }
        return Ok(());
    }
    let mut table = Table::new(counted()?);
    println!("{HEAD}");
    for case in cases {
        let row = case.measure(selection.extent());
        let row = row.map_err(|failure| format!("{}: {failure}", case.name()))?;
        println!("{}", table.lines(&row)?);
    }
    Ok(())
}

/// Has the program that counts allocations built and run, with the same arguments. `cargo run` builds
/// only the program that it runs.
fn counted() -> Result<Counted, Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--bin", "allocations"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--")
        .args(env::args_os().skip(1))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the allocations could not be counted".into());
    }
    Counted::parse(std::str::from_utf8(&output.stdout)?)
}
