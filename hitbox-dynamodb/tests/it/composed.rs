//! The backend as a layer of a composition: its requests, and the life of what is copied to it and
//! from it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::compositions::{compositions, offload};
use crate::table::{
    Table, partition,
    sent::{Requests, Sent, requests},
};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend, CacheBackend, Compose, CompositionPolicy, DeleteStatus, OffloadManager,
    ParallelReadPolicy, RefillPolicy, conformance::MemoryBackend,
};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::DynamoDbBackend;
use tokio::task::JoinSet;

/// By the default policies; a tenth of it by the others.
const OPERATIONS: usize = 1_000;
const TASKS: usize = 16;

fn numbered(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn text(number: usize) -> String {
    format!("the value of {number}")
}

async fn set(cache: Arc<dyn Backend>, number: usize) {
    let expire = Utc::now() + TimeDelta::hours(1);
    let value = CacheValue::loaded(Arc::new(text(number)), Stamp::now()).expires_at(expire);
    cache.set(&numbered(number), value).await.unwrap();
}

async fn get(cache: Arc<dyn Backend>, number: usize) {
    let mut context = BoxContext::default();
    let got = cache
        .get_with::<String>(&numbered(number), &mut context)
        .await;
    assert_eq!(**got.unwrap().unwrap().data(), text(number));
}

async fn delete(cache: Arc<dyn Backend>, number: usize) {
    // By both layers.
    let expected = DeleteStatus::Deleted(2);
    assert_eq!(cache.delete(&numbered(number)).await.unwrap(), expected);
}

/// Does that with so many keys, in several tasks. Returns the requests that were sent, by the
/// background too.
async fn requests_of<F>(
    operations: usize,
    operation: fn(Arc<dyn Backend>, usize) -> F,
    (cache, offload): (&Arc<dyn Backend>, &OffloadManager),
    sent: &Sent,
) -> Requests
where
    F: Future<Output = ()> + Send + 'static,
{
    sent.take();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (cache, next) = (Arc::clone(cache), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= operations {
                    break;
                }
                operation(Arc::clone(&cache), number).await;
            }
        });
    }
    tasks.join_all().await;
    offload.drain().await;
    sent.take()
}

/// Under every policy; only whether L2 is asked when L1 has the value is the read policy's choice.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_a_composition_is_one_request() {
    let table = Table::create().await;
    let sent = Sent::default();
    let dynamodb = DynamoDbBackend::builder()
        .table(&table.name)
        .client(sent.watch(&table.client()))
        .deadline(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let offload = offload();
    let writing = compositions(&dynamodb, &offload);
    let reading = compositions(&dynamodb, &offload);
    for ((policies, writer), (_, reader)) in writing.into_iter().zip(reading) {
        let operations = match policies {
            "sequential/optimistic" => OPERATIONS,
            _ => OPERATIONS / 10,
        };
        let written = requests_of(operations, set, (&writer, &offload), &sent).await;
        let missed = requests_of(operations, get, (&reader, &offload), &sent).await;
        let found = requests_of(operations, get, (&reader, &offload), &sent).await;
        let removed = requests_of(operations, delete, (&reader, &offload), &sent).await;
        println!(
            "{operations:4} each by {policies:22} set: {written:?}, get past an empty L1: \
             {missed:?}, get that L1 answers: {found:?}, delete: {removed:?}"
        );
        assert_eq!(written, requests("PutItem", operations));
        assert_eq!(missed, requests("GetItem", operations));
        // Only this one wants to know of L2 what L1 has answered at once.
        if policies.starts_with("parallel/") {
            assert_eq!(found, requests("GetItem", operations));
        } else {
            assert_eq!(found, Requests::new());
        }
        assert_eq!(removed, requests("DeleteItem", operations));
    }
    assert_eq!(dynamodb.statistics().retries, 0);
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "copied")
}

/// Values whose lives end off the second, and one whose life does not end.
fn lives() -> [CacheValue<Raw>; 3] {
    let now = Utc::now();
    [Some(60_789), Some(30_123), None].map(|millis| {
        let expire = millis.map(|millis| now + TimeDelta::milliseconds(millis));
        let stale = expire.map(|expire| expire - TimeDelta::milliseconds(5_001));
        CacheValue::from_parts(Raw::from(b"value".to_vec()), expire, stale, Stamp::now())
    })
}

/// What the table has of the value's life, attribute by attribute and when read back.
async fn assert_held(table: &Table, expected: &CacheValue<Raw>) {
    let item = table.item(&partition(&key())).await.unwrap();
    let number = |number: i64| AttributeValue::N(number.to_string());
    let millis = expected.expire().map(|expire| expire.timestamp_millis());
    assert_eq!(item.get("expire_ms"), millis.map(number).as_ref());
    // Not before the value has expired.
    let seconds = millis.map(|millis| (millis + 999) / 1_000);
    assert_eq!(item.get("ttl"), seconds.map(number).as_ref());
    let found = table.backend().read(&key()).await.unwrap();
    assert_eq!(found.as_ref(), Some(expected));
}

#[tokio::test]
async fn what_is_refilled_from_the_table_keeps_its_life_to_the_millisecond() {
    let table = Table::create().await;
    for value in lives() {
        let dynamodb = table.backend();
        dynamodb.write(&key(), value.clone()).await.unwrap();
        let (memory, offload) = (Arc::new(MemoryBackend::new()), offload());
        let cache = Arc::clone(&memory).compose(dynamodb, offload.clone());
        let read = cache.read(&key()).await.unwrap();
        offload.drain().await;
        let copy = memory.read(&key()).await.unwrap();
        assert_eq!((read.as_ref(), copy.as_ref()), (Some(&value), Some(&value)));
    }
}

#[tokio::test]
async fn what_is_refilled_into_the_table_keeps_its_life_to_the_millisecond() {
    let table = Table::create().await;
    for value in lives() {
        let dynamodb = table.backend();
        dynamodb.remove(&key()).await.unwrap();
        let (memory, offload) = (MemoryBackend::new(), offload());
        memory.write(&key(), value.clone()).await.unwrap();
        let cache = dynamodb.compose(memory, offload.clone());
        let read = cache.read(&key()).await.unwrap();
        assert_eq!(read.as_ref(), Some(&value));
        offload.drain().await;
        assert_held(&table, &value).await;
    }
}

/// The other way round: what only L1 has is brought to L2.
#[tokio::test]
async fn what_is_repaired_in_the_table_keeps_its_life_to_the_millisecond() {
    let table = Table::create().await;
    for value in lives() {
        let dynamodb = table.backend();
        dynamodb.remove(&key()).await.unwrap();
        let (memory, offload) = (MemoryBackend::new(), offload());
        memory.write(&key(), value.clone()).await.unwrap();
        // Only a policy that asks both layers notices.
        let policy = CompositionPolicy::new().refill(RefillPolicy::Repair);
        let policy = policy.read(ParallelReadPolicy::new());
        let cache = memory.compose_with(dynamodb, offload.clone(), policy);
        let read = cache.read(&key()).await.unwrap();
        assert_eq!(read.as_ref(), Some(&value));
        offload.drain().await;
        assert_held(&table, &value).await;
    }
}
