//! What this adapter does in place of the provided methods, and its own words when it refuses.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hitbox_backend::{Backend, BackendError, BackendErrorKind, DeleteStatus};
use hitbox_core::{
    BoxContext, CacheContext, CacheKey, CacheStatus, CacheValue, Raw, ResponseSource, Stamp,
};

use crate::Tested;

fn cache() -> Tested {
    Tested::builder().max_entries(10_000).build().unwrap()
}

fn lasting(payload: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from(payload)), Stamp::now())
}

#[tokio::test]
async fn a_refused_value_leaves_the_key_absent() {
    let cache = Tested::builder()
        .max_entries(10)
        .largest_value(5)
        .build()
        .unwrap();
    assert_eq!(cache.capabilities().largest_value, Some(5));
    let key = CacheKey::from_pair("id", "1");
    cache.write(&key, lasting("older")).await.unwrap();
    let error = cache.write(&key, lasting("secret")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert!(error.to_string().contains("largest_value is 5"), "{error}");
    assert!(!format!("{error:?}").contains("secret"));
    assert_eq!(cache.read(&key).await.unwrap(), None);
}

#[tokio::test]
async fn bulk_outcomes_are_in_the_order_asked_duplicates_included() {
    let cache = Tested::builder()
        .max_entries(10)
        .largest_value(5)
        .build()
        .unwrap();
    let [one, two, three] = ["1", "2", "3"].map(|id| CacheKey::from_pair("id", id));
    let entries = vec![
        (one.clone(), lasting("first")),
        (two.clone(), lasting("too long")),
        (one.clone(), lasting("later")),
    ];
    let outcomes = cache.write_many(entries).await;
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_err(BackendError::kind).copied())
        .collect();
    assert_eq!(kinds, [Ok(()), Err(BackendErrorKind::TooLarge), Ok(())]);

    let keys = [one.clone(), three.clone(), one.clone(), two.clone()];
    let mut contexts = vec![CacheContext::default().boxed(); 3];
    let found: Vec<_> = cache
        .read_many_with(&keys, &mut contexts)
        .await
        .into_iter()
        .map(|outcome| {
            outcome
                .unwrap()
                .map(|value| value.data().payload().unwrap().clone())
        })
        .collect();
    let later = Some(Bytes::from_static(b"later"));
    assert_eq!(found, [later.clone(), None, later, None]);
    let statuses: Vec<_> = contexts.iter().map(BoxContext::status).collect();
    assert_eq!(
        statuses,
        [CacheStatus::Hit, CacheStatus::Miss, CacheStatus::Hit]
    );

    let removed: Vec<_> = cache
        .remove_many(&[one.clone(), three, one])
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let (deleted, missing) = (DeleteStatus::Deleted(1), DeleteStatus::Missing);
    assert_eq!(removed, [deleted, missing, missing]);
}

#[tokio::test]
async fn a_read_notes_status_and_source() {
    let cache = Tested::builder()
        .max_entries(10)
        .label("local")
        .build()
        .unwrap();
    let key = CacheKey::from_pair("id", "1");
    let mut context = CacheContext::default().boxed();
    assert_eq!(cache.read_with(&key, &mut context).await.unwrap(), None);
    assert_eq!(context.status(), CacheStatus::Miss);
    assert_eq!(context.source(), &ResponseSource::Upstream);

    let stale = CacheValue::loaded(Raw::from(vec![1]), Stamp::now()).stale_at(Utc::now());
    for (value, status) in [
        (lasting("fresh"), CacheStatus::Hit),
        (stale, CacheStatus::Stale),
    ] {
        cache.write(&key, value).await.unwrap();
        let mut context = CacheContext::default().boxed();
        assert!(cache.read_with(&key, &mut context).await.unwrap().is_some());
        assert_eq!(context.status(), status);
        assert_eq!(context.source(), &ResponseSource::Backend("local".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_among_many_writers_see_whole_values() {
    const KEYS: usize = 8;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let cache = cache();
    let keys: Arc<[CacheKey]> = (0..KEYS)
        .map(|index| CacheKey::from_pair("id", index.to_string()))
        .collect();
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let (cache, keys) = (cache.clone(), Arc::clone(&keys));
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed ^ task);
                for _ in 0..200 {
                    let index = random.usize(..KEYS);
                    match random.u8(..4) {
                        0 => {
                            cache.remove(&keys[index]).await.unwrap();
                        }
                        1 => {
                            // Payload, expiry and stamp all tell the same number.
                            let number = u32::from(random.u8(..)) + 1;
                            let payload = vec![number as u8; number as usize];
                            let expire = Utc::now() + TimeDelta::hours(i64::from(number));
                            let value = CacheValue::from_parts(
                                Raw::from(payload),
                                Some(expire),
                                None,
                                Stamp::from_micros(u64::from(number)),
                            );
                            cache.write(&keys[index], value).await.unwrap();
                        }
                        _ => {
                            if let Some(value) = cache.read(&keys[index]).await.unwrap() {
                                let number = value.created().as_micros();
                                let payload = value.data().payload().unwrap();
                                assert_eq!(payload.len() as u64, number);
                                assert!(
                                    payload.iter().all(|byte| u64::from(*byte) == number % 256)
                                );
                                let hours = value.remaining().unwrap().as_secs_f64() / 3_600.0;
                                assert_eq!(hours.ceil() as u64, number);
                            }
                        }
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
