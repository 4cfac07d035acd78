//! Which thread does the work.

use std::{
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend,
    compression::{CompressionError, Compressor},
};
use hitbox_core::{CacheKey, CacheValue, CompressorId, Raw, Stamp};
use hitbox_sled::SledBackend;

/// Compresses nothing, and notes the thread it was asked on.
#[derive(Clone, Debug, Default)]
struct ThreadNote(Arc<Mutex<Option<ThreadId>>>);

impl Compressor for ThreadNote {
    fn id(&self) -> CompressorId {
        const { CompressorId::custom(200) }
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        *self.0.lock().unwrap() = Some(thread::current().id());
        Ok(payload.to_vec())
    }

    fn decompress(&self, compressed: &[u8], _limit: usize) -> Result<Vec<u8>, CompressionError> {
        Ok(compressed.to_vec())
    }
}

#[tokio::test]
async fn small_values_are_written_in_place_and_large_or_many_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let note = ThreadNote::default();
    let backend = SledBackend::builder()
        .path(directory.path())
        .compressor(note.clone())
        .open()
        .await
        .unwrap();
    let here = || *note.0.lock().unwrap() == Some(thread::current().id());
    let key = CacheKey::from_pair("key", "k");
    let value = |length| CacheValue::loaded(Raw::from(vec![0; length]), Stamp::now());

    let longest = (3 << 10) - key.as_text().len();
    backend.write(&key, value(longest)).await.unwrap();
    assert!(here());
    backend.write(&key, value(longest + 1)).await.unwrap();
    assert!(!here());
    backend.write(&key, value(1)).await.unwrap();
    assert!(here());
    let many = (0..33).map(|_| (key.clone(), value(1))).collect();
    backend.write_many(many).await;
    assert!(!here());
}

#[tokio::test]
async fn expired_entries_are_swept_by_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .sweep_every(Some(Duration::from_millis(5)))
        .build()
        .unwrap();
    for number in 0..50 {
        let expire = Utc::now() + TimeDelta::milliseconds(20);
        let key = CacheKey::from_pair("key", number.to_string());
        let value = CacheValue::loaded(Raw::from(vec![0; 10]), Stamp::now()).expires_at(expire);
        backend.write(&key, value).await.unwrap();
    }
    let began = Instant::now();
    while backend.statistics().evicted_expired < 50 {
        assert!(began.elapsed() < Duration::from_secs(20));
        thread::yield_now();
    }
    let statistics = backend.statistics();
    assert_eq!((statistics.entries, statistics.bytes), (0, 0));
}
