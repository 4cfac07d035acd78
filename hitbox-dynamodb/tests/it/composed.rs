//! The backend as a layer of a composition: its requests, and the life of what is copied to it and
//! from it.

use std::{sync::Arc, time::Duration};

use crate::compositions::{compositions, offload};
use crate::table::{
    Table, partition,
    sent::{Requests, Sent, requests},
};
use aws_sdk_dynamodb::types::AttributeValue;
use hitbox_backend::{Backend, OffloadManager};
use hitbox_core::{CacheKey, CacheValue, Raw};
use hitbox_dynamodb::DynamoDbBackend;
use hitbox_scenarios::server_layer::{Copying, delete, do_with_each, get, lives, set};

/// By the default policies; a tenth of it by the others.
const OPERATIONS: usize = 1_000;
const TASKS: usize = 16;

/// Does that with so many keys, in several tasks. Returns the requests that were sent, by the
/// background too.
async fn requests_of<F>(
    operations: usize,
    operation: fn(Arc<dyn Backend>, usize) -> F,
    layers: (&Arc<dyn Backend>, &OffloadManager),
    sent: &Sent,
) -> Requests
where
    F: Future<Output = ()> + Send + 'static,
{
    sent.take();
    do_with_each((operations, TASKS), operation, layers).await;
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
async fn what_is_copied_from_or_to_the_table_keeps_its_life_to_the_millisecond() {
    let table = Table::create().await;
    for copying in [
        Copying::RefillFrom,
        Copying::RefillInto,
        Copying::RepairInto,
    ] {
        for value in lives() {
            copying.copy(table.backend(), &key(), &value).await;
            assert_held(&table, &value).await;
        }
    }
}
