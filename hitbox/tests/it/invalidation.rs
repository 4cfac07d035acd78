//! Removes, inserts and expiries against loads: nobody who comes after one gets a value from before it.

use std::{sync::Arc, time::Duration};

use hitbox::{Backend, BackendExt, Cache, CacheKey, Compose, Kept, Key, Loaded, Stamp, Status};

use hitbox_backend::{
    DisabledOffload,
    chaos::{ChaosBackend, Fault, Script},
    conformance::MemoryBackend,
    load::Fencing,
};

use crate::{
    backends::{Over, moka, on_every_backend, on_redis},
    source::{Asking, NUMBERS, Source, until, waiters},
};

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    what_is_removed_during_its_load_is_not_served_later,
    who_asks_after_a_remove_gets_a_load_of_his_own,
    a_second_cache_sees_removes_of_the_first,
    an_insert_during_a_load_stays,
    a_value_that_was_loaded_before_a_remove_is_not_inserted,
    a_load_that_lasts_while_others_are_removed_is_stored,
    what_is_expired_is_loaded_anew,
    what_is_expired_during_its_load_is_not_fresh,
);

on_redis!(
    what_is_removed_during_its_load_is_not_served_later,
    who_asks_after_a_remove_gets_a_load_of_his_own,
    an_insert_during_a_load_stays,
    a_value_that_was_loaded_before_a_remove_is_not_inserted,
    what_is_expired_is_loaded_anew,
    what_is_expired_during_its_load_is_not_fresh,
);

async fn what_is_removed_during_its_load_is_not_served_later(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let call = Asking::of(&cache, source.load());
    source.begun(1).await;
    cache.remove(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    let entry = call.entry().await;
    assert_eq!((**entry.value(), entry.kept()), (1, Kept::Overtaken));
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    source.let_go();
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*next.unwrap(), 2);
}

async fn who_asks_after_a_remove_gets_a_load_of_his_own(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let first = Asking::of(&cache, source.load());
    source.begun(1).await;
    let joined = Asking::of(&cache, source.load());
    until(|| waiters(&cache) == 2).await;

    cache.remove(NUMBERS.key(1)).await.unwrap();
    let after = Asking::of(&cache, source.load());
    source.begun(2).await;
    // Who had joined has been woken, and moves on to the second load: he does not wait for the first.
    let of_each = |load: &hitbox::LoadUnderWay| load.waiters;
    until(|| cache.loads().iter().map(of_each).max() == Some(2)).await;
    assert_eq!(waiters(&cache), 3);
    source.let_go();
    source.let_go();
    assert_eq!(first.value().await, 1);
    assert_eq!(after.value().await, 2);
    assert_eq!(joined.value().await, 2);
    assert_eq!(source.loads(), 2);
}

async fn a_second_cache_sees_removes_of_the_first(over: Over) {
    // Fences of one store are put around it once.
    let over: Over = match over.fencing() {
        Fencing::Fenced => over,
        Fencing::Unfenced => Arc::new(over.fenced()),
    };
    let (one, other) = (cache(Arc::clone(&over)), cache(over));
    let source = Source::held();
    let call = Asking::of(&one, source.load());
    source.begun(1).await;
    other.remove(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    assert_eq!(call.value().await, 1);
    until(|| one.loads().is_empty()).await;
    assert_eq!(one.get(NUMBERS.key(1)).await.unwrap(), None);
    assert_eq!(other.get(NUMBERS.key(1)).await.unwrap(), None);
}

async fn an_insert_during_a_load_stays(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let call = Asking::of(&cache, source.load());
    source.begun(1).await;
    cache.insert(NUMBERS.key(1), 100).await.unwrap();
    let hit = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((hit.status(), **hit.value()), (Status::Hit, 100));
    source.let_go();
    assert_eq!(call.value().await, 1);
    until(|| cache.loads().is_empty()).await;
    assert_eq!(
        cache.get(NUMBERS.key(1)).await.unwrap(),
        Some(Arc::new(100))
    );
}

async fn a_value_that_was_loaded_before_a_remove_is_not_inserted(over: Over) {
    let cache = cache(over);
    let began = Stamp::now();
    cache.remove(NUMBERS.key(1)).await.unwrap();
    cache
        .insert(NUMBERS.key(1), 1)
        .loaded_since(began)
        .await
        .unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
}

async fn a_load_that_lasts_while_others_are_removed_is_stored(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let call = Asking::of(&cache, source.load());
    source.begun(1).await;
    for other in 0..100_000 {
        let other = CacheKey::from_pair("other", other.to_string());
        cache.remove(Key::<u64>::untyped(other)).await.unwrap();
    }
    source.let_go();
    assert_eq!(call.value().await, 1);
    until(|| cache.statistics().fills + cache.statistics().overtaken_fills == 1).await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
}

async fn what_is_expired_is_loaded_anew(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    cache
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    until(|| cache.statistics().fills == 1).await;
    cache.expire(NUMBERS.key(1)).await.unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    let next = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((next.status(), **next.value()), (Status::Loaded, 2));
    until(|| cache.statistics().fills == 2).await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(2)));
}

async fn what_is_expired_during_its_load_is_not_fresh(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let call = Asking::of(&cache, source.load());
    source.begun(1).await;
    cache.expire(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    assert_eq!(call.value().await, 1);
    until(|| cache.loads().is_empty()).await;
    source.let_go();
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!((*next.unwrap(), source.loads()), (2, 2));
}

/// The fill hangs in L2: the remove waits for it no longer than the layer's deadline.
#[tokio::test(start_paused = true)]
async fn a_remove_while_the_value_is_being_stored_is_the_last_word() {
    let l2 = ChaosBackend::builder(MemoryBackend::new()).build().unwrap();
    let chaos = l2.handle();
    let deadline = Duration::from_secs(1);
    let l2 = l2.deadline(deadline).unwrap();
    let cache = cache(Arc::new(moka().compose(l2, DisabledOffload)));
    let source = Source::open();
    chaos.script(Script::writes([Some(Fault::Hang)])).unwrap();
    let load = cache.get_or_load(NUMBERS.key(1), source.load());
    assert_eq!(*load.await.unwrap(), 1);
    chaos.wait_until_hanging(1).await;
    let began = tokio::time::Instant::now();
    cache.remove(NUMBERS.key(1)).await.unwrap();
    assert!((deadline..=2 * deadline).contains(&began.elapsed()));
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*next.unwrap(), 2);
}

/// What is inserted for nobody takes the place of what was there all the same.
#[tokio::test(start_paused = true)]
async fn an_insert_of_what_is_uncached_removes() {
    let cache = cache(Arc::new(moka()));
    cache.insert(NUMBERS.key(1), 1).await.unwrap();
    cache
        .insert(NUMBERS.key(1), Loaded::uncached(2))
        .await
        .unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
}
