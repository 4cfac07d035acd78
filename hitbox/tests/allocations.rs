//! What making a key, a hit, and those who wait for loads ask of the allocator. A program of its own, since the allocator counts
//! for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{alloc::System, future::pending, hint::black_box, sync::Arc, time::Duration};

use futures::executor::block_on;
use hitbox::{
    Backend, Cache, Compose, Key, Keyspace, backend::DisabledOffload, moka::MokaBackend,
    quick_cache::QuickCacheBackend,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::{self, Runtime};

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
fn what_is_asked_of_the_allocator() {
    a_key_is_two_allocations_and_a_clone_none();
    a_hit_allocates_nothing();
    who_waits_for_a_load_holds_little();
    a_load_under_way_holds_little();
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
        let tagged = NUMBERS.key(2);
        block_on(async {
            cache.insert(key.clone(), 7).await?;
            let insert = cache.insert(tagged.clone(), 7).tags(["users", "team:7"]);
            insert.await
        })
        .unwrap();
        let get = || block_on(cache.get_or_load(key.clone(), || async { 0 })).unwrap();
        // Statics that the first use of a type makes.
        assert_eq!(*get(), 7);
        let region = Region::new(ALLOCATOR);
        // Few: moka notes reads, and at the sixty-fourth looks through what it has noted.
        for _ in 0..10 {
            get();
        }
        assert_eq!(region.change().allocations, 0);

        // With tags: created after the newest invalidation of all, and before it.
        for invalidated in ["orders", "carts"] {
            let get = || block_on(cache.get_or_load(tagged.clone(), || async { 0 })).unwrap();
            assert_eq!(*get(), 7);
            let region = Region::new(ALLOCATOR);
            for _ in 0..10 {
                get();
            }
            assert_eq!(region.change().allocations, 0);
            block_on(cache.remove_tagged(invalidated)).unwrap();
        }
    }
}

/// What is held for each of many tasks, each of which waits for a call and does nothing else. The task itself is among it.
#[derive(Debug)]
struct Each {
    allocations: f64,
    bytes: f64,
}

const MANY: u64 = 1_000;

impl Each {
    fn of(runtime: &Runtime, cache: &Cache, key: impl Fn(u64) -> Key<u64>) -> Self {
        let keys: Vec<Key<u64>> = (0..MANY).map(key).collect();
        let region = Region::new(ALLOCATOR);
        runtime.block_on(async {
            for key in keys {
                let cache = cache.clone();
                tokio::spawn(async move {
                    drop(cache.get_or_load(key, pending::<u64>).await);
                });
                tokio::task::yield_now().await;
            }
            // So that each load has begun.
            for _ in 0..MANY {
                tokio::task::yield_now().await;
            }
        });
        let change = region.change();
        let allocations = change.allocations - change.deallocations;
        let bytes = change.bytes_allocated - change.bytes_deallocated;
        Self {
            allocations: allocations as f64 / MANY as f64,
            bytes: bytes as f64 / MANY as f64,
        }
    }
}

fn runtime_and_cache() -> (Runtime, Cache) {
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let moka = MokaBackend::builder().max_entries(10_000).build().unwrap();
    let builder = Cache::builder(moka).ttl(Duration::from_secs(300));
    (runtime, builder.max_loads(10_000).build().unwrap())
}

/// Its task and one future, neither of which holds what may come after the wait.
fn who_waits_for_a_load_holds_little() {
    let (runtime, cache) = runtime_and_cache();
    let key = |_| NUMBERS.key(1);
    // The first one leads the load.
    Each::of(&runtime, &cache, key);
    let each = Each::of(&runtime, &cache, key);
    assert_eq!(cache.loads()[0].waiters, 2 * MANY as usize);
    assert!(each.bytes <= 600.0 && each.allocations <= 2.0, "{each:?}");
}

/// Who waits for it, the load's task and its future, the flight, the lease, and the room in tables.
fn a_load_under_way_holds_little() {
    let (runtime, cache) = runtime_and_cache();
    Each::of(&runtime, &cache, |id| NUMBERS.key(id));
    let each = Each::of(&runtime, &cache, |id| NUMBERS.key(MANY + id));
    assert_eq!(cache.loads().len(), 2 * MANY as usize);
    assert!(
        each.bytes <= 3_500.0 && each.allocations <= 11.0,
        "{each:?}"
    );
}
