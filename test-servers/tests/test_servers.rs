//! The program: it tells another one where servers are, and ends as that one does.

#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-servers"));
    command.args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_program_knows_where_its_servers_are_and_how_it_ended_is_passed_on() {
    let script = "echo $REDIS_URL $DYNAMODB_ENDPOINT; exit 7";
    let output = run(&["redis", "dynamodb", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = said(&output);
    let (redis, dynamodb) = said.trim().split_once(' ').unwrap();
    assert!(redis.starts_with("redis"), "{said}");
    assert!(dynamodb.starts_with("http"), "{said}");
}

#[test]
fn server_programs_come_with_their_versions() {
    let output = run(&["redis-programs"]);
    assert!(output.status.success());
    // The one has a version, the other is not there for a reason.
    assert_eq!(said(&output).lines().count(), 2, "{output:?}");
    let named = |line: &str| line.contains('\t') || line.contains(": ");
    assert!(said(&output).lines().all(named), "{output:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    for words in [
        &["postgres", "--", "true"][..],
        &["redis"],
        &["redis", "--"],
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}
