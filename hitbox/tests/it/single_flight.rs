//! One load, however many ask, and whatever becomes of those who do.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::TimeDelta;
use futures::{FutureExt, executor::block_on, future::join_all, poll};
use hitbox::{Batch, Cache, CacheBuilder, Compose, Status, VirtualTime};
use hitbox_backend::{
    DisabledOffload,
    chaos::{Fault, Script},
    conformance::{Fault as LayerFault, Faults, FaultyBackend, MemoryBackend},
};

use crate::{
    backends::{Over, moka_over_chaos, of_moka_over_memory, on_every_backend, on_redis},
    source::{Asking, NUMBERS, Source, until, waiters},
};

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    a_cold_key_is_loaded_once,
    ten_thousand_who_ask_at_once_cost_one_load,
    a_first_caller_who_goes_takes_nothing_with_him,
    a_first_caller_who_is_not_polled_holds_nobody_up,
    a_load_that_all_have_left_is_stored,
);

on_redis!(
    a_cold_key_is_loaded_once,
    ten_thousand_who_ask_at_once_cost_one_load,
    a_first_caller_who_goes_takes_nothing_with_him,
    a_load_that_all_have_left_is_stored,
);

async fn a_cold_key_is_loaded_once(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    let loaded = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((loaded.status(), **loaded.value()), (Status::Loaded, 1));
    until(|| cache.statistics().fills == 1).await;
    let hit = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((hit.status(), source.loads()), (Status::Hit, 1));
    assert!(Arc::ptr_eq(hit.value(), loaded.value()), "the same object");
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
    assert!(cache.loads().is_empty());
}

async fn ten_thousand_who_ask_at_once_cost_one_load(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let calls = (0..10_000).map(|_| {
        let (cache, load) = (cache.clone(), source.load());
        tokio::spawn(async move { cache.get_or_load(NUMBERS.key(1), load).entry().await })
    });
    let calls: Vec<_> = calls.collect();
    source.begun(1).await;
    until(|| waiters(&cache) == 10_000).await;
    source.let_go();
    let entries: Vec<_> = join_all(calls).await;
    let entries: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.unwrap().unwrap())
        .collect();
    let of = |status| {
        entries
            .iter()
            .filter(|entry| entry.status() == status)
            .count()
    };
    assert_eq!((of(Status::Loaded), of(Status::Joined)), (1, 9_999));
    assert!(
        entries
            .iter()
            .all(|entry| Arc::ptr_eq(entry.value(), entries[0].value()))
    );
    assert_eq!(source.loads(), 1);
    until(|| cache.statistics().fills == 1).await;
    assert!(cache.loads().is_empty());
}

async fn a_first_caller_who_goes_takes_nothing_with_him(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let first = Asking::of(&cache, source.load());
    source.begun(1).await;
    let others: Vec<_> = (0..100)
        .map(|_| Asking::of(&cache, source.load()))
        .collect();
    until(|| waiters(&cache) == 101).await;
    first.leave().await;
    source.let_go();
    for other in others {
        assert_eq!(other.value().await, 1);
    }
    assert_eq!(source.loads(), 1);
    until(|| cache.statistics().fills == 1).await;
}

async fn a_first_caller_who_is_not_polled_holds_nobody_up(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut first = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut first).is_pending());
    source.begun(1).await;
    source.let_go();
    // The first one is held, and not polled.
    let other = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!((*other.unwrap(), source.loads()), (1, 1));
    assert_eq!(first.now_or_never().map(|value| *value.unwrap()), Some(1));
}

async fn a_load_that_all_have_left_is_stored(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let calls: Vec<_> = (0..3).map(|_| Asking::of(&cache, source.load())).collect();
    until(|| waiters(&cache) == 3).await;
    source.begun(1).await;
    for call in calls {
        call.leave().await;
    }
    assert_eq!(waiters(&cache), 0);
    source.let_go();
    until(|| cache.statistics().fills == 1).await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
}

#[test]
fn a_hit_in_process_needs_no_runtime() {
    let cache = cache(of_moka_over_memory());
    assert_eq!(cache.try_get(NUMBERS.key(1)), None);
    block_on(async { cache.insert(NUMBERS.key(1), 7).await }).unwrap();
    assert_eq!(cache.try_get(NUMBERS.key(1)), Some(Arc::new(7)));
}

/// The gap between the end of a load and the end of its fill.
#[tokio::test(start_paused = true)]
async fn who_comes_while_the_value_is_being_stored_gets_it() {
    let (over, chaos) = moka_over_chaos();
    let (cache, source) = (cache(over), Source::open());
    chaos.script(Script::writes([Some(Fault::Hang)])).unwrap();
    cache
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    until(|| chaos.hanging() == 1).await;
    let while_stored = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!((*while_stored.unwrap(), source.loads()), (1, 1));
    chaos.release();
    until(|| cache.statistics().fills == 1).await;
    let stored = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!((*stored.unwrap(), source.loads()), (1, 1));
}

/// A cache over two layers that do as they are told.
fn of_faulty_layers() -> (CacheBuilder, [Faults; 2]) {
    let (l1, faults_of_l1) = FaultyBackend::new(MemoryBackend::new());
    let (l2, faults_of_l2) = FaultyBackend::new(MemoryBackend::new());
    let over = l1.compose(l2, DisabledOffload);
    let cache = Cache::builder(over).ttl(Duration::from_secs(300));
    (cache, [faults_of_l1, faults_of_l2])
}

/// Reads of L2 that are begun now are answered when it is healed.
fn hang(faults: &[Faults; 2]) {
    faults[1].reads().always(LayerFault::HangBeforeEffect);
}

#[tokio::test]
async fn who_comes_while_a_missed_key_is_loaded_does_not_look_for_it() {
    let (cache, faults) = of_faulty_layers();
    let (cache, source) = (cache.build().unwrap(), Source::held());
    let first = Asking::of(&cache, source.load());
    source.begun(1).await;
    let reads = faults[1].reads().calls();
    hang(&faults);
    let others: Vec<_> = (0..100)
        .map(|_| Asking::of(&cache, source.load()))
        .collect();
    until(|| waiters(&cache) == 101).await;
    source.let_go();
    for asking in others.into_iter().chain([first]) {
        assert_eq!(asking.value().await, 1);
    }
    assert_eq!(faults[1].reads().calls(), reads);
    assert_eq!(source.loads(), 1);
    faults[1].heal();
}

#[tokio::test]
async fn who_comes_while_a_missed_key_is_loaded_with_others_does_not_look_for_it() {
    let (cache, faults) = of_faulty_layers();
    let (cache, source) = (cache.build().unwrap(), Source::held());
    let (of_many, load) = (cache.clone(), source.load());
    let load = move |mut missing: Batch<u64, u64>| async move {
        let number = load().await;
        for id in missing.ids().to_vec() {
            missing.found(id, number);
        }
        Ok::<_, io::Error>(missing)
    };
    let many = tokio::spawn(async move { of_many.get_many_or_load(&NUMBERS, [1, 2], load).await });
    source.begun(1).await;
    let reads = faults[1].reads().calls();
    hang(&faults);
    let single = Asking::of(&cache, source.load());
    until(|| waiters(&cache) == 3).await;
    source.let_go();
    assert_eq!(single.value().await, 1);
    assert!(many.await.unwrap().iter().all(Result::is_ok));
    assert_eq!((faults[1].reads().calls(), source.loads()), (reads, 1));
    faults[1].heal();
}

#[tokio::test]
async fn who_comes_while_a_value_is_refreshed_looks_for_it() {
    let (cache, faults) = of_faulty_layers();
    let cache = cache
        .ttl(Duration::from_secs(1))
        .stale_while_revalidate(Duration::from_secs(300));
    let (cache, source) = (cache.build().unwrap(), Source::held());
    let clock = VirtualTime::start(SystemTime::now().into());
    cache.insert(NUMBERS.key(1), 7).await.unwrap();
    clock.advance(TimeDelta::seconds(2));
    faults[0].reads().always(LayerFault::FailBeforeEffect);
    for loads in [1, 1] {
        // Healed before it waits: the clock is this thread's, as the calls are.
        hang(&faults);
        let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
        assert!(poll!(&mut call).is_pending());
        faults[1].reads().heal();
        assert_eq!(*call.await.unwrap(), 7, "it waits for no load");
        source.begun(loads).await;
    }
    source.let_go();
}

#[tokio::test]
async fn who_comes_after_an_insert_finds_what_was_inserted_though_the_key_is_being_loaded() {
    let (cache, faults) = of_faulty_layers();
    let (cache, source) = (cache.build().unwrap(), Source::held());
    let first = Asking::of(&cache, source.load());
    source.begun(1).await;
    cache.insert(NUMBERS.key(1), 7).await.unwrap();
    faults[0].reads().always(LayerFault::FailBeforeEffect);
    hang(&faults);
    let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut call).is_pending());
    faults[1].reads().heal();
    assert_eq!(*call.await.unwrap(), 7);
    assert_eq!(source.loads(), 1);
    source.let_go();
    first.value().await;
}
