//! What is served past its time, and when it is loaded anew.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::poll;
use hitbox::{Cache, CacheBuilder, LoadErrorKind, Refresh, Status, VirtualTime, Why};

use hitbox_backend::chaos::{Fault, Script};
use test_servers::redis::SharedRedis;

use crate::{
    backends::{
        Over, moka_over_chaos, of_a_nest, of_moka, of_moka_over_memory, of_moka_over_redis,
        of_quick_cache, of_wrappers, on_every_backend, on_redis,
    },
    source::{NUMBERS, Source, until},
};

const MINUTE: Duration = Duration::from_secs(60);

on_every_backend!(
    a_stale_value_is_served_at_once_while_one_load_refreshes_it,
    a_stale_value_is_served_where_the_load_fails,
    a_stale_value_is_served_where_the_load_is_slow,
    what_was_removed_is_no_fallback,
    what_was_expired_by_hand_is_one,
);

on_redis!(
    a_stale_value_is_served_at_once_while_one_load_refreshes_it,
    a_stale_value_is_served_where_the_load_fails,
    what_was_removed_is_no_fallback,
    what_was_expired_by_hand_is_one,
);

/// A cache with a value, which has been stored.
async fn filled(over: Over, build: impl FnOnce(CacheBuilder) -> CacheBuilder) -> (Cache, Source) {
    let cache = build(Cache::builder(over).ttl(MINUTE)).build().unwrap();
    let source = Source::held();
    source.let_go();
    cache
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    until(|| cache.statistics().fills == 1).await;
    (cache, source)
}

async fn a_stale_value_is_served_at_once_while_one_load_refreshes_it(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let (cache, source) = filled(over, |cache| cache.stale_while_revalidate(MINUTE)).await;
    clock.advance(TimeDelta::seconds(61));
    for _ in 0..100 {
        let entry = cache
            .get_or_load(NUMBERS.key(1), source.load())
            .entry()
            .await
            .unwrap();
        assert_eq!(
            (entry.status(), **entry.value()),
            (Status::Stale(Why::Refreshing), 1)
        );
    }
    source.begun(2).await;
    source.let_go();
    until(|| cache.statistics().fills == 2).await;
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Hit, 2));
    assert_eq!(source.loads(), 2);
    clock.advance(TimeDelta::seconds(121));
    source.let_go();
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Loaded, 3));
}

async fn a_stale_value_is_served_where_the_load_fails(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let (cache, source) = filled(over, |cache| cache.stale_if_error(MINUTE)).await;
    clock.advance(TimeDelta::seconds(61));
    source.let_go();
    let entry = cache
        .get_or_try_load(NUMBERS.key(1), source.fail())
        .entry()
        .await
        .unwrap();
    assert_eq!(
        (entry.status(), **entry.value()),
        (Status::Stale(Why::LoadFailed), 1)
    );
    assert_eq!(entry.load_error().unwrap().kind(), LoadErrorKind::Loader);
    let entry = cache
        .get_or_try_load(NUMBERS.key(1), source.fail())
        .entry()
        .await
        .unwrap();
    assert_eq!(
        (entry.status(), source.loads()),
        (Status::Stale(Why::Throttled), 2)
    );
    // It looks no younger than it is, and its end has come.
    clock.advance(TimeDelta::seconds(60));
    source.let_go();
    let error = cache
        .get_or_try_load(NUMBERS.key(1), source.fail())
        .await
        .unwrap_err();
    assert_eq!((error.kind(), source.loads()), (LoadErrorKind::Loader, 3));
}

async fn a_stale_value_is_served_where_the_load_is_slow(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let limits = |cache: CacheBuilder| {
        cache
            .stale_if_error(MINUTE)
            .soft_timeout(Duration::from_millis(100))
    };
    let (cache, source) = filled(over, limits).await;
    clock.advance(TimeDelta::seconds(61));
    let began = tokio::time::Instant::now();
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!(
        (entry.status(), **entry.value()),
        (Status::Stale(Why::LoadSlow), 1)
    );
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    source.let_go();
    until(|| cache.statistics().fills == 2).await;
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Hit, 2));
    // Without a stale value the soft time-out does nothing.
    let mut call = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut call).is_pending());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(poll!(&mut call).is_pending());
    source.let_go();
    assert_eq!(*call.await.unwrap(), 3);
}

async fn what_was_removed_is_no_fallback(over: Over) {
    let clock = VirtualTime::start(Utc::now());
    let (cache, source) = filled(over, |cache| cache.stale_if_error(MINUTE)).await;
    clock.advance(TimeDelta::seconds(61));
    let mut call = cache.get_or_try_load(NUMBERS.key(1), source.fail());
    assert!(poll!(&mut call).is_pending());
    source.begun(2).await;
    cache.remove(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    assert_eq!(call.await.unwrap_err().kind(), LoadErrorKind::Loader);
}

async fn what_was_expired_by_hand_is_one(over: Over) {
    let (cache, source) = filled(over, |cache| cache.stale_if_error(MINUTE)).await;
    cache.expire(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    let entry = cache
        .get_or_try_load(NUMBERS.key(1), source.fail())
        .entry()
        .await
        .unwrap();
    assert_eq!(
        (entry.status(), **entry.value()),
        (Status::Stale(Why::LoadFailed), 1)
    );
}

/// One backend after the other, each at a later time: stamps of a process never go back, so in one that has been ahead
/// of this clock, what is loaded now would look younger than it is.
#[tokio::test(start_paused = true)]
async fn a_refresh_ahead_of_the_end_keeps_nobody_waiting() {
    let later = |hours| Utc::now() + TimeDelta::hours(hours);
    refresh_ahead(of_moka(), later(1)).await;
    refresh_ahead(of_quick_cache(), later(2)).await;
    refresh_ahead(of_moka_over_memory(), later(3)).await;
    refresh_ahead(of_a_nest(), later(4)).await;
    refresh_ahead(of_wrappers(), later(5)).await;
}

async fn refresh_ahead(over: Over, at: DateTime<Utc>) {
    let clock = VirtualTime::start(at);
    let (cache, source) = filled(over, |cache| cache.refresh(Refresh::After(0.8))).await;
    clock.advance(TimeDelta::seconds(47));
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), source.loads()), (Status::Hit, 1));
    clock.advance(TimeDelta::seconds(2));
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Hit, 1));
    source.begun(2).await;
    source.let_go();
    until(|| cache.statistics().fills == 2).await;
    let entry = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Hit, 2));
}

/// Another process has refreshed what both keep in Redis: the first one finds it without a load.
#[tokio::test]
async fn what_another_process_has_refreshed_is_found() {
    let redis = SharedRedis::open().await.unwrap();
    let clock = VirtualTime::start(Utc::now());
    let windows = |cache: CacheBuilder| cache.stale_if_error(MINUTE);
    let (one, source) = filled(of_moka_over_redis(&redis), windows).await;
    clock.advance(TimeDelta::seconds(61));
    let other = windows(Cache::builder(of_moka_over_redis(&redis)).ttl(MINUTE));
    let other = other.build().unwrap();
    source.let_go();
    let refreshed = other.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*refreshed.unwrap(), 2);
    until(|| other.statistics().fills == 1).await;
    let entry = one
        .get_or_load(NUMBERS.key(1), source.load())
        .entry()
        .await
        .unwrap();
    assert_eq!((entry.status(), **entry.value()), (Status::Hit, 2));
    assert_eq!(source.loads(), 2);
}

/// The read that looks for what took the place of the fallback is within the caller's time, too.
#[tokio::test(start_paused = true)]
async fn the_last_read_is_within_the_callers_time() {
    let (over, chaos) = moka_over_chaos();
    let (cache, source) = filled(over, |cache| cache.stale_if_error(MINUTE)).await;
    cache.expire(NUMBERS.key(1)).await.unwrap();
    let call = cache.get_or_try_load(NUMBERS.key(1), source.fail());
    let mut call = call.hard_timeout(Duration::from_secs(1));
    assert!(poll!(&mut call).is_pending());
    source.begun(2).await;
    cache.remove(NUMBERS.key(1)).await.unwrap();
    chaos.script(Script::reads([Some(Fault::Hang)])).unwrap();
    source.let_go();
    let began = tokio::time::Instant::now();
    assert_eq!(call.await.unwrap_err().kind(), LoadErrorKind::Loader);
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}
