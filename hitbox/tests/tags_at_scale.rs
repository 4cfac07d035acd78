//! What 100,000 values with tags cost while 1,000 tags a second are invalidated elsewhere. A program of its own: the allocator counts
//! for the whole process. In a release build:
//!
//! ```console
//! cargo test --release -p hitbox --test tags_at_scale -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use hitbox::{Backend, BackendExt, Cache, Compose, Key, Keyspace, Loaded, moka::MokaBackend};
use hitbox_backend::{
    DisabledOffload,
    coherence::{Coherence, LocalBackplane},
    conformance::MemoryBackend,
    tags::{Severity, TagStore},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NUMBERS: Keyspace<u64, u64> = Keyspace::new("numbers", 1);
const VALUES: u64 = 100_000;
const A_SECOND: u64 = 1_000;

fn cache(backend: impl Backend + 'static) -> Cache {
    let cache = Cache::builder(backend).ttl(Duration::from_secs(3_600));
    cache.build().unwrap()
}

fn moka() -> MokaBackend {
    MokaBackend::builder()
        .max_entries(2 * VALUES)
        .build()
        .unwrap()
}

async fn fill(cache: &Cache, tags: u64) {
    for id in 0..VALUES {
        let tags = (0..tags).map(|tag| format!("value:{id}:{tag}"));
        let value = Loaded::new(id).tags(tags);
        cache.insert(NUMBERS.key(id), value).await.unwrap();
    }
}

/// Nanoseconds and allocations of a hit: the least of some rounds, of few keys, so that memory is not what is measured.
async fn hit(cache: &Cache) -> (f64, usize) {
    let keys: Vec<Key<u64>> = (0..256).map(|id| NUMBERS.key(id)).collect();
    let mut least = f64::MAX;
    let mut allocations = 0;
    for _ in 0..20 {
        let region = Region::new(ALLOCATOR);
        let began = Instant::now();
        for _ in 0..20 {
            for key in &keys {
                let value = cache.get_or_load(key.clone(), || async { u64::MAX }).await;
                assert_ne!(*black_box(value.unwrap()), u64::MAX);
            }
        }
        let taken = began.elapsed().as_nanos() as f64 / (20 * keys.len()) as f64;
        allocations = region.change().allocations;
        least = least.min(taken);
    }
    (least, allocations / (20 * keys.len()))
}

#[test]
#[ignore = "prints figures"]
fn what_tags_cost() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.enable_all().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        for tags in [0, 1, 3] {
            let cache = cache(moka().fenced());
            fill(&cache, tags).await;
            let (before, allocations) = hit(&cache).await;
            cache.remove_tagged("another").await.unwrap();
            let (after, more) = hit(&cache).await;
            println!(
                "{tags} tags: {before:.0} ns a hit, {after:.0} ns if something has been invalidated since; {allocations} and {more} \
                 allocations"
            );
        }
        table().await;
        fleet().await;
    });
}

async fn table() {
    let cache = cache(moka().fenced());
    let region = Region::new(ALLOCATOR);
    for tag in 0..VALUES {
        cache.remove_tagged(format!("value:{tag}")).await.unwrap();
    }
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;
    let counted: usize = (0..VALUES)
        .map(|tag| 160 + format!("value:{tag}").len())
        .sum();
    println!(
        "{VALUES} tags known to be invalidated: {bytes} bytes of the allocator, counted as {counted}"
    );
}

async fn fleet() {
    let plane = LocalBackplane::new();
    let l2 = plane.announcing(MemoryBackend::new());
    let within = Coherence::within(Duration::from_millis(250));
    let composed = moka().compose(l2, DisabledOffload);
    let composed = composed.coherent(plane.clone(), within).unwrap();
    let cache = cache(composed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = ALLOCATOR.stats();
    fill(&cache, 1).await;
    for id in 0..VALUES {
        assert!(cache.get(NUMBERS.key(id)).await.unwrap().is_some());
    }
    let after = ALLOCATOR.stats();
    let held = (after.bytes_allocated - before.bytes_allocated) as f64
        - (after.bytes_deallocated - before.bytes_deallocated) as f64;
    println!(
        "{VALUES} values with a tag, in L1 and L2: {:.0} bytes each",
        held / VALUES as f64
    );
    // Another process invalidates tags that no value has, as fast as is asked for.
    let invalidating = tokio::spawn({
        let store = plane.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            for number in 0_u64.. {
                ticks.tick().await;
                let tag = format!("other:{number}");
                store
                    .invalidate("", Some(&tag), Severity::Hard)
                    .await
                    .unwrap();
            }
        }
    });
    let began = Instant::now();
    let (mut hits, mut least) = (0_u64, f64::MAX);
    while began.elapsed() < Duration::from_secs(10) {
        let (taken, allocations) = hit(&cache).await;
        assert_eq!(allocations, 0);
        least = least.min(taken);
        hits += 20 * 20 * 256;
    }
    invalidating.abort();
    println!(
        "10 s, {A_SECOND} invalidations a second: {hits} hits, {least:.0} ns each, {} requests to the store of tags",
        plane.tags_asked_for()
    );
}
