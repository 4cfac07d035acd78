//! Values that are stale because their key has been expired: in whichever layer they are, and until a newer one is
//! written.

use std::{num::NonZeroUsize, sync::Arc};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, BoxContext, CacheBackend, CacheContext, CacheStatus,
    Compose, CompositionPolicy, Condition, Conditional, Known, ParallelReadPolicy, RaceReadPolicy,
    conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheState, CacheValue, DisabledOffload, Stamp};

type Memory = Arc<MemoryBackend>;
type Cache = Arc<dyn Backend>;

fn key(name: &'static str, number: usize) -> CacheKey {
    CacheKey::from_pair(name, number.to_string())
}

fn loaded(number: u32, began: Stamp) -> CacheValue<Arc<u32>> {
    CacheValue::loaded(Arc::new(number), began)
}

fn now(number: u32) -> CacheValue<Arc<u32>> {
    loaded(number, Stamp::now())
}

type Found = Option<(u32, CacheStatus)>;
const HIT: CacheStatus = CacheStatus::Hit;
const STALE: CacheStatus = CacheStatus::Stale;

async fn found_with(cache: &Cache, key: &CacheKey, mut context: BoxContext) -> Found {
    let found = cache.get_with::<u32>(key, &mut context).await.unwrap()?;
    let is_stale = found.cache_state() == CacheState::Stale;
    assert_eq!(is_stale, context.status() == STALE);
    Some((**found.data(), context.status()))
}

/// By a single read and in bulk.
async fn found(cache: &Cache, key: &CacheKey) -> Found {
    let single = found_with(cache, key, BoxContext::default()).await;
    let mut contexts = [BoxContext::default()];
    let keys = std::slice::from_ref(key);
    let many = cache.get_many_with::<u32>(keys, &mut contexts).await;
    let many = many.into_iter().next().unwrap().unwrap();
    let many = many.map(|value| (**value.data(), contexts[0].status()));
    assert_eq!(single, many);
    single
}

async fn found_fresh(cache: &Cache, key: &CacheKey) -> Found {
    found_with(cache, key, CacheContext::default().boxed().fresh_only()).await
}

/// Caches over two memories, by all read policies.
fn caches() -> Vec<(Cache, [Memory; 2])> {
    let policy = CompositionPolicy::new();
    let over = |make: fn(Memory, Memory, CompositionPolicy) -> Cache| {
        let memories = [(); 2].map(|()| Memory::default());
        let [l1, l2] = memories.clone();
        (make(l1, l2, policy.clone()), memories)
    };
    vec![
        over(|l1, l2, policy| Arc::new(l1.compose_with(l2, DisabledOffload, policy))),
        over(|l1, l2, policy| {
            let policy = policy.read(RaceReadPolicy::new());
            Arc::new(l1.compose_with(l2, DisabledOffload, policy))
        }),
        over(|l1, l2, policy| {
            let policy = policy.read(ParallelReadPolicy::new());
            Arc::new(l1.compose_with(l2, DisabledOffload, policy))
        }),
    ]
}

#[tokio::test]
async fn what_was_there_is_stale_until_something_newer_is_written() {
    for (cache, _) in caches() {
        let key = key("id", 1);
        cache.set(&key, now(1)).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((1, HIT)));
        cache.expire(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((1, STALE)));
        assert_eq!(found_fresh(&cache, &key).await, Some((1, STALE)));
        cache.set(&key, now(2)).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((2, HIT)));
        cache.expire(&key).await.unwrap();
        cache.delete(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, None);
        cache.set(&key, now(3)).await.unwrap();
        assert_eq!(found_fresh(&cache, &key).await, Some((3, HIT)));
    }
}

#[tokio::test]
async fn a_single_store_in_fences_is_stale_as_long() {
    let cache: Cache = Arc::new(Memory::default().fenced());
    let key = key("id", 1);
    cache.set(&key, now(1)).await.unwrap();
    cache.expire(&key).await.unwrap();
    assert_eq!(found(&cache, &key).await, Some((1, STALE)));
    assert_eq!(found_fresh(&cache, &key).await, Some((1, STALE)));
    cache.set(&key, now(2)).await.unwrap();
    assert_eq!(found(&cache, &key).await, Some((2, HIT)));
}

#[tokio::test]
async fn nothing_is_written_for_it() {
    for (cache, memories) in caches() {
        let key = key("id", 1);
        cache.set(&key, now(1)).await.unwrap();
        cache.expire(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((1, STALE)));
        for memory in memories {
            let raw = memory.read(&key).await.unwrap().unwrap();
            assert_eq!(raw.cache_state(), CacheState::Actual);
        }
    }
}

#[tokio::test]
async fn a_value_that_only_the_second_layer_has_is_stale_too() {
    for (cache, [l1, l2]) in caches() {
        let key = key("id", 1);
        cache.set(&key, now(1)).await.unwrap();
        l1.remove(&key).await.unwrap();
        cache.expire(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((1, STALE)));
        // Evicted again after a refill.
        l1.remove(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((1, STALE)));
        // Another process has stored a newer one.
        l2.set(&key, now(2)).await.unwrap();
        l1.remove(&key).await.unwrap();
        assert_eq!(found(&cache, &key).await, Some((2, HIT)));
    }
}

#[tokio::test]
async fn a_load_that_it_has_overtaken_is_stored_and_stale() {
    for (cache, _) in caches() {
        let key = key("id", 1);
        let began = Stamp::now();
        cache.expire(&key).await.unwrap();
        assert!(cache.invalidations(&key).soft > began);
        let lease = Condition::Lease(hitbox_backend::Lease::default());
        let value = loaded(1, began).map(Known::Present);
        let stored = cache.set_if(&key, value, lease).await.unwrap();
        assert_eq!(stored, Conditional::Written);
        assert_eq!(found(&cache, &key).await, Some((1, STALE)));
    }
}

#[tokio::test]
async fn who_wants_a_fresh_value_gets_the_newer_one_of_another_layer() {
    for (cache, [_, l2]) in caches() {
        let key = key("id", 1);
        cache.set(&key, now(1)).await.unwrap();
        // Another process.
        l2.set(&key, now(2)).await.unwrap();
        cache.expire(&key).await.unwrap();
        // That was before.
        assert_eq!(found_fresh(&cache, &key).await.unwrap().1, STALE);
        l2.set(&key, now(3)).await.unwrap();
        assert_eq!(found_fresh(&cache, &key).await, Some((3, HIT)));
    }
}

#[tokio::test]
async fn a_composition_within_looks_further_too() {
    let memories = [(); 3].map(|()| Memory::default());
    let [l1, l2, l3] = memories.clone();
    let inner = l2.compose(l3, DisabledOffload);
    let cache: Cache = Arc::new(l1.compose(inner, DisabledOffload));
    let key = key("id", 1);
    cache.set(&key, now(1)).await.unwrap();
    cache.expire(&key).await.unwrap();
    assert_eq!(found(&cache, &key).await, Some((1, STALE)));
    memories[2].set(&key, now(2)).await.unwrap();
    assert_eq!(found(&cache, &key).await, Some((1, STALE)));
    assert_eq!(found_fresh(&cache, &key).await, Some((2, HIT)));
}

/// Values of a key whose expiry is forgotten are stale; hardly any other is.
#[tokio::test]
async fn what_is_forgotten_stays_stale_and_is_not_gone() {
    const OTHERS: usize = 2_000;
    let memories = [(); 2].map(|()| Memory::default());
    let [l1, l2] = memories.clone();
    let policy = CompositionPolicy::new().record_capacity(NonZeroUsize::new(256).unwrap());
    let cache: Cache = Arc::new(l1.compose_with(l2, DisabledOffload, policy));
    let expired: Vec<_> = (0..10).map(|number| key("expired", number)).collect();
    for number in 0..OTHERS {
        cache.set(&key("older", number), now(1)).await.unwrap();
    }
    for key in &expired {
        cache.set(key, now(1)).await.unwrap();
        cache.expire(key).await.unwrap();
    }
    for number in 0..OTHERS {
        cache.set(&key("newer", number), now(1)).await.unwrap();
    }
    for key in &expired {
        assert!(cache.invalidations(key).soft > Stamp::ZERO);
        assert_eq!(found(&cache, key).await, Some((1, STALE)), "{key}");
        memories[0].remove(key).await.unwrap();
        assert_eq!(found(&cache, key).await, Some((1, STALE)), "{key}");
    }
    let mut stale = 0;
    for number in 0..OTHERS {
        let (_, status) = found(&cache, &key("older", number)).await.unwrap();
        stale += usize::from(status == STALE);
        let newer = found(&cache, &key("newer", number)).await;
        assert_eq!(newer, Some((1, HIT)));
    }
    assert!(
        stale <= OTHERS / 20,
        "{stale} of {OTHERS} that nobody expired"
    );
    // A load that began before, and ends only now.
    cache
        .set(&expired[0], loaded(2, Stamp::now()))
        .await
        .unwrap();
    assert_eq!(found(&cache, &expired[0]).await, Some((2, HIT)));
}

#[tokio::test]
async fn a_single_store_says_that_it_cannot() {
    let refused = MemoryBackend::new()
        .expire(&key("id", 1))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::Unsupported);
    assert!(refused.is_definite() && !refused.is_retryable());
}
