//! Every target on its whole corpus and on some mutations. `cargo xtask fuzz` runs many more.

use std::alloc::System;

use hitbox_fuzz::{TARGETS, corpus, counts_allocations, engine::Campaign};
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
