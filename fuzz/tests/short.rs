//! Every target on its whole corpus and on some mutations. `cargo xtask fuzz` runs many more.

use std::alloc::System;

use hitbox_backend::{BincodeFormat, Format, PostcardFormat};
use hitbox_fuzz::{TARGETS, Target, corpus, counts_allocations, engine::Campaign};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const EXECUTIONS: u64 = 5_000;

/// One test for all: the counters of the allocator are the process's.
#[test]
fn no_target_fails() {
    assert!(counts_allocations());
    // Another one in each run; a failure prints it.
    let seed = fastrand::u64(..);
    for target in TARGETS {
        let files = corpus::load(target).unwrap();
        let inputs: Vec<Vec<u8>> = files.into_iter().map(|(_, input)| input).collect();
        let campaign = Campaign {
            target,
            corpus: &inputs,
            executions: EXECUTIONS,
            seed,
            journal: None,
        };
        let summary = campaign.run().unwrap();
        println!("{} {:?} {:?}", target.name, summary.took, summary.observed);
        if let Some(crash) = summary.crash {
            let (name, message) = (target.name, crash.message);
            panic!("{name}, with seed {seed}: {message}\n{:02x?}", crash.input);
        }
        assert!(
            summary.observed.decoded > 0 && summary.observed.rejected > 0,
            "{target:?}"
        );
    }
}

/// A length that no payload has is one only as its format writes it.
#[test]
fn tokens_are_the_lengths_that_they_are_meant_to_be() {
    const TWO_BYTES: u64 = 0xFFFF;
    const FOUR_BYTES: u64 = 0xFFFF_FFFF;
    const FIVE_BYTES: u64 = 1 << 32;
    let lengths: [(&str, &dyn Format, [u64; 3]); 2] = [
        (
            "bincode",
            &BincodeFormat,
            [TWO_BYTES, FOUR_BYTES, FIVE_BYTES],
        ),
        (
            "postcard",
            &PostcardFormat,
            [TWO_BYTES, FIVE_BYTES, u64::MAX],
        ),
    ];
    for (name, format, lengths) in lengths {
        let tokens = Target::named(name).unwrap().tokens;
        for length in lengths {
            let written = format.encode(&length).unwrap();
            assert!(
                tokens.contains(&&written[..]),
                "{name} has no token for {length}: {written:02x?}"
            );
        }
    }
}

#[test]
fn no_token_is_the_source_text_of_bytes() {
    let is_hex_escape =
        |text: &[u8]| matches!(text, [b'x', rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit));
    for target in TARGETS {
        for token in target.tokens {
            assert!(
                !token.windows(3).any(is_hex_escape),
                "{}: {:?}",
                target.name,
                String::from_utf8_lossy(token)
            );
        }
    }
}
