//! What a cache says of the calls that were made of it.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures::{future::join_all, poll};
use hitbox::{Cache, CacheBuilder, Calls, Keyspace, Loaded, Refresh, VirtualTime};
use hitbox_backend::{
    chaos::{ChaosBackend, Fault, Script},
    conformance::MemoryBackend,
};

use crate::{
    backends::{Over, of_moka, on_every_backend, on_redis},
    source::{Asking, NUMBERS, Source, until, waiters},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    a_load_a_hit_and_those_who_joined,
    stale_values_by_what_they_were_served_for,
    absence_and_misses,
    each_key_of_a_call_for_many,
);

on_redis!(
    a_load_a_hit_and_those_who_joined,
    absence_and_misses,
    each_key_of_a_call_for_many,
);

fn cache(over: Over, build: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    build(Cache::builder(over).ttl(MINUTE)).build().unwrap()
}

/// Those that are not given are to be zero: `Calls` as an application sees it is no exhaustive struct.
fn assert_calls(cache: &Cache, set: impl FnOnce(&mut Calls)) {
    let mut expected = Calls::default();
    set(&mut expected);
    assert_eq!(cache.statistics().calls, expected);
}

async fn a_load_a_hit_and_those_who_joined(over: Over) {
    let cache = cache(over, |cache| cache);
    let source = Source::held();
    let asking: Vec<_> = (0..10).map(|_| Asking::of(&cache, source.load())).collect();
    until(|| waiters(&cache) == 10).await;
    assert_calls(&cache, |_| {});
    // Who goes before the end has no answer to count.
    let gone = Asking::of(&cache, source.load());
    until(|| waiters(&cache) == 11).await;
    gone.leave().await;
    source.let_go();
    join_all(asking.into_iter().map(Asking::value)).await;
    until(|| cache.statistics().fills == 1).await;
    for _ in 0..3 {
        let hit = cache.get_or_load(NUMBERS.key(1), source.load());
        assert_eq!(*hit.await.unwrap(), 1);
    }
    assert!(cache.get(NUMBERS.key(1)).await.unwrap().is_some());
    assert_calls(&cache, |calls| {
        (calls.loaded, calls.joined, calls.hits) = (1, 9, 4);
    });
    source.let_go();
    let refreshed = cache.refresh(NUMBERS.key(1), || async { Ok::<_, std::io::Error>(7) });
    assert_eq!(*refreshed.await.unwrap(), 7);
    assert_eq!(cache.statistics().calls.loaded, 2);
}

async fn stale_values_by_what_they_were_served_for(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let cache = cache(over, |cache| {
        cache
            .stale_if_error(2 * MINUTE)
            .soft_timeout(Duration::from_millis(100))
    });
    let source = Source::held();
    let ask = || cache.get_or_try_load(NUMBERS.key(1), source.fail());
    source.let_go();
    cache
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    until(|| cache.statistics().fills == 1).await;
    clock.advance(TimeDelta::seconds(61));
    // A load that goes on, then the same load when it has failed, then none; and, for a caller who wants nothing stale, one
    // that fails.
    assert_eq!(*ask().await.unwrap(), 1);
    assert_eq!(*ask().stale_while_revalidate(MINUTE).await.unwrap(), 1);
    let mut call = ask();
    assert!(poll!(&mut call).is_pending());
    source.let_go();
    assert_eq!(*call.await.unwrap(), 1);
    assert_eq!(*ask().await.unwrap(), 1);
    source.let_go();
    assert!(ask().stale_if_error(Duration::ZERO).await.is_err());
    // Who does not load gets fresh values alone.
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    assert_calls(&cache, |calls| {
        (calls.loaded, calls.failed, calls.misses) = (1, 1, 1);
        (calls.load_slow, calls.refreshing) = (1, 1);
        (calls.load_failed, calls.throttled) = (1, 1);
    });
}

async fn absence_and_misses(over: Over) {
    let cache = cache(over, |cache| cache.absent_ttl(MINUTE));
    let absent = || async { Loaded::<u64>::absent() };
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    assert_eq!(cache.get_many([NUMBERS.key(1)]).await.len(), 1);
    // Found by a load, kept, and read by who does not load.
    let first = cache.get_or_load(NUMBERS.key(1), absent).await;
    assert!(first.unwrap_err().is_absent());
    until(|| cache.statistics().fills == 1).await;
    let kept = cache.get_or_load(NUMBERS.key(1), absent).optional().await;
    assert_eq!(kept.unwrap(), None);
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    assert_calls(&cache, |calls| (calls.misses, calls.absent) = (2, 3));
}

async fn each_key_of_a_call_for_many(over: Over) {
    let cache = cache(over, |cache| cache);
    cache.insert(NUMBERS.key(1), 1).await.unwrap();
    let load = |mut missing: hitbox::Batch<u64, u64>| async move {
        missing.found(2, 2);
        missing.fail(3, "it fails");
        Ok::<_, std::io::Error>(missing)
    };
    // Twice the same one: each is answered.
    let answers = cache
        .get_many_or_load(&NUMBERS, [1, 2, 2, 3, 4], load)
        .await;
    assert_eq!(answers.len(), 5);
    assert_calls(&cache, |calls| {
        (calls.hits, calls.loaded, calls.failed, calls.absent) = (1, 2, 1, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn a_hit_that_is_due_for_a_refresh_is_a_hit() {
    let clock = VirtualTime::start(Utc::now() + TimeDelta::hours(1));
    let cache = cache(of_moka(), |cache| cache.refresh(Refresh::After(0.5)));
    let source = Source::open();
    for _ in 0..2 {
        let call = cache.get_or_load(NUMBERS.key(1), source.load());
        assert_eq!(*call.await.unwrap(), 1);
        until(|| cache.statistics().fills == 1).await;
        clock.advance(TimeDelta::seconds(40));
    }
    assert_calls(&cache, |calls| (calls.loaded, calls.hits) = (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_has_failed() {
    const AGAIN: Keyspace<u64, String> = Keyspace::new("numbers", 1);
    let backend = ChaosBackend::builder(MemoryBackend::new()).build().unwrap();
    let chaos = backend.handle();
    let cache = cache(Arc::new(backend), |cache| cache);
    let source = Source::open();
    let call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert_eq!(*call.await.unwrap(), 1);
    let conflict = cache.get_or_load(AGAIN.key(1), || async { String::new() });
    assert!(conflict.await.is_err());
    chaos
        .script(Script::reads([Some(Fault::BreakOff)]))
        .unwrap();
    assert!(cache.get(NUMBERS.key(2)).await.is_err());
    // What is not there at once is not there for who does not wait.
    assert_eq!(cache.try_get(NUMBERS.key(3)), None);
    assert_calls(&cache, |calls| {
        (calls.loaded, calls.failed, calls.misses) = (1, 2, 1);
    });
}
