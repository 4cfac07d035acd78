//! A value that is too large to be decoded in place is fetched from the disk once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Attempt, Backend, BackendResult, Compose, CompositionPolicy, CompositionReadPolicy,
    DeleteStatus, ParallelReadPolicy, ReadAttempt, ReadOutcome, SequentialReadPolicy, WriteAttempt,
    conformance::MemoryBackend,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, DisabledOffload, Raw, Stamp, clock::Moment,
};
use hitbox_sled::SledBackend;

/// Counts the reads that fetch from the disk.
struct Counting {
    sled: SledBackend,
    fetches: Arc<AtomicUsize>,
}

#[async_trait]
impl Backend for Counting {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.sled.read(key).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.sled.read_with(key, context).await
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let attempt = self.sled.try_read(key, context, moment);
        match &attempt {
            Attempt::Ready(_) | Attempt::Pending(_) => {
                self.fetches.fetch_add(1, Ordering::Relaxed);
            }
            Attempt::WouldBlock(()) => {}
        }
        attempt
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.sled.write(key, value).await
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.sled.try_write(key, value)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.sled.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        self.sled.label()
    }
}

async fn fetches<R: CompositionReadPolicy>(policy: R) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let sled = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "1");
    let megabyte = Raw::from(Bytes::from(vec![7; 1 << 20]));
    let value = CacheValue::loaded(megabyte, Stamp::now());
    sled.write(&key, value.clone()).await.unwrap();

    let fetches = Arc::<AtomicUsize>::default();
    let l2 = Counting {
        sled,
        fetches: Arc::clone(&fetches),
    };
    let policy = CompositionPolicy::new().read(policy);
    let cache = MemoryBackend::new().compose_with(l2, DisabledOffload, policy);
    let found = cache.read(&key).await.unwrap();
    assert_eq!(found, Some(value));
    fetches.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_megabyte_is_fetched_once() {
    assert_eq!(fetches(SequentialReadPolicy::new()).await, 1);
    assert_eq!(fetches(ParallelReadPolicy::new()).await, 1);
}
