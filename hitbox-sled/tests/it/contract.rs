//! What the conformance suite does not see: exact times, counters, bulk off the async threads, no
//! runtime.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend, BackendErrorKind, DeleteStatus,
    compression::{CompressionError, Compressor, NoCompression},
};
use hitbox_core::{CacheKey, CacheValue, CompressorId, Raw, Stamp, clock::VirtualTime};
use hitbox_sled::{SledBackend, SledBackendBuilder};
use tempfile::TempDir;

fn builder(directory: &TempDir) -> SledBackendBuilder {
    SledBackend::builder()
        .path(directory.path())
        .sweep_every(None)
}

fn open() -> (TempDir, SledBackend) {
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(&directory).build().unwrap();
    (directory, backend)
}

fn value(payload: impl Into<Vec<u8>>) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(payload.into()), Stamp::now())
}

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

async fn payload(backend: &SledBackend, key: &CacheKey) -> Option<Bytes> {
    let read = backend.read(key).await.unwrap();
    read.map(|value| value.data().payload().unwrap().clone())
}

#[tokio::test]
async fn keys_of_any_content_and_length_work() {
    let (_directory, backend) = open();
    let long = "k".repeat(100_000);
    let names = ["", "\0", "a:b&c=d%", "日本", "\u{ff}", &long, &long[1..]];
    for name in names {
        backend.write(&key(name), value(name)).await.unwrap();
    }
    for name in names {
        assert_eq!(payload(&backend, &key(name)).await.unwrap(), name);
    }
    assert_eq!(backend.statistics().entries, names.len() as u64);
}

#[tokio::test]
async fn expiry_is_exact_to_the_millisecond_and_replaced_by_a_write() {
    let clock = VirtualTime::start(Utc::now());
    let (_directory, backend) = open();
    let living = |millis| {
        let expire = clock.now() + TimeDelta::milliseconds(millis);
        CacheValue::loaded(Raw::from(vec![1]), Stamp::now()).expires_at(expire)
    };
    backend.write(&key("k"), living(50)).await.unwrap();
    backend.write(&key("k"), living(20)).await.unwrap();
    let expire = living(20).expire().unwrap();
    clock.advance(expire - clock.now() - TimeDelta::milliseconds(1));
    assert!(backend.read(&key("k")).await.unwrap().is_some());
    clock.advance(TimeDelta::milliseconds(1));
    assert!(backend.read(&key("k")).await.unwrap().is_none());
    assert_eq!(
        backend.remove(&key("k")).await.unwrap(),
        DeleteStatus::Missing
    );

    backend.write(&key("k"), living(20)).await.unwrap();
    backend.write(&key("k"), value([2])).await.unwrap();
    clock.advance(TimeDelta::days(1));
    assert_eq!(backend.sweep_now().await.unwrap(), 0);
    assert_eq!(payload(&backend, &key("k")).await.unwrap(), vec![2]);
}

#[tokio::test]
async fn a_value_that_has_expired_when_it_is_written_leaves_the_key_absent() {
    let (_directory, backend) = open();
    backend.write(&key("k"), value([1])).await.unwrap();
    let expired = CacheValue::loaded(Raw::from(vec![2]), Stamp::now()).expires_at(Utc::now());
    backend.write(&key("k"), expired).await.unwrap();
    assert_eq!(backend.read(&key("k")).await.unwrap(), None);
    assert_eq!(backend.statistics().entries, 0);
    assert_eq!(backend.statistics().bytes, 0);
}

#[tokio::test]
async fn a_value_over_the_limit_is_refused_and_the_key_left_absent() {
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(&directory).largest_value(1_000).build().unwrap();
    assert_eq!(backend.capabilities().largest_value, Some(1_000));
    backend.write(&key("k"), value([0; 1_000])).await.unwrap();
    let error = backend
        .write(&key("k"), value([0; 1_001]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!(backend.read(&key("k")).await.unwrap(), None);
    assert_eq!(backend.statistics().bytes, 0);
}

/// Never asked to compress anything.
#[derive(Debug)]
struct Idle;

impl Compressor for Idle {
    fn id(&self) -> CompressorId {
        const { CompressorId::custom(200) }
    }

    fn compress(&self, _payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        panic!("asked to compress");
    }

    fn decompress(&self, _compressed: &[u8], _limit: usize) -> Result<Vec<u8>, CompressionError> {
        panic!("asked to decompress");
    }
}

#[tokio::test]
async fn a_value_is_refused_by_its_length_before_it_is_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(&directory).compressor(Idle).build().unwrap();
    // More than any reader decodes, and not a byte of it is read here.
    let huge = value(vec![0; (64 << 20) + 1]);
    let error = backend.write(&key("k"), huge).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
}

#[tokio::test]
async fn bulk_operations_keep_order_duplicates_and_failures_apart() {
    let directory = tempfile::tempdir().unwrap();
    let backend = builder(&directory).largest_value(1_000).build().unwrap();
    // Few keys are handled in place, many elsewhere.
    for count in [5_u8, 100] {
        let keys: Vec<_> = (0..count).map(|n| key(&n.to_string())).collect();
        let mut entries: Vec<_> = keys
            .iter()
            .cloned()
            .zip((0..count).map(|n| value([n])))
            .collect();
        entries[2].1 = value([0; 1_001]);
        entries.push((keys[0].clone(), value([200])));
        let written = backend.write_many(entries).await;
        assert_eq!(written.len(), usize::from(count) + 1);
        for (index, outcome) in written.iter().enumerate() {
            assert_eq!(outcome.is_err(), index == 2);
        }

        let mut asked = keys.clone();
        asked.push(keys[0].clone());
        let read = backend.read_many(&asked).await;
        assert_eq!(read.len(), asked.len());
        for (index, outcome) in read.into_iter().enumerate() {
            let found = outcome
                .unwrap()
                .map(|value| value.data().payload().unwrap()[0]);
            let expected = match index {
                2 => None,
                0 => Some(200),
                index if index == usize::from(count) => Some(200),
                index => Some(index as u8),
            };
            assert_eq!(found, expected);
        }

        let removed = backend.remove_many(&asked).await;
        let deleted = |index: usize| index != 2 && index != usize::from(count);
        for (index, outcome) in removed.into_iter().enumerate() {
            let missing = outcome.unwrap() == DeleteStatus::Missing;
            assert_eq!(missing, !deleted(index), "{index}");
        }
    }
}

#[test]
fn small_and_large_values_work_outside_of_a_runtime() {
    let (_directory, backend) = open();
    futures::executor::block_on(async {
        backend.write(&key("s"), value([1])).await.unwrap();
        backend
            .write(&key("l"), value(vec![2; 1 << 20]))
            .await
            .unwrap();
        assert_eq!(payload(&backend, &key("s")).await.unwrap().len(), 1);
        assert_eq!(payload(&backend, &key("l")).await.unwrap().len(), 1 << 20);
        backend.flush().await.unwrap();
        backend.close().await.unwrap();
    });
}

#[tokio::test]
async fn what_is_shown_of_a_backend_holds_no_value() {
    let (_directory, backend) = open();
    backend.write(&key("k"), value("secret")).await.unwrap();
    let shown = format!("{backend:?}");
    assert!(
        !shown.contains("secret") && shown.contains("entries: 1"),
        "{shown}"
    );
    assert_eq!(backend.compressor().id(), NoCompression.id());
}
