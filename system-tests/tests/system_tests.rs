//! The program, as `cargo xtask` runs it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_system-tests"));
    command.args(words).output().unwrap()
}

/// How many names it prints.
fn listed(words: &[&str]) -> usize {
    let output = run(words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().count()
}

#[test]
fn what_there_is_to_run_is_listed() {
    assert!(listed(&["faults", "--list"]) > 50);
    let all = ["integration", "--list", "--without-adapter-tests"];
    let of_one = listed(&[&all[..], &["--pair", "moka+sled"]].concat());
    assert!(of_one > 500);
    assert!(listed(&all) > 10 * of_one);
}

#[test]
fn outcomes_are_counted_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("outcomes.json");
    let words = ["integration", "--pair", "moka", "--without-adapter-tests"];
    let output = run(&[&words[..], &["--json", file.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(told["totals"]["passed"], 1, "the suite on moka by itself");
    assert_eq!(told["totals"]["failed"], 0);
}

#[test]
fn what_it_does_not_know_is_refused() {
    for words in [&[][..], &["model"], &["faults", "--lost"]] {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
}
