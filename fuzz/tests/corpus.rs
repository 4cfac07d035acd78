//! The corpus in the repository.
//!
//! `HITBOX_WRITE_CORPUS=1 cargo test -p hitbox-fuzz --test corpus` writes what is generated. Files
//! with other names stay as they are: inputs that a fuzzer has found.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

use std::{fs, path::PathBuf};

use hitbox_fuzz::{Seed, TARGETS, Target, corpus};

/// In bytes, all files together.
const LARGEST: usize = 200_000;

/// The seeds of the target, and the golden files for what reads stored forms.
fn generated(target: &Target) -> Vec<Seed> {
    let mut seeds = (target.seeds)();
    if ["stored_form", "typed_read"].contains(&target.name) {
        let golden: PathBuf = [
            env!("CARGO_MANIFEST_DIR"),
            "..",
            "hitbox-backend",
            "tests",
            "golden",
        ]
        .iter()
        .collect();
        for entry in fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            seeds.push((format!("golden-{name}"), fs::read(&path).unwrap()));
        }
    }
    seeds
}

#[test]
fn the_corpus_holds_what_is_generated() {
    for target in TARGETS {
        let folder = corpus::folder(target);
        let seeds = generated(target);
        if std::env::var_os("HITBOX_WRITE_CORPUS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for (name, input) in &seeds {
                fs::write(folder.join(name), input).unwrap();
            }
        }
        for (name, input) in &seeds {
            let kept = fs::read(folder.join(name));
            let kept = kept.unwrap_or_else(|error| panic!("{}/{name}: {error}", target.name));
            // Another version of a codec may compress otherwise; the old frames are as good.
            let compressed = ["gzip", "zstd", "lz4"]
                .iter()
                .any(|codec| name.contains(codec) || target.name == *codec);
            if !compressed {
                assert!(kept == *input, "{}/{name}", target.name);
            }
        }
    }
}

#[test]
fn the_corpus_is_small_and_has_no_file_twice() {
    let mut bytes = 0;
    for target in TARGETS {
        let files = corpus::load(target).unwrap();
        bytes += files.iter().map(|(_, input)| input.len()).sum::<usize>();
        let mut inputs: Vec<_> = files.iter().map(|(_, input)| input).collect();
        inputs.sort();
        inputs.dedup();
        assert_eq!(inputs.len(), files.len(), "{}", target.name);
    }
    assert!(bytes <= LARGEST, "{bytes} bytes");
}
