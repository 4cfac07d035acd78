//! A reader who wants fresh values gets a stale one only where no layer has a fresh one.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BincodeFormat, BoxContext, CacheBackend, CacheContext, CacheKey,
    CacheStatus, CacheValue, CompositionLayer, Freshness, LayerFailure, OffloadManager,
    RefillPolicy, Rejection, Stamp,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};

use super::arrangement::{Cache, Policy, Way, each, key};
use crate::byte_store::ByteStore;

type Memory = Arc<MemoryBackend>;

fn layers() -> [Memory; 2] {
    [(); 2].map(|()| Arc::new(MemoryBackend::new()))
}

fn fresh(text: &str) -> CacheValue<Arc<String>> {
    CacheValue::loaded(Arc::new(text.to_owned()), Stamp::now()).ttl(Duration::from_secs(3600))
}

fn stale(text: &str) -> CacheValue<Arc<String>> {
    fresh(text).stale_after(Duration::ZERO)
}

async fn put(cache: &impl Backend, key: &CacheKey, value: CacheValue<Arc<String>>) {
    cache.set(key, value).await.unwrap();
}

async fn text_in(cache: &impl Backend) -> Option<String> {
    let found = cache.get::<String>(&key()).await.unwrap();
    found.map(|found| String::clone(found.data()))
}

/// Reads by typed access and by itself, in a way that has a context.
async fn read(way: Way, cache: &Cache, context: &mut BoxContext) -> Option<String> {
    let found = way.get::<String>(cache, &key(), context).await;
    found.map(|found| String::clone(found.data()))
}

fn with_context() -> impl Iterator<Item = (Policy, Way)> {
    each().filter(|(_, way)| !matches!(way, Way::ManyWithout))
}

#[tokio::test]
async fn a_stale_value_of_a_layer_is_no_answer_while_the_other_has_a_fresh_one() {
    for (policy, way) in with_context() {
        for stale_in in CompositionLayer::BOTH {
            let [l1, l2] = layers();
            let values = match stale_in {
                CompositionLayer::L1 => [stale("old"), fresh("new")],
                CompositionLayer::L2 => [fresh("new"), stale("old")],
            };
            let [of_l1, of_l2] = values;
            put(&l1, &key(), of_l1).await;
            put(&l2, &key(), of_l2).await;
            let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
            let case = format!("{policy:?} {way:?} {stale_in}");
            let mut context = CacheContext::default().boxed().fresh_only();
            let found = read(way, &cache, &mut context).await;
            assert_eq!(found.as_deref(), Some("new"), "{case}");
            assert_eq!(context.status(), CacheStatus::Hit, "{case}");
            // A fresh value is copied as always.
            assert_eq!(text_in(&l1).await.as_deref(), Some("new"), "{case}");
            // What the reader wants stays, until he wants otherwise.
            assert_eq!(context.wants().freshness, Freshness::FreshOnly, "{case}");
            context.set_freshness(Freshness::Any);
            assert!(read(way, &cache, &mut context).await.is_some(), "{case}");
        }
    }
}

#[tokio::test]
async fn without_it_a_stale_value_is_as_good_as_any() {
    let [l1, l2] = layers();
    put(&l1, &key(), stale("old")).await;
    put(&l2, &key(), fresh("new")).await;
    let cache = Policy::Sequential.compose(l1, l2);
    let mut context = BoxContext::default();
    let found = read(Way::One, &cache, &mut context).await;
    assert_eq!(found.as_deref(), Some("old"));
    assert_eq!(context.status(), CacheStatus::Stale);
}

#[tokio::test]
async fn of_two_stale_values_the_newest_is_the_last_resort_and_is_copied_nowhere() {
    for refill in [RefillPolicy::Always, RefillPolicy::Repair] {
        for (policy, way) in with_context() {
            for newest in CompositionLayer::BOTH {
                let [l1, l2] = layers();
                let (old, new) = (stale("old"), stale("new"));
                let [of_l1, of_l2] = match newest {
                    CompositionLayer::L1 => [new, old],
                    CompositionLayer::L2 => [old, new],
                };
                put(&l1, &key(), of_l1).await;
                put(&l2, &key(), of_l2).await;
                let before = [text_in(&l1).await, text_in(&l2).await];
                let offload = OffloadManager::builder().build().unwrap();
                let (first, second) = (Arc::clone(&l1), Arc::clone(&l2));
                let cache = policy.compose_with(first, second, refill, offload.clone());
                let case = format!("{policy:?} {way:?} {newest} {refill:?}");
                let mut context = BoxContext::default().fresh_only();
                let found = read(way, &cache, &mut context).await;
                assert_eq!(found.as_deref(), Some("new"), "{case}");
                assert_eq!(context.status(), CacheStatus::Stale, "{case}");
                assert_eq!(context.source().to_string(), "composition.memory", "{case}");
                let _report = offload.close(Duration::from_secs(5)).await;
                assert_eq!([text_in(&l1).await, text_in(&l2).await], before, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_last_resort_is_not_copied_to_a_layer_that_has_nothing() {
    for (policy, way) in with_context() {
        let [l1, l2] = layers();
        put(&l2, &key(), stale("old")).await;
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default().fresh_only();
        let found = read(way, &cache, &mut context).await;
        assert_eq!(found.as_deref(), Some("old"), "{policy:?} {way:?}");
        assert_eq!(text_in(&l1).await, None, "{policy:?} {way:?}");
    }
}

#[tokio::test]
async fn a_last_resort_answers_where_the_other_layer_fails() {
    for (policy, way) in with_context() {
        let [l1, l2] = layers();
        put(&l1, &key(), stale("old")).await;
        let (failing, faults) = FaultyBackend::new(l2);
        faults.reads().always(Fault::FailBeforeEffect);
        let cache = policy.compose(Arc::clone(&l1), failing);
        let mut context = BoxContext::default().fresh_only();
        let found = read(way, &cache, &mut context).await;
        assert_eq!(found.as_deref(), Some("old"), "{policy:?} {way:?}");
        assert_eq!(context.status(), CacheStatus::Stale, "{policy:?} {way:?}");
        let kinds: Vec<_> = context.failures().iter().map(LayerFailure::kind).collect();
        assert_eq!(kinds, [BackendErrorKind::Unavailable], "{policy:?} {way:?}");
    }
}

#[tokio::test]
async fn a_last_resort_of_an_inner_composition_is_judged_again() {
    for (policy, way) in with_context() {
        for inner_is_l1 in [true, false] {
            let [l1, l2] = layers();
            put(&l1, &key(), stale("older")).await;
            put(&l2, &key(), stale("old")).await;
            let outer = Arc::new(MemoryBackend::new());
            let cache = |outer| {
                let inner = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
                match inner_is_l1 {
                    true => policy.compose(inner, outer),
                    false => policy.compose(outer, inner),
                }
            };
            let case = format!("{policy:?} {way:?} {inner_is_l1}");
            let mut context = BoxContext::default().fresh_only();
            let found = read(way, &cache(Arc::clone(&outer)), &mut context).await;
            assert_eq!(found.as_deref(), Some("old"), "{case}");
            assert_eq!(context.status(), CacheStatus::Stale, "{case}");
            assert_eq!(text_in(&outer).await, None, "{case}");
            put(&outer, &key(), fresh("new")).await;
            let found = read(way, &cache(Arc::clone(&outer)), &mut context).await;
            assert_eq!(found.as_deref(), Some("new"), "{case}");
            assert_eq!(context.status(), CacheStatus::Hit, "{case}");
        }
    }
}

#[tokio::test]
async fn in_bulk_each_key_is_read_as_its_context_wants() {
    for policy in Policy::ALL {
        let [l1, l2] = layers();
        let keys = ["a", "b", "c"].map(|name| CacheKey::from_pair("key", name));
        for key in &keys {
            put(&l1, key, stale("old")).await;
            put(&l2, key, fresh("new")).await;
        }
        let cache = policy.compose(l1, l2);
        let mut contexts = [BoxContext::default().fresh_only(), BoxContext::default()];
        let outcomes = cache.read_many_with(&keys, &mut contexts).await;
        let stale_values: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap().unwrap().is_stale())
            .collect();
        // Both values live equally long, so that a parallel read takes L1's.
        let is_stale = policy != Policy::OneFutureL2First;
        assert!(!stale_values[0], "{policy:?}");
        assert_eq!(stale_values[1..], [is_stale; 2], "{policy:?}");
        assert_eq!(contexts[0].status(), CacheStatus::Hit, "{policy:?}");
    }
}

#[tokio::test]
async fn a_last_resort_that_the_reader_cannot_use_leaves_the_answer_to_the_other() {
    for (policy, way) in with_context() {
        let [l1, l2] = [(); 2].map(|()| Arc::new(ByteStore::new(&BincodeFormat)));
        put(&l1, &key(), stale("old")).await;
        let other = CacheValue::loaded(Arc::new(7_u64), Stamp::now());
        let other = other
            .ttl(Duration::from_secs(3600))
            .stale_after(Duration::ZERO);
        l2.set(&key(), other).await.unwrap();
        let cache = policy.compose(Arc::clone(&l1), Arc::clone(&l2));
        let mut context = BoxContext::default().fresh_only();
        let found = read(way, &cache, &mut context).await;
        let case = format!("{policy:?} {way:?}");
        assert_eq!(found.as_deref(), Some("old"), "{case}");
        assert_eq!(l2.rejected(Rejection::Type), 1, "{case}");
        assert_eq!(l1.rejected_in_all(), 0, "{case}");
    }
}

#[tokio::test]
async fn a_backend_that_is_no_composition_answers_with_what_it_has() {
    let memory = MemoryBackend::new();
    put(&memory, &key(), stale("old")).await;
    let mut context = BoxContext::default().fresh_only();
    let found = memory
        .get_with::<String>(&key(), &mut context)
        .await
        .unwrap();
    assert_eq!(found.unwrap().data().as_str(), "old");
    assert_eq!(context.status(), CacheStatus::Stale);
}
