//! The program, as `cargo xtask` runs it.

use std::{fs, process::Command};

use serde_json::Value;

#[test]
fn a_history_is_repeated_by_its_seed_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let run = |name| {
        let file = directory.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_simulation"));
        command.args(["--seed=7", "--operations=1", "--layers=memory"]);
        let output = command.arg("--json").arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let told: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        told["total"].clone()
    };
    let (once, again) = (run("once"), run("again"));
    assert_eq!(once, again);
    assert_eq!(once["histories"], 12, "one for each pair of policies");
    assert!(once["operations"].as_u64() > Some(0));
    assert_eq!(once["violations"], 0);
}

#[test]
fn what_it_does_not_know_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulation"));
    let output = command.arg("--sead=7").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
