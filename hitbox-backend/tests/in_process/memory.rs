//! What the cache takes, by the count of the allocator.

use std::{alloc::System, sync::Arc, thread};

use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend, CacheBackend,
    in_process::{Capacity, InProcessBuilder},
    weight,
};
use hitbox_core::{CacheKey, CacheValue, Stamp};
use stats_alloc::Region;

use crate::{ALLOCATOR, OVERHEAD, Tested, TestedStore, one_at_a_time};

const MIB: usize = 1 << 20;

#[test]
fn memory_follows_the_weights() {
    let _alone = one_at_a_time();
    overhead_of_an_entry();
    for (max_bytes, payload) in [
        // Between two sizes at which a table of entries doubles.
        (5 * MIB, 0),
        (4 * MIB, 100),
        (16 * MIB, 1_000),
        // 64 of these are three times the capacity: what moka alone would let pile up.
        (4 * MIB, 80_000),
        (64 * MIB, MIB),
    ] {
        filled_beyond_its_capacity(max_bytes, payload);
    }
    filled_by_many_threads();
    a_hit_allocates_only_its_future();
}

fn overhead_of_an_entry() {
    const ENTRIES: usize = 50_000;
    let resident_before = resident_bytes();
    let region = Region::new(ALLOCATOR);
    let cache = built(Tested::builder().max_entries(2 * ENTRIES as u64));
    let mut weights = 0;
    for index in 0..ENTRIES {
        let (key, value) = entry(index, 100);
        write(&cache, &key, value);
        let kept = now(cache.read(&key)).unwrap().unwrap();
        weights += key.weight() + weight(kept.data());
    }
    cache.run_pending_tasks();
    let per_entry = |bytes: usize| bytes.saturating_sub(weights) / ENTRIES;
    let overhead = per_entry(live_bytes(&region));
    println!("overhead of an entry: {overhead} bytes asked of the allocator");
    if let (Some(before), Some(after)) = (resident_before, resident_bytes()) {
        let resident = per_entry(after.saturating_sub(before));
        println!("overhead of an entry: {resident} bytes resident");
    }
    assert!(OVERHEAD.contains(&overhead), "{overhead}");
    drop(cache);
}

fn filled_beyond_its_capacity(max_bytes: usize, payload: usize) {
    let region = Region::new(ALLOCATOR);
    let cache = built(
        Tested::builder()
            .max_bytes(max_bytes as u64)
            .largest_value(payload + 100)
            .count_evictions(),
    );
    let mut peak = 0;
    for index in 0..3 * max_bytes / (payload + 300) {
        let (key, value) = entry(index, payload);
        write(&cache, &key, value);
        peak = peak.max(live_bytes(&region));
    }
    let percent = 100 * peak / max_bytes;
    println!("max_bytes {max_bytes}, payload {payload}: peak {percent} %");
    assert!(percent <= 115, "{percent} %: {:?}", cache.statistics());
    // Too heavy weights would pass the test above with a cache that is hardly used.
    assert!(percent >= 75, "{percent} %: {:?}", cache.statistics());
    assert!(cache.statistics().evicted_by_bound.unwrap() > 0);
}

/// Looks only at the end: while threads write, memory that is no longer used waits for the one that
/// the scheduler has put aside in the middle of a look-up.
fn filled_by_many_threads() {
    const MAX_BYTES: usize = 32 * MIB;
    let region = Region::new(ALLOCATOR);
    let cache = built(Tested::builder().max_bytes(MAX_BYTES as u64));
    thread::scope(|scope| {
        for writer in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for index in 0..500 {
                    let (key, value) = entry(writer * 500 + index, 50_000);
                    write(cache, &key, value);
                }
            });
        }
    });
    cache.run_pending_tasks();
    let percent = 100 * live_bytes(&region) / MAX_BYTES;
    println!("max_bytes {MAX_BYTES}, filled by 4 threads: {percent} %");
    assert!((75..=115).contains(&percent), "{percent} %");
}

fn a_hit_allocates_only_its_future() {
    let cache = built(Tested::builder().max_entries(10));
    let (key, value) = entry(1, 100);
    write(&cache, &key, value);
    cache.run_pending_tasks();
    let mut context = hitbox_core::CacheContext::default().boxed();
    let mut hit = || {
        let region = Region::new(ALLOCATOR);
        let found = now(cache.read_with(&key, &mut context)).unwrap();
        assert!(found.is_some());
        region.change().allocations
    };
    // moka allocates now and then, when it looks after what it was told of reads: not on every hit.
    let fewest = (0..20).map(|_| hit()).min();
    assert_eq!(fewest, Some(1));
    assert_eq!(
        now(cache.delete(&key)).unwrap(),
        hitbox_backend::DeleteStatus::Deleted(1)
    );
}

/// An entry that takes all that its weight allows for: the object, a timer.
fn entry(index: usize, payload: usize) -> (CacheKey, CacheValue<Arc<Vec<u8>>>) {
    let key = CacheKey::from_pair("id", format!("{index:020}"));
    assert!(!key.as_text().is_empty());
    let object = Arc::new(vec![1_u8; payload]);
    let expire = Utc::now() + TimeDelta::hours(1);
    (
        key,
        CacheValue::loaded(object, Stamp::now()).expires_at(expire),
    )
}

fn built(builder: InProcessBuilder<TestedStore, Capacity>) -> Tested {
    builder.build().unwrap()
}

fn write(cache: &Tested, key: &CacheKey, value: CacheValue<Arc<Vec<u8>>>) {
    now(cache.set(key, value)).unwrap();
}

/// No operation of the backend waits, so none needs a runtime.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the backend waited"),
    }
}

fn live_bytes(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1_024)
}
