//! What making a key and what a hit asks of the allocator. A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{alloc::System, hint::black_box, sync::Arc, time::Duration};

use futures::executor::block_on;
use hitbox::{
    Backend, Cache, Compose, Key, Keyspace, backend::DisabledOffload, moka::MokaBackend,
    quick_cache::QuickCacheBackend,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USERS: Keyspace<u64, String> = Keyspace::new("users", 1);
const NUMBERS: Keyspace<u64, u64> = Keyspace::new("numbers", 1);
const NAMES: Keyspace<str, String> = Keyspace::new("names", 1);
const PAIRS: Keyspace<(u64, (bool, Option<&str>)), String> = Keyspace::new("pairs", 1);

fn allocations(make: impl Fn() -> Key<String>) -> usize {
    // The first key of a process draws the seed of hashes.
    black_box(make());
    let region = Region::new(ALLOCATOR);
    let key = black_box(make());
    let made = region.change();
    drop(key);
    made.allocations + made.reallocations
}

/// One test: what another one allocates would be counted too.
#[test]
fn keys_and_hits() {
    a_key_is_two_allocations_and_a_clone_none();
    a_hit_allocates_nothing();
}

fn a_key_is_two_allocations_and_a_clone_none() {
    assert_eq!(allocations(|| USERS.key(42)), 2);
    assert_eq!(
        allocations(|| NAMES.key("a name that no small string has inline")),
        2
    );
    assert_eq!(allocations(|| PAIRS.key((42, (true, Some("en"))))), 2);
    let key = USERS.key(42);
    assert_eq!(allocations(|| key.clone()), 0);
}

/// A hit, by a key that was made before: on moka, on quick_cache, alone and composed, each behind `dyn`.
fn a_hit_allocates_nothing() {
    let moka = || MokaBackend::builder().max_entries(1_000).build().unwrap();
    let quick = QuickCacheBackend::builder().max_entries(1_000);
    let over: [Arc<dyn Backend>; 3] = [
        Arc::new(moka()),
        Arc::new(quick.build().unwrap()),
        Arc::new(moka().compose(moka(), DisabledOffload)),
    ];
    for over in over {
        let cache = Cache::builder(over)
            .ttl(Duration::from_secs(300))
            .build()
            .unwrap();
        let key = NUMBERS.key(1);
        block_on(async { cache.insert(key.clone(), 7).await }).unwrap();
        let get = || block_on(cache.get_or_load(key.clone(), || async { 0 })).unwrap();
        // Statics that the first use of a type makes.
        assert_eq!(*get(), 7);
        let region = Region::new(ALLOCATOR);
        // Few: moka notes reads, and at the sixty-fourth looks through what it has noted.
        for _ in 0..10 {
            get();
        }
        assert_eq!(region.change().allocations, 0);
    }
}
