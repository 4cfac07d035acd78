//! The task that drops expired entries without traffic.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Encoding, Raw, Stamp};
use hitbox_moka::MokaBackend;
use tokio::runtime::Handle;

const EVERY: Duration = Duration::from_millis(10);

fn maintained(every: Duration) -> MokaBackend {
    MokaBackend::builder()
        .count_evictions()
        .max_entries(10)
        .maintenance(every)
        .build()
        .unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let polled = async {
        while !holds() {
            tokio::time::sleep(EVERY).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), polled).await;
    assert!(outcome.is_ok(), "in vain: {what}");
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// An object in the cache that nobody else holds.
async fn cached_object(cache: &MokaBackend, expire: Option<TimeDelta>) -> Weak<u8> {
    let object = Arc::new(1_u8);
    let observer = Arc::downgrade(&object);
    let raw = Raw::with_decoded(Bytes::new(), Encoding::OPAQUE, object);
    let value = CacheValue::from_parts(
        raw,
        expire.map(|life| Utc::now() + life),
        None,
        Stamp::now(),
    );
    let key = CacheKey::from_pair("id", "1");
    cache.write(&key, value).await.unwrap();
    observer
}

#[tokio::test]
async fn expired_entries_go_without_traffic() {
    let cache = maintained(EVERY);
    cached_object(&cache, Some(TimeDelta::milliseconds(5))).await;
    until("the entry is dropped", || {
        cache.statistics().evictions.unwrap().expired == 1
    })
    .await;
    assert_eq!(cache.statistics().entries, 0);
}

#[tokio::test]
async fn the_task_serves_every_clone() {
    let cache = maintained(EVERY);
    let clone = cache.clone();
    drop(cache);
    cached_object(&clone, Some(TimeDelta::milliseconds(5))).await;
    until("the entry is dropped", || {
        clone.statistics().evictions.unwrap().expired == 1
    })
    .await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_clone() {
    assert_eq!(tasks(), 0);
    // Too long to find out at the next tick.
    let cache = maintained(Duration::from_secs(3_600));
    let clone = cache.clone();
    drop(cache);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 1);
    drop(clone);
    until("the task has ended", || tasks() == 0).await;
}

#[tokio::test]
async fn the_task_does_not_keep_the_entries() {
    let cache = maintained(EVERY);
    let object = cached_object(&cache, None).await;
    assert!(object.upgrade().is_some());
    // No await from here: the runtime has no chance to end the task first.
    drop(cache);
    assert!(object.upgrade().is_none());
}

#[test]
fn a_backend_outlives_the_runtime_of_its_maintenance() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let cache = runtime.block_on(async { maintained(EVERY) });
    drop(runtime);
    cache.run_pending_tasks();
    drop(cache);
}
