//! Bulk writes that race, and wait for each other's turns.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::join;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionPolicy,
    DeleteStatus, Operation, RaceWritePolicy, ReadOutcome,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, OffloadKey, Raw, Stamp};

struct Spawned;

impl Offload<'static> for Spawned {
    fn register<K, F>(&self, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(future);
    }
}

/// Takes no value of the key once it is told so.
struct Refuses {
    memory: MemoryBackend,
    key: CacheKey,
    told: Arc<AtomicBool>,
}

#[async_trait]
impl Backend for Refuses {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.memory.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        if *key == self.key && self.told.load(Ordering::SeqCst) {
            let kind = BackendErrorKind::Throttled;
            return Err(BackendError::new(kind, Operation::Write, self.label()));
        }
        self.memory.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        self.memory.label()
    }
}

/// The second call's write of the first key wins its race in L2, while what it leaves for the
/// background has borrowed the first call's work in L1. Its write of the second key waits for just
/// that work.
#[tokio::test(start_paused = true)]
async fn work_borrowed_by_a_loser_of_a_bulk_race_goes_on_while_the_bulk_does() {
    let keys = ["first", "second"].map(|name| CacheKey::from_pair("key", name));
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let told = Arc::new(AtomicBool::new(false));
    let l2 = Refuses {
        memory: MemoryBackend::new(),
        key: keys[1].clone(),
        told: Arc::clone(&told),
    };
    let policy = CompositionPolicy::new().write(RaceWritePolicy::new());
    let cache = l1.compose_with(l2, Spawned, policy);
    let entries = || {
        let value = || CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
        keys.iter().map(|key| (key.clone(), value())).collect()
    };

    faults.writes().always(Fault::HangBeforeEffect);
    let (outcomes, ()) = join!(cache.write_many(entries()), async {
        faults.writes().wait_until_hanging(1).await;
    });
    assert!(outcomes.iter().all(Result::is_ok));

    told.store(true, Ordering::SeqCst);
    let second =
        async { tokio::time::timeout(Duration::from_secs(10), cache.write_many(entries())).await };
    let (outcomes, ()) = join!(second, async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        faults.heal();
    });
    let outcomes = outcomes.expect("the layers answer, so the call returns");
    assert!(outcomes.iter().all(Result::is_ok));
}
