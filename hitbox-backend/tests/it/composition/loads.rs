//! Loads through compositions: what has been done to the key since they began keeps their values out, and what has
//! been done to others does not.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use hitbox_backend::{
    Backend, BackendExt, BackendResult, Begun, CacheBackend, CircuitBreakerConfig, Compose,
    CompositionPolicy, Condition, Conditional, Fencing, Known, Lease, RetryConfig,
    chaos::ChaosBackend,
    conformance::{FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Stamp};

type Memory = Arc<MemoryBackend>;
type Cache = Arc<dyn Backend>;

/// Caches to load through, and the memories at their ends.
fn caches() -> Vec<(&'static str, Cache, Vec<Memory>)> {
    let memory = || Memory::default();
    let two = || {
        let layers = [memory(), memory()];
        let cache = layers[0]
            .clone()
            .compose(layers[1].clone(), DisabledOffload);
        (cache, layers)
    };
    let nested = |wrap: fn(Cache) -> Cache| {
        let (inner, ends) = two();
        let l1 = memory();
        let cache = l1.clone().compose(wrap(Arc::new(inner)), DisabledOffload);
        let ends = ends.into_iter().chain([l1]).collect();
        (Arc::new(cache) as Cache, ends)
    };
    let mut caches = Vec::new();
    let (cache, ends) = two();
    caches.push(("two layers", Arc::new(cache) as Cache, ends.to_vec()));
    let (cache, ends) = two();
    caches.push(("wrapped", wrapped(Arc::new(cache)), ends.to_vec()));
    let alone = memory();
    let ends = vec![alone.clone()];
    caches.push(("fenced", Arc::new(alone.fenced()) as Cache, ends));
    let (cache, ends) = nested(|inner| inner);
    caches.push(("nested", cache, ends));
    let (cache, ends) = nested(wrapped);
    caches.push(("nested in wrappers", cache, ends));
    caches
}

/// Behind all wrappers that there are.
fn wrapped(cache: Cache) -> Cache {
    let wrapped = || -> BackendResult<_> {
        let cache = ChaosBackend::builder(cache).build()?;
        let (cache, _faults) = FaultyBackend::new(cache);
        let cache = cache.deadline(Duration::from_secs(5))?;
        let cache = cache.circuit_breaker(CircuitBreakerConfig::new())?;
        cache.retry(RetryConfig::new())
    };
    Arc::new(wrapped().unwrap())
}

fn key(name: &'static str, number: usize) -> CacheKey {
    CacheKey::from_pair(name, number.to_string())
}

async fn lease(cache: &Cache, key: &CacheKey) -> Lease {
    match cache.begin_load(key).await {
        Ok(Begun::Lead(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

fn loaded(number: u32, began: Stamp) -> CacheValue<Arc<u32>> {
    CacheValue::loaded(Arc::new(number), began)
}

async fn fill(
    cache: &Cache,
    key: &CacheKey,
    began: Stamp,
    lease: Lease,
) -> BackendResult<Conditional> {
    let value = loaded(1, began).map(Known::Present);
    cache.set_if(key, value, Condition::Lease(lease)).await
}

async fn found<B: Backend + ?Sized>(cache: &B, key: &CacheKey) -> Option<u32> {
    let found = cache.get::<u32>(key).await.unwrap();
    found.map(|value| **value.data())
}

async fn found_in_all(memories: &[Memory], key: &CacheKey) -> Vec<Option<u32>> {
    let mut all = Vec::new();
    for memory in memories {
        all.push(found(memory, key).await);
    }
    all
}

async fn remove_many_others(cache: &Cache) {
    for number in 0..100_000 {
        cache.remove(&key("other", number)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_takes_as_long_as_100_000_removes_of_other_keys_is_stored() {
    for (name, cache, memories) in caches() {
        assert_eq!(cache.fencing(), Fencing::Fenced, "{name}");
        let [leased, free] = [key("leased", 1), key("free", 1)];
        let lease = lease(&cache, &leased).await;
        let began = Stamp::now();
        remove_many_others(&cache).await;
        let stored = fill(&cache, &leased, began, lease).await.unwrap();
        assert_eq!(stored, Conditional::Written, "{name}");
        let all = found_in_all(&memories, &leased).await;
        assert!(all.iter().all(|found| *found == Some(1)), "{name}: {all:?}");
        // The control: what a lease is for.
        let stored = fill(&cache, &free, began, Lease::default()).await.unwrap();
        assert_eq!(stored, Conditional::Refused, "{name}");
        assert_eq!(found(&cache, &free).await, None, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remove_during_the_load_keeps_the_value_out_of_every_layer() {
    for (name, cache, memories) in caches() {
        let key = key("removed", 1);
        cache.set(&key, loaded(0, Stamp::now())).await.unwrap();
        let lease = lease(&cache, &key).await;
        let began = Stamp::now();
        assert!(lease.invalidations().hard < began, "{name}");
        cache.delete(&key).await.unwrap();
        assert!(lease.invalidations().hard > began, "{name}");
        remove_many_others(&cache).await;
        let stored = fill(&cache, &key, began, lease).await.unwrap();
        assert_eq!(stored, Conditional::Refused, "{name}");
        let all = found_in_all(&memories, &key).await;
        assert!(all.iter().all(Option::is_none), "{name}: {all:?}");
        assert_eq!(found(&cache, &key).await, None, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_insert_during_the_load_stays() {
    for (name, cache, memories) in caches() {
        let key = key("inserted", 1);
        let lease = lease(&cache, &key).await;
        let began = Stamp::now();
        let inserted = Stamp::now();
        cache.set(&key, loaded(2, inserted)).await.unwrap();
        let hard = lease.invalidations().hard;
        assert_eq!(hard, inserted.predecessor(), "{name}");
        let stored = fill(&cache, &key, began, lease).await.unwrap();
        assert_eq!(stored, Conditional::Refused, "{name}");
        let all = found_in_all(&memories, &key).await;
        assert!(all.iter().all(|found| *found == Some(2)), "{name}: {all:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fill_invalidates_nothing_and_is_replaced_by_a_newer_one_alone() {
    for (name, cache, _) in caches() {
        let key = key("filled", 1);
        let [first, second] = [lease(&cache, &key).await, lease(&cache, &key).await];
        let [older, newer] = [Stamp::now(), Stamp::now()];
        let stored = fill(&cache, &key, newer, first).await.unwrap();
        assert_eq!(stored, Conditional::Written, "{name}");
        assert_eq!(second.invalidations().hard, Stamp::ZERO, "{name}");
        let stored = fill(&cache, &key, older, second).await.unwrap();
        assert_eq!(stored, Conditional::Refused, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_fill_of_many_is_judged_by_itself() {
    for (name, cache, _) in caches() {
        let keys: Vec<_> = (0..6).map(|number| key("many", number)).collect();
        let mut leases = Vec::new();
        for key in &keys {
            leases.push(Condition::Lease(lease(&cache, key).await));
        }
        let began = Stamp::now();
        cache.delete(&keys[1]).await.unwrap();
        cache.set(&keys[4], loaded(2, Stamp::now())).await.unwrap();
        let entries = keys.iter().cloned().zip(leases);
        let value = || loaded(1, began).map(Known::Present);
        let entries = entries.map(|(key, lease)| (key, value(), lease));
        let stored = cache.set_many_if(entries.collect()).await;
        let stored: Vec<_> = stored.into_iter().map(Result::unwrap).collect();
        for (number, key) in keys.iter().enumerate() {
            let (expected, value) = match number {
                1 => (Conditional::Refused, None),
                4 => (Conditional::Refused, Some(2)),
                _ => (Conditional::Written, Some(1)),
            };
            assert_eq!(stored[number], expected, "{name}, {number}");
            assert_eq!(found(&cache, key).await, value, "{name}, {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_key_without_a_record_is_the_newest_remove_that_is_forgotten() {
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::MIN);
    let cache: Cache =
        Arc::new(Memory::default().compose_with(Memory::default(), DisabledOffload, policy));
    let key = key("unknown", 1);
    assert_eq!(cache.invalidations(&key).hard, Stamp::ZERO);
    let before = Stamp::now();
    for number in 0..100 {
        cache.remove(&self::key("other", number)).await.unwrap();
    }
    let forgotten = cache.invalidations(&key).hard;
    assert!(forgotten > before);
    // Known from the beginning: what is forgotten later says nothing of this key.
    let lease = lease(&cache, &key).await;
    for number in 0..100 {
        cache.remove(&self::key("other", number)).await.unwrap();
    }
    assert_eq!(lease.invalidations().hard, forgotten);
    drop(lease);
    assert!(cache.invalidations(&key).hard > forgotten);
}

#[test]
fn a_lease_is_given_back_on_any_thread_and_without_a_runtime() {
    let cache: Cache = Arc::new(Memory::default().compose(Memory::default(), DisabledOffload));
    let key = key("id", 1);
    let held = futures::executor::block_on(lease(&cache, &key));
    let copy = held.clone();
    thread::spawn(move || drop(held)).join().unwrap();
    futures::executor::block_on(cache.remove(&key)).unwrap();
    assert!(copy.invalidations().hard > Stamp::ZERO);
    drop(copy);
}

#[tokio::test]
async fn a_single_store_leases_nothing_and_stores_everything() {
    let memory: Cache = Arc::new(MemoryBackend::new());
    let key = key("id", 1);
    assert_eq!(memory.fencing(), Fencing::Unfenced);
    let lease = lease(&memory, &key).await;
    let began = Stamp::now();
    memory.remove(&key).await.unwrap();
    assert_eq!(lease.invalidations().hard, Stamp::ZERO);
    let stored = fill(&memory, &key, began, lease).await.unwrap();
    assert_eq!(stored, Conditional::Written);
}
