//! One load, however many ask, and whatever becomes of those who do.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, executor::block_on, future::join_all, poll};
use hitbox::{Cache, Status};
use hitbox_backend::chaos::{Fault, Script};

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
