//! What the record of a composition takes, by the count of the allocator, where one key fails or is
//! waited for again and again.

use std::{num::NonZeroUsize, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Backend, BackendResult, Compose, CompositionPolicy, DeleteStatus, OffloadManager, ReadOutcome,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use stats_alloc::Region;

use crate::{ALLOCATOR, one_at_a_time};

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(b"v")), Stamp::now())
}

#[test]
fn failing_writes_of_one_key_take_bounded_memory() {
    let _alone = one_at_a_time();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1).unwrap());
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let key = CacheKey::from_pair("id", "1");
    faults.writes().always(Fault::FailBeforeEffect);
    let region = Region::new(ALLOCATOR);
    for _ in 0..200_000 {
        cache.write(&key, value()).now_or_never().unwrap().unwrap();
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    assert!(
        held < 500_000,
        "{held} bytes held for one key, record_capacity 1"
    );
}

#[test]
fn dropped_waiters_of_one_key_take_bounded_memory() {
    let _alone = one_at_a_time();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1).unwrap());
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let key = CacheKey::from_pair("id", "1");
    faults.removes().always(Fault::HangBeforeEffect);
    let mut held_up = Box::pin(cache.remove(&key));
    assert!((&mut held_up).now_or_never().is_none());
    let region = Region::new(ALLOCATOR);
    for _ in 0..100_000 {
        assert!(cache.write(&key, value()).now_or_never().is_none());
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    assert!(
        held < 500_000,
        "{held} bytes held by 100,000 dropped futures"
    );
}

#[test]
fn forgotten_keys_take_bounded_memory() {
    let _alone = one_at_a_time();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1_024).unwrap());
    let cache = l1.compose_with(Forgetful, DisabledOffload, policy);
    faults.writes().always(Fault::FailBeforeEffect);
    let region = Region::new(ALLOCATOR);
    let held_after = |numbers: Range<u32>| {
        for number in numbers {
            let key = CacheKey::from_pair("id", number.to_string());
            cache.write(&key, value()).now_or_never().unwrap().unwrap();
        }
        let change = region.change();
        change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated)
    };
    // Two times as many keys as the record holds, and a filter of 29 KiB.
    let few = held_after(0..100_000);
    assert!(few < 3_000_000, "{few} bytes held, record_capacity 1,024");
    let many = held_after(100_000..200_000);
    assert!(many < few + 250_000, "{few} bytes held, then {many}");
}

/// What a composition takes for each key of its record, in bytes: `cargo test -p hitbox-backend --test allocator --
/// --nocapture keys_of_the_record`. docs/bounds.md has it.
#[test]
fn keys_of_the_record_take_less_than_a_kilobyte() {
    const KEYS: usize = 16_384;
    let _alone = one_at_a_time();
    let held_for_each_key = |fault: Option<Fault>| {
        let (l1, faults) = FaultyBackend::new(Forgetful);
        let cache = l1.compose(Forgetful, DisabledOffload);
        if let Some(fault) = fault {
            faults.writes().always(fault);
        }
        let region = Region::new(ALLOCATOR);
        for number in 0..KEYS {
            // Keys of 26 bytes, which the record alone holds.
            let key = CacheKey::from_pair("number", format!("{number:015}"));
            cache.write(&key, value()).now_or_never().unwrap().unwrap();
        }
        let change = region.change();
        let held = change.bytes_allocated - change.bytes_deallocated;
        held / KEYS
    };
    let remembered = held_for_each_key(None);
    let pending = held_for_each_key(Some(Fault::FailBeforeEffect));
    println!("remembered: {remembered} bytes, with a repair pending: {pending} bytes");
    assert!((100..1_000).contains(&remembered), "{remembered}");
    assert!((100..1_000).contains(&pending), "{pending}");
}

/// What a lease takes, in bytes, and that it gives it back: `cargo test -p hitbox-backend --test allocator --
/// --nocapture leases`. docs/bounds.md has it.
#[test]
fn leases_take_less_than_a_kilobyte_and_leave_the_room_in_the_maps_alone() {
    const KEYS: usize = 16_384;
    let _alone = one_at_a_time();
    let cache = Forgetful.compose(Forgetful, DisabledOffload);
    let region = Region::new(ALLOCATOR);
    let held = || {
        let change = region.change();
        change.bytes_allocated - change.bytes_deallocated
    };
    let mut leases = Vec::with_capacity(KEYS);
    let before = held();
    let mut round = || {
        for number in 0..KEYS {
            let key = CacheKey::from_pair("number", format!("{number:015}"));
            leases.push(cache.begin_load(&key).now_or_never().unwrap().unwrap());
        }
        let each = (held() - before) / KEYS;
        leases.clear();
        (each, held() - before)
    };
    let (each, left) = round();
    println!("leased: {each} bytes, left of each: {}", left / KEYS);
    assert!((100..1_000).contains(&each), "{each}");
    assert!(left < each * KEYS);
    // The threads of the test program allocate, too, now and then: what leases left behind, each round would.
    let mut last = (each, left);
    let leaves_nothing = (0..10).any(|_| {
        let before = std::mem::replace(&mut last, round());
        before == last
    });
    assert!(leaves_nothing, "leases leave something behind: {last:?}");
}

#[test]
fn repairs_that_fail_take_bounded_memory() {
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(fail_again_and_again());
}

async fn fail_again_and_again() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let (l2, _faults) = FaultyBackend::new(Forgetful);
    let offload = OffloadManager::builder().build().unwrap();
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1_000).unwrap());
    let cache = l1.compose_with(l2, offload.clone(), policy);
    faults.writes().always(Fault::FailBeforeEffect);
    faults.removes().always(Fault::FailBeforeEffect);
    let region = Region::new(ALLOCATOR);
    for number in 0..50_000_u32 {
        let key = CacheKey::from_pair("id", number.to_string());
        cache.write(&key, value()).await.unwrap();
        if number % 500 == 0 {
            // Rounds of repairs in between.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    assert!(held < 3_000_000, "{held} bytes held, record_capacity 1,000");
    assert!(offload.statistics().deferred <= 3);
}

/// Takes every write and holds nothing.
struct Forgetful;

#[async_trait]
impl Backend for Forgetful {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }
    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }
    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }
    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("forgetful")
    }
}
