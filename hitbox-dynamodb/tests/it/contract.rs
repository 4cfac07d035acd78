//! Limits, long keys, expiry and requests, against a real server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::table::{
    Table, partition,
    sent::{Sent, requests},
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend, BackendErrorKind, Capabilities, Compressor, DeleteStatus, Rejection,
    compression::{CompressionError, NoCompression},
    stored_form,
};
use hitbox_core::{CacheKey, CacheValue, CompressorId, Encoded, Raw, Stamp};
use hitbox_dynamodb::DynamoDbBackend;

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

/// A key whose text form has this length.
fn long_key(length: usize, end: &str) -> CacheKey {
    let rest = length - key(end).as_text().len();
    key(&format!("{}{end}", "k".repeat(rest)))
}

fn lasting(payload: impl Into<Vec<u8>>) -> CacheValue<Raw> {
    let expire = Utc::now() + TimeDelta::hours(1);
    CacheValue::loaded(Raw::from(payload.into()), Stamp::now()).expires_at(expire)
}

async fn payload(backend: &DynamoDbBackend, key: &CacheKey) -> Option<Vec<u8>> {
    let found = backend.read(key).await.unwrap();
    found.map(|value| value.data().payload().unwrap().to_vec())
}

#[tokio::test]
async fn values_at_and_below_the_limit_are_stored_and_one_above_is_refused() {
    let table = Table::create().await;
    let backend = table.backend();
    let limit = backend.capabilities().largest_value.unwrap();
    println!("largest value: {limit} bytes");
    assert!(limit > 390 * 1_024);
    // The longest key that is stored as it is makes the item as large as it gets; with a short one
    // there would be room for more.
    for key in [long_key(2_048, ""), key("short")] {
        for length in [limit - 1, limit] {
            backend.write(&key, lasting(vec![7; length])).await.unwrap();
            assert_eq!(payload(&backend, &key).await.unwrap().len(), length);
        }
        let refused = backend.write(&key, lasting(vec![7; limit + 1])).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{error}");
        assert_eq!(table.item(&partition(&key)).await, None);
    }
}

/// Makes a byte of anything, and counts how often it is asked to.
#[derive(Debug, Default)]
struct Counting(Arc<AtomicUsize>);

impl Compressor for Counting {
    fn id(&self) -> CompressorId {
        const { CompressorId::custom(200) }
    }

    fn compress(&self, _payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(vec![0])
    }

    fn decompress(&self, _compressed: &[u8], _limit: usize) -> Result<Vec<u8>, CompressionError> {
        panic!("nothing is decompressed here");
    }
}

/// To compress what no reader decodes would take seconds, and all for nothing.
#[tokio::test]
async fn a_value_is_refused_by_its_length_before_it_is_compressed() {
    let table = Table::create().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let compressor = Counting(Arc::clone(&asked));
    let backend = table.builder().compressor(compressor).build().unwrap();
    let key = key("k");
    let longest = Capabilities::DEFAULT_LARGEST_DECODED;
    backend
        .write(&key, lasting(vec![7; longest]))
        .await
        .unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one at the limit is");
    let too_long = lasting(vec![7; longest + 1]);
    let single = backend.write(&key, too_long.clone()).await;
    let bulk = backend.write_many(vec![(key, too_long)]).await.remove(0);
    for refused in [single, bulk] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{error}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_value_that_has_expired_when_it_is_written_leaves_no_item() {
    let table = Table::create().await;
    let backend = table.backend();
    let key = key("k");
    let expired = || lasting("new").expires_at(Utc::now());
    backend.write(&key, lasting("old")).await.unwrap();
    backend.write(&key, expired()).await.unwrap();
    assert_eq!(table.item(&partition(&key)).await, None);
    backend.write(&key, lasting("old")).await.unwrap();
    let written = backend.write_many(vec![(key.clone(), expired())]).await;
    written.into_iter().for_each(Result::unwrap);
    assert_eq!(table.item(&partition(&key)).await, None);
}

#[tokio::test]
async fn long_keys_that_share_a_prefix_do_not_share_an_item() {
    let table = Table::create().await;
    let backend = table.backend();
    for length in [2_049, 3_000, 100_000] {
        let (one, two) = (long_key(length, "1"), long_key(length, "2"));
        backend.write(&one, lasting("one")).await.unwrap();
        assert_eq!(payload(&backend, &two).await, None);
        backend.write(&two, lasting("two")).await.unwrap();
        let found = backend.read_many(&[two.clone(), one.clone()]).await;
        let found = found.into_iter().map(|found| found.unwrap().unwrap());
        let found: Vec<_> = found
            .map(|value| value.data().payload().unwrap().to_vec())
            .collect();
        assert_eq!(found, [b"two", b"one"]);
        let removed = backend.remove(&one).await.unwrap();
        assert_eq!(removed, DeleteStatus::Deleted(1));
        assert_eq!(payload(&backend, &two).await.unwrap(), b"two");
    }
}

#[tokio::test]
async fn a_long_key_takes_its_length_from_the_value() {
    let table = Table::create().await;
    let backend = table.backend();
    let key = long_key(100_000, "");
    let limit = backend.capabilities().largest_value.unwrap();
    backend.write(&key, lasting("old")).await.unwrap();
    let error = backend.write(&key, lasting(vec![7; limit])).await;
    assert_eq!(error.unwrap_err().kind(), BackendErrorKind::TooLarge);
    assert_eq!(payload(&backend, &key).await, None);
    let fits = vec![7; limit - 100_000];
    backend.write(&key, lasting(fits.clone())).await.unwrap();
    assert_eq!(payload(&backend, &key).await, Some(fits));
}

/// A digest that is the same for two keys cannot be had, so the item is changed instead.
#[tokio::test]
async fn a_digest_with_another_key_behind_it_is_a_counted_miss() {
    let table = Table::create().await;
    let backend = table.backend();
    let key = long_key(3_000, "1");
    backend.write(&key, lasting("value")).await.unwrap();
    let client = table.client();
    let scanned = client.scan().table_name(&table.name).send().await.unwrap();
    let mut item = scanned.items.unwrap().remove(0);
    let other = long_key(3_000, "2").as_text().to_owned();
    item.insert("full_key".into(), AttributeValue::S(other));
    let put = client.put_item().table_name(&table.name);
    put.set_item(Some(item)).send().await.unwrap();

    assert_eq!(payload(&backend, &key).await, None);
    let rejections = backend.statistics().rejections;
    assert_eq!(rejections.count(Rejection::Foreign), 1);
}

#[tokio::test]
async fn expired_items_that_are_still_there_are_missing() {
    let table = Table::create().await;
    let backend = table.backend();
    let client = table.client();
    for age in [TimeDelta::seconds(1), TimeDelta::days(2)] {
        let key = key(&format!("{age}"));
        let expire = Utc::now() - age;
        let expired =
            CacheValue::loaded(Encoded::from(b"old".to_vec()), Stamp::now()).expires_at(expire);
        let stored = stored_form::encode(&expired, &NoCompression).unwrap();
        let millis = expire.timestamp_millis();
        let put = client
            .put_item()
            .table_name(&table.name)
            .item("key", AttributeValue::S(partition(&key)))
            .item("value", AttributeValue::B(Blob::new(stored)))
            .item("expire_ms", AttributeValue::N(millis.to_string()))
            .item("ttl", AttributeValue::N((millis / 1_000 + 1).to_string()));
        put.send().await.unwrap();

        assert_eq!(payload(&backend, &key).await, None);
        let found = backend.read_many(std::slice::from_ref(&key)).await;
        assert_eq!(found[0].as_ref().unwrap(), &None);
        assert_eq!(backend.remove(&key).await.unwrap(), DeleteStatus::Missing);
        // Another process's clock may be behind: what is removed is gone for it as well.
        assert_eq!(table.item(&partition(&key)).await, None);
    }
    assert_eq!(backend.statistics().rejections.total(), 0);
}

#[tokio::test]
async fn an_item_says_when_dynamodb_may_delete_it() {
    let table = Table::create().await;
    let backend = table.backend();
    let value = lasting("value");
    let millis = value.expire().unwrap().timestamp_millis();
    backend.write(&key("k"), value).await.unwrap();
    let item = table.item(&partition(&key("k"))).await.unwrap();
    assert_eq!(item["expire_ms"], AttributeValue::N(millis.to_string()));
    let seconds: i64 = item["ttl"].as_n().unwrap().parse().unwrap();
    assert!((millis..millis + 1_000).contains(&(seconds * 1_000)));

    // Overwriting replaces the life times too.
    let immortal = CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now());
    backend.write(&key("k"), immortal).await.unwrap();
    let item = table.item(&partition(&key("k"))).await.unwrap();
    assert!(!item.contains_key("expire_ms") && !item.contains_key("ttl"));
}

#[tokio::test]
async fn bytes_of_another_program_are_a_counted_miss() {
    let table = Table::create().await;
    let backend = table.backend();
    table.inject(&partition(&key("k")), b"junk".to_vec()).await;
    assert_eq!(payload(&backend, &key("k")).await, None);
    let rejections = backend.statistics().rejections;
    assert_eq!(rejections.count(Rejection::Foreign), 1);
    backend.write(&key("k"), lasting("new")).await.unwrap();
    assert_eq!(payload(&backend, &key("k")).await.unwrap(), b"new");
}

#[tokio::test]
async fn sixty_items_of_390_kb_come_in_one_bulk_read() {
    const LENGTH: usize = 390 * 1_024;
    let table = Table::create().await;
    let backend = table.backend();
    let keys: Vec<_> = (0..60_u8).map(|n| key(&n.to_string())).collect();
    let values = (0..60_u8).map(|n| lasting(vec![n; LENGTH]));
    let written = backend.write_many(keys.iter().cloned().zip(values).collect());
    for outcome in written.await {
        outcome.unwrap();
    }
    let before = backend.statistics().retries;
    let found = backend.read_many(&keys).await;
    for (n, found) in (0..60_u8).zip(found) {
        let value = found.unwrap().unwrap();
        assert!(
            value
                .data()
                .payload()
                .unwrap()
                .iter()
                .all(|byte| *byte == n)
        );
        assert_eq!(value.data().payload().unwrap().len(), LENGTH);
    }
    // A reply holds 16 MB, and this is 23 MB.
    assert!(backend.statistics().retries > before);
}

#[tokio::test]
async fn every_operation_is_one_request() {
    let table = Table::create().await;
    let sent = Sent::default();
    let backend = DynamoDbBackend::builder()
        .table(&table.name)
        .client(sent.watch(&table.client()))
        .build()
        .unwrap();

    backend.write(&key("k"), lasting("value")).await.unwrap();
    assert_eq!(sent.take(), requests("PutItem", 1));
    backend.read(&key("k")).await.unwrap().unwrap();
    assert_eq!(sent.take(), requests("GetItem", 1));
    backend.read(&key("absent")).await.unwrap();
    assert_eq!(sent.take(), requests("GetItem", 1));
    for expected in [DeleteStatus::Deleted(1), DeleteStatus::Missing] {
        assert_eq!(backend.remove(&key("k")).await.unwrap(), expected);
        assert_eq!(sent.take(), requests("DeleteItem", 1));
    }

    let keys: Vec<_> = (0..250).map(|n| key(&n.to_string())).collect();
    let entries = keys.iter().map(|key| (key.clone(), lasting("value")));
    let written = backend.write_many(entries.collect()).await;
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(sent.take(), requests("BatchWriteItem", 10));
    let found = backend.read_many(&keys).await;
    assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
    assert_eq!(sent.take(), requests("BatchGetItem", 3));

    // A value that is refused costs no request but the one that clears its key.
    let too_large = lasting(vec![0; 500_000]);
    backend.write(&key("k"), too_large).await.unwrap_err();
    assert_eq!(sent.take(), requests("DeleteItem", 1));
}

#[tokio::test]
async fn of_a_key_given_twice_the_later_is_written_and_both_report() {
    let table = Table::create().await;
    let backend = table.backend();
    let too_large = lasting(vec![0; 500_000]);
    let entries = vec![
        (key("a"), lasting("first")),
        (key("b"), lasting("kept")),
        (key("a"), lasting("second")),
        (key("c"), too_large.clone()),
        (key("c"), lasting("fits")),
        (key("d"), lasting("fits")),
        (key("d"), too_large),
    ];
    let written = backend.write_many(entries).await;
    let refused: Vec<_> = written.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, false, false, true, false, false, true]);
    assert_eq!(payload(&backend, &key("a")).await.unwrap(), b"second");
    assert_eq!(payload(&backend, &key("b")).await.unwrap(), b"kept");
    assert_eq!(payload(&backend, &key("c")).await.unwrap(), b"fits");
    assert_eq!(payload(&backend, &key("d")).await, None);

    let removed = backend.remove_many(&[key("a"), key("x"), key("a")]).await;
    let removed: Vec<_> = removed.into_iter().map(Result::unwrap).collect();
    let missing = DeleteStatus::Missing;
    assert_eq!(removed, [DeleteStatus::Deleted(1), missing, missing]);
}
