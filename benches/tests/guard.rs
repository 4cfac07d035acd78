//! Fails when a hit or a write allocates more, or takes more instructions, than `guard.json` says.
//!
//! What is recorded is what an optimised build does: `cargo xtask ci --step guard`, which is
//! `cargo test --release -p hitbox-benches --test guard`. `cargo xtask bench --record-guard` records
//! the counts anew, after a change that is meant to cost what it costs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use hitbox_benches::counting::guard::{Count, Counted, RUSTC};
use serde_json::Value;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guard.json")
}

/// What a counting program prints, by case.
fn counts(program: &str, what: &str, arguments: &[&str]) -> BTreeMap<String, f64> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let counts = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let case = line["case"].as_str().unwrap().to_owned();
        (case, line[what].as_f64().unwrap())
    });
    counts.collect()
}

fn counted() -> Counted {
    const GUARDED: [&str; 5] = ["--quick", "--question", "hit", "--question", "write"];
    let instructions = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_instructions");
        counts(program, "instructions", arguments)
    };
    let calibration = instructions(&["--question", "calibration"]);
    let instructions = instructions(&GUARDED);
    let allocations = counts(env!("CARGO_BIN_EXE_allocations"), "allocations", &GUARDED);
    let cases = allocations.into_iter().map(|(case, allocations)| {
        let instructions = instructions.get(&case).copied();
        let count = Count {
            allocations,
            instructions,
        };
        (case, count)
    });
    Counted {
        rustc: RUSTC.to_owned(),
        calibration: calibration.into_values().next(),
        cases: cases.collect(),
    }
}

#[test]
fn nothing_costs_more_than_is_recorded() {
    if cfg!(debug_assertions) {
        println!("nothing is compared: this build is not optimised");
        return;
    }
    let counted = counted();
    if env::var("HITBOX_GUARD").is_ok_and(|mode| mode == "record") {
        assert!(counted.calibration.is_some(), "recording takes valgrind");
        let text = serde_json::to_string_pretty(&counted).unwrap();
        fs::write(file(), text + "\n").unwrap();
        println!("recorded in {}", file().display());
        return;
    }
    let recorded = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let comparison = counted.against(&recorded);
    println!("{} cases compared\n{comparison}", counted.cases.len());
    assert!(comparison.regressions.is_empty(), "{comparison}");
}
