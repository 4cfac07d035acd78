//! Which step follows from what is known of the layers: the table of write policies, row by row.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use hitbox_backend::{
    Backend, Compose,
    CompositionLayer::{L1, L2},
    CompositionPolicy, CompositionWritePolicy, OptimisticParallelWritePolicy, RaceLoserPolicy,
    RaceWritePolicy, SequentialWritePolicy, StrictWritePolicy, WriteDecision, WriteObserved,
    WriteObserved::{Failed, NotAsked, Pending, Written},
    WriteStep,
    WriteStep::{Done, Fail, Wait, Write},
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};

fn check(policy: &impl CompositionWritePolicy, table: [[WriteStep; 4]; 4]) {
    let states = [NotAsked, Pending, Written, Failed];
    for (l1, row) in states.into_iter().zip(table) {
        for (l2, step) in states.into_iter().zip(row) {
            let next = policy.next_step(l1, l2);
            assert_eq!(next, Some(step), "L1 {l1:?}, L2 {l2:?}");
        }
    }
}

#[test]
fn a_sequential_write_asks_l2_once_l1_has_taken_the_value() {
    //          L2: not asked   pending     written     failed
    check(
        &SequentialWritePolicy::new(),
        [
            /* not asked */ [Write(L1), Write(L1), Write(L1), Write(L1)],
            /* pending   */ [Wait, Wait, Wait, Wait],
            /* written   */ [Write(L2), Wait, Done, Fail(L2)],
            /* failed    */ [Fail(L1), Wait, Fail(L1), Fail(L1)],
        ],
    );
}

#[test]
fn an_optimistic_write_waits_for_both_layers_and_needs_one() {
    check(
        &OptimisticParallelWritePolicy::new(),
        [
            /* not asked */ [Write(L1), Write(L1), Write(L1), Write(L1)],
            /* pending   */ [Write(L2), Wait, Wait, Wait],
            /* written   */ [Write(L2), Wait, Done, Done],
            /* failed    */ [Write(L2), Wait, Done, Fail(L2)],
        ],
    );
}

#[test]
fn a_strict_write_needs_both_layers() {
    check(
        &StrictWritePolicy::new(),
        [
            /* not asked */ [Write(L1), Write(L1), Write(L1), Write(L1)],
            /* pending   */ [Write(L2), Wait, Wait, Wait],
            /* written   */ [Write(L2), Wait, Done, Fail(L2)],
            /* failed    */ [Write(L2), Wait, Fail(L1), Fail(L2)],
        ],
    );
}

#[test]
fn a_race_ends_with_the_first_layer_that_takes_the_value() {
    for loser in [RaceLoserPolicy::Offload, RaceLoserPolicy::Drop] {
        let race = RaceWritePolicy::new().loser(loser);
        // A loser that is to be dropped is not begun.
        let after_l1 = match loser {
            RaceLoserPolicy::Offload => Write(L2),
            RaceLoserPolicy::Drop => Done,
        };
        check(
            &race,
            [
                /* not asked */ [Write(L1), Write(L1), Write(L1), Write(L1)],
                /* pending   */ [Write(L2), Wait, Done, Wait],
                /* written   */ [after_l1, Done, Done, Done],
                /* failed    */ [Write(L2), Wait, Done, Fail(L2)],
            ],
        );
        assert_eq!(CompositionWritePolicy::if_left_behind(&race), loser);
    }
}

/// Counts how often a write begins.
struct Counting(Arc<AtomicUsize>);

impl WriteDecision for Counting {
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        let step = StrictWritePolicy::new().next(l1, l2);
        if step == Write(L1) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        step
    }
}

/// A write that has to wait for the one before it is admitted once, and goes on where it waits.
#[tokio::test]
async fn a_contended_write_is_admitted_once() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let begun = Arc::<AtomicUsize>::default();
    let policy = CompositionPolicy::new().write(Counting(Arc::clone(&begun)));
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let key = CacheKey::from_pair("key", "1");
    let value = || {
        let data = Raw::from(Bytes::from_static(b"value"));
        CacheValue::loaded(data, Stamp::now())
    };
    cache.write(&key, value()).await.unwrap();
    let uncontended = begun.swap(0, Ordering::Relaxed);

    faults.removes().next(1, Fault::HangBeforeEffect);
    let mut remove = cache.remove(&key);
    assert!(futures::poll!(&mut remove).is_pending());
    let mut write = cache.write(&key, value());
    assert!(futures::poll!(&mut write).is_pending());
    faults.removes().heal();
    let (removed, written) = futures::join!(remove, write);
    removed.unwrap();
    written.unwrap();
    assert_eq!(begun.load(Ordering::Relaxed), uncontended);
    assert_eq!(cache.pending_repair_count(), 0);
}
