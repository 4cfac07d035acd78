//! What the record of a composition takes, by the count of the allocator, where one key fails or is
//! waited for again and again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{alloc::System, num::NonZeroUsize, sync::Mutex};

use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Backend, Compose, CompositionPolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn value() -> CacheValue<Raw> {
    CacheValue::new(Raw::from(Bytes::from_static(b"v")), None, None)
}

#[test]
fn failing_writes_of_one_key_take_bounded_memory() {
    let _guard = ONE_AT_A_TIME.lock();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1).unwrap());
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let key = CacheKey::from_str("id", "1");
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
    let _guard = ONE_AT_A_TIME.lock();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(1).unwrap());
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let key = CacheKey::from_str("id", "1");
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
