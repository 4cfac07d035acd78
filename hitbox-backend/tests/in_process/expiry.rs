//! Expiry, by the wall clock.

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::{Backend, DeleteStatus};
use hitbox_core::{
    CacheContext, CacheKey, CacheStatus, CacheValue, Raw, Stamp, clock::VirtualTime,
};

use crate::Tested;

fn cache() -> Tested {
    let builder = Tested::builder().max_entries(100);
    builder.count_evictions().build().unwrap()
}

fn key() -> CacheKey {
    CacheKey::from_pair("id", "1")
}

fn expiring(expire: Option<DateTime<Utc>>) -> CacheValue<Raw> {
    CacheValue::from_parts(Raw::from(vec![1]), expire, None, Stamp::now())
}

fn after(milliseconds: i64) -> Option<DateTime<Utc>> {
    Some(hitbox_core::clock::now() + TimeDelta::milliseconds(milliseconds))
}

async fn is_there(cache: &Tested) -> bool {
    cache.read(&key()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_value_is_gone_at_its_expiry_by_the_wall_clock() {
    let clock = VirtualTime::start("2026-01-01T00:00:00Z".parse().unwrap());
    let cache = cache();
    cache.write(&key(), expiring(after(10_000))).await.unwrap();
    clock.advance(TimeDelta::microseconds(9_999_999));
    assert!(is_there(&cache).await);

    clock.advance(TimeDelta::microseconds(1));
    assert!(!is_there(&cache).await);
    assert_eq!(
        cache.read_many(&[key()]).await.pop().unwrap().unwrap(),
        None
    );
    let mut context = CacheContext::default().boxed();
    assert_eq!(cache.read_with(&key(), &mut context).await.unwrap(), None);
    assert_eq!(context.status(), CacheStatus::Miss);
    // The cache still holds it, and it counts as absent all the same.
    assert_eq!(cache.remove(&key()).await.unwrap(), DeleteStatus::Missing);
    assert_eq!(cache.statistics().evicted_expired.unwrap(), 1);
}

#[tokio::test]
async fn a_value_that_has_expired_when_it_is_written_is_not_kept() {
    let cache = cache();
    let expired = || expiring(after(0));
    cache.write(&key(), expiring(None)).await.unwrap();
    cache.write(&key(), expired()).await.unwrap();
    assert!(!is_there(&cache).await);
    cache.write(&key(), expiring(None)).await.unwrap();
    let written = cache.write_many(vec![(key(), expired())]).await;
    written.into_iter().for_each(Result::unwrap);
    assert!(!is_there(&cache).await);
    cache.run_pending_tasks();
    let statistics = cache.statistics();
    assert_eq!(statistics.entries, 0);
    assert_eq!(statistics.evicted_expired, Some(0), "none was there to go");
}

#[tokio::test]
async fn overwriting_replaces_the_expiry_by_the_wall_clock() {
    for (first, second, alive_at_2s) in [
        (Some(1), Some(3), true),
        (Some(3), Some(1), false),
        (Some(1), None, true),
        (None, Some(1), false),
    ] {
        let clock = VirtualTime::start("2026-01-01T00:00:00Z".parse().unwrap());
        let cache = cache();
        for seconds in [first, second] {
            let expire = seconds.and_then(|seconds: i64| after(seconds * 1_000));
            cache.write(&key(), expiring(expire)).await.unwrap();
        }
        clock.advance(TimeDelta::seconds(2));
        assert_eq!(is_there(&cache).await, alive_at_2s, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_value_written_anew_after_its_expiry_lives_its_own_life() {
    let clock = VirtualTime::start(Utc::now());
    let cache = cache();
    cache.write(&key(), expiring(after(5))).await.unwrap();
    clock.advance(TimeDelta::milliseconds(5));
    assert!(!is_there(&cache).await);
    cache.write(&key(), expiring(after(60_000))).await.unwrap();
    assert!(is_there(&cache).await);
    // The one that was overwritten had expired: that is an eviction, too.
    assert_eq!(cache.statistics().evicted_expired.unwrap(), 1);
}

#[tokio::test]
async fn the_farthest_times_are_lives_too() {
    let cache = cache();
    let farthest = expiring(Some(DateTime::<Utc>::MAX_UTC));
    for value in [farthest.clone(), expiring(after(60_000)), farthest] {
        cache.write(&key(), value).await.unwrap();
        cache.run_pending_tasks();
        assert!(is_there(&cache).await);
    }
    let oldest = expiring(Some(DateTime::<Utc>::MIN_UTC));
    cache.write(&key(), oldest).await.unwrap();
    assert!(!is_there(&cache).await);
}
