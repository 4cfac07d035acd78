//! Capacity, eviction, the listener and statistics.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Attempt, Backend, BackendErrorKind, CacheBackend, DeleteStatus, Rejection,
    in_process::EvictionCause,
};
use hitbox_core::{
    CacheContext, CacheKey, CacheValue, Raw, Stamp,
    clock::{Moment, VirtualTime},
};
use serde::{Deserialize, Serialize, Serializer};

use crate::Tested;

fn key(index: usize) -> CacheKey {
    CacheKey::from_pair("id", index.to_string())
}

fn lasting(length: usize) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now())
}

async fn write(cache: &Tested, index: usize, length: usize) {
    cache.write(&key(index), lasting(length)).await.unwrap();
    // One at a time: what moka evicts depends on the order in which it hears of reads and writes.
    cache.run_pending_tasks();
}

async fn present(cache: &Tested, count: usize) -> Vec<usize> {
    let keys: Vec<_> = (0..count).map(key).collect();
    let outcomes = cache.read_many(&keys).await.into_iter();
    let found = outcomes.map(|outcome| outcome.unwrap().is_some());
    found
        .enumerate()
        .filter_map(|(index, found)| found.then_some(index))
        .collect()
}

#[tokio::test]
async fn entries_are_bounded_and_counted() {
    let builder = Tested::builder().max_entries(10);
    let cache = builder.count_evictions().build().unwrap();
    for index in 0..100 {
        cache.write(&key(index), lasting(10)).await.unwrap();
    }
    cache.run_pending_tasks();
    let statistics = cache.statistics();
    assert_eq!(statistics.entries, 10);
    assert_eq!(statistics.bytes, None);
    assert_eq!(statistics.evicted_by_bound, Some(90));
    assert_eq!(statistics.evicted_expired, Some(0));
    assert_eq!(present(&cache, 100).await.len(), 10);
}

#[tokio::test]
async fn an_entry_heavier_than_the_cache_is_refused_at_once() {
    let builder = Tested::builder().max_bytes(10_000);
    let cache = builder.count_evictions().build().unwrap();
    cache.write(&key(0), lasting(100)).await.unwrap();
    write(&cache, 1, 100).await;
    let error = cache.write(&key(0), lasting(12_000)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert!(error.to_string().contains("up to"), "{error}");
    assert_eq!(present(&cache, 2).await, [1]);
    assert_eq!(cache.remove(&key(0)).await.unwrap(), DeleteStatus::Missing);
    cache.run_pending_tasks();
    assert_eq!(cache.statistics().evicted_by_bound.unwrap(), 0);
}

#[tokio::test]
async fn a_heavy_key_counts_as_well() {
    let cache = Tested::builder().max_bytes(10_000).build().unwrap();
    let heavy = CacheKey::from_pair("id", "x".repeat(10_000));
    let error = cache.write(&heavy, lasting(0)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert!(!error.to_string().contains("xxx"), "{error}");
}

#[tokio::test]
async fn bytes_are_what_the_entries_weigh() {
    let cache = Tested::builder().max_bytes(100_000).build().unwrap();
    write(&cache, 0, 1_000).await;
    let one = cache.statistics().bytes.unwrap();
    assert!((1_200..2_000).contains(&one), "{one}");
    write(&cache, 1, 1_000).await;
    assert_eq!(cache.statistics().bytes, Some(2 * one));
    write(&cache, 0, 2_000).await;
    assert_eq!(cache.statistics().bytes, Some(2 * one + 1_000));
    cache.clear();
    cache.run_pending_tasks();
    assert_eq!(cache.statistics().bytes, Some(0));
}

/// To weigh an object takes as long as to encode it.
#[tokio::test]
async fn an_object_is_weighed_once_for_all_limits() {
    thread_local! {
        static WEIGHED: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Deserialize)]
    struct Counted;

    impl Serialize for Counted {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            WEIGHED.set(WEIGHED.get() + 1);
            serializer.serialize_unit_struct("Counted")
        }
    }

    let builder = Tested::builder().max_bytes(1 << 20);
    let cache = builder.largest_value(1 << 10).build().unwrap();
    let object = CacheValue::loaded(Arc::new(Counted), Stamp::now());
    cache.set(&key(1), object).await.unwrap();
    assert_eq!(WEIGHED.get(), 1);
}

#[tokio::test]
async fn the_largest_value_is_by_what_the_user_says_it_weighs() {
    let builder = Tested::builder().max_bytes(1 << 20).largest_value(1 << 10);
    let builder = builder.weigher(|_: &CacheKey, kibibytes: &u32| *kibibytes as usize * 1024);
    let cache = builder.build().unwrap();
    for (kibibytes, kind) in [(1_u32, None), (2, Some(BackendErrorKind::TooLarge))] {
        let number = CacheValue::loaded(Arc::new(kibibytes), Stamp::now());
        let refused = cache.set(&key(1), number).await.err();
        assert_eq!(refused.map(|error| error.kind()), kind, "{kibibytes}");
    }
}

/// By the weigher of its type; one of another type as if there were none.
#[tokio::test]
async fn objects_are_weighed_as_the_user_says() {
    let cache = |weighs| {
        let builder = Tested::builder().max_bytes(1 << 20);
        let builder = builder.weigher(move |_: &CacheKey, _: &u32| weighs);
        builder.build().unwrap()
    };
    let bytes = async |cache: &Tested| {
        cache.run_pending_tasks();
        cache.statistics().bytes.unwrap()
    };
    let (light, heavy) = (cache(0), cache(50_000));
    for cache in [&light, &heavy] {
        let number = CacheValue::loaded(Arc::new(7_u32), Stamp::now());
        cache.set(&key(1), number).await.unwrap();
    }
    assert_eq!(bytes(&heavy).await - bytes(&light).await, 50_000);
    for cache in [&light, &heavy] {
        let text = CacheValue::loaded(Arc::new(String::from("seven")), Stamp::now());
        cache.set(&key(1), text).await.unwrap();
    }
    assert_eq!(bytes(&heavy).await, bytes(&light).await);

    let too_heavy = cache(2 << 20);
    let number = CacheValue::loaded(Arc::new(7_u32), Stamp::now());
    let refused = too_heavy.set(&key(1), number).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
}

#[tokio::test]
async fn the_listener_hears_of_evictions_only() {
    let clock = VirtualTime::start(Utc::now());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let cache = Tested::builder()
        .max_entries(2)
        .eviction_listener(move |key, cause| sink.lock().unwrap().push((key.clone(), cause)))
        .build()
        .unwrap();
    write(&cache, 0, 10).await;
    write(&cache, 0, 20).await;
    cache.remove(&key(0)).await.unwrap();
    write(&cache, 0, 10).await;
    cache.clear();
    cache.run_pending_tasks();
    assert_eq!(*heard.lock().unwrap(), []);

    write(&cache, 1, 10).await;
    let soon = Some(clock.now() + TimeDelta::seconds(1));
    let expiring = CacheValue::from_parts(Raw::from(vec![1]), soon, None, Stamp::now());
    cache.write(&key(1), expiring).await.unwrap();
    clock.advance(TimeDelta::seconds(2));
    write(&cache, 1, 10).await;
    let mut expected = vec![(key(1), EvictionCause::Expired)];
    assert_eq!(*heard.lock().unwrap(), expected);

    for index in 2..4 {
        write(&cache, index, 10).await;
    }
    let left = present(&cache, 4).await;
    let gone = (1..4).filter(|index| !left.contains(index));
    expected.extend(gone.map(|index| (key(index), EvictionCause::Size)));
    assert_eq!(expected.len(), 2);
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_listener_that_panics_is_asked_again_and_breaks_nothing() {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let cache = Tested::builder()
        .max_entries(1)
        .eviction_listener(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            panic!("the listener's own bug");
        })
        .build()
        .unwrap();
    for index in 0..4 {
        write(&cache, index, 10).await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(cache.statistics().evicted_by_bound.unwrap(), 3);
    assert_eq!(present(&cache, 4).await.len(), 1);
}

#[tokio::test]
async fn rejections_are_counted() {
    let cache = Tested::builder().max_entries(1).build().unwrap();
    cache.reject(&key(0), Rejection::Type);
    cache.clone().reject(&key(0), Rejection::Undecodable);
    let rejections = cache.statistics().rejections;
    assert_eq!(rejections.total(), 2);
    assert_eq!(rejections.count(Rejection::Type), 1);
}

#[tokio::test]
async fn cleared_entries_are_gone_at_once_for_every_clone() {
    let cache = Tested::builder().max_entries(10).build().unwrap();
    let clone = cache.clone();
    for index in 0..3 {
        write(&cache, index, 10).await;
    }
    clone.clear();
    assert_eq!(present(&cache, 3).await, [] as [usize; 0]);
    assert_eq!(cache.remove(&key(0)).await.unwrap(), DeleteStatus::Missing);
    write(&cache, 1, 10).await;
    assert_eq!(present(&clone, 3).await, [1]);
    assert_eq!(clone.statistics().entries, 1);
    assert_eq!(cache.statistics().entries, 1);
}

#[tokio::test]
async fn debug_shows_no_key_and_no_value() {
    let cache = Tested::builder().max_entries(10).build().unwrap();
    let key = CacheKey::from_pair("token", "hidden-key");
    let value = CacheValue::loaded(Raw::from(b"hidden-value".to_vec()), Stamp::now());
    cache.write(&key, value).await.unwrap();
    let shown = format!("{cache:?}");
    assert!(shown.contains("Entries(10)"), "{shown}");
    assert!(
        !shown.contains("hidden") && !shown.contains("104"),
        "{shown}"
    );
}

/// What moka's LRU was seen not to do: with such writers it held less and less.
#[test]
fn writers_of_many_keys_leave_the_cache_its_capacity() {
    const ROOM: u64 = 2_000;
    const KEYS: usize = 8_000;
    let cache = Tested::builder().max_entries(ROOM).build().unwrap();
    let keys: Vec<_> = (0..KEYS).map(key).collect();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for round in 0..4 {
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (cache, keys) = (&cache, &keys);
                scope.spawn(move || {
                    let mut random =
                        fastrand::Rng::with_seed(seed.wrapping_add(4 * round + writer));
                    for _ in 0..25_000 {
                        drop(cache.try_write(&keys[random.usize(..KEYS)], lasting(10)));
                    }
                });
            }
        });
        cache.run_pending_tasks();
        let there = keys.iter().filter(|key| is_there(&cache, key)).count() as u64;
        assert_eq!(there, cache.statistics().entries);
        assert!(there >= ROOM * 9 / 10, "round {round}: {there} entries");
    }
}

fn is_there(cache: &Tested, key: &CacheKey) -> bool {
    let context = &mut CacheContext::default().boxed();
    match cache.try_read(key, context, &Moment::default()) {
        Attempt::Ready(read) => read.unwrap().is_some(),
        Attempt::Pending(_) | Attempt::WouldBlock(()) => panic!("waits"),
    }
}
