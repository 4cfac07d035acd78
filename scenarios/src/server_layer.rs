//! For the tests of an adapter to a server: what a composition does to it as one of its layers.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use hitbox_backend::{
    Backend, CacheBackend, Compose, CompositionPolicy, DeleteStatus, OffloadManager,
    ParallelReadPolicy, RefillPolicy, conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

fn numbered(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn text(number: usize) -> String {
    format!("the value of {number}")
}

/// Writes the value of this number.
///
/// # Panics
///
/// If that fails.
pub async fn set(cache: Arc<dyn Backend>, number: usize) {
    let expire = Utc::now() + TimeDelta::hours(1);
    let value = CacheValue::loaded(Arc::new(text(number)), Stamp::now()).expires_at(expire);
    let written = cache.set(&numbered(number), value).await;
    written.unwrap_or_else(|error| panic!("{error}"));
}

/// Reads the value of this number.
///
/// # Panics
///
/// If it is not there.
pub async fn get(cache: Arc<dyn Backend>, number: usize) {
    let found = cache.get::<String>(&numbered(number)).await;
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        found.map(|value| value.data().to_string()),
        Some(text(number))
    );
}

/// Removes the value of this number.
///
/// # Panics
///
/// If not both layers have it.
pub async fn delete(cache: Arc<dyn Backend>, number: usize) {
    let removed = cache.delete(&numbered(number)).await;
    let removed = removed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(removed, DeleteStatus::Deleted(2));
}

/// Does that with so many numbers, in so many tasks, and waits for what goes on in the background.
///
/// # Panics
///
/// If a task does.
pub async fn do_with_each<F>(
    (numbers, tasks): (usize, usize),
    operation: fn(Arc<dyn Backend>, usize) -> F,
    (cache, offload): (&Arc<dyn Backend>, &OffloadManager),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let tasks = (0..tasks).map(|_| {
        let (cache, next) = (Arc::clone(cache), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers {
                    break;
                }
                operation(Arc::clone(&cache), number).await;
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap_or_else(|error| panic!("{error}"));
    }
    offload.drain().await;
}

/// Values whose lives end off the second, and one whose life does not end.
#[must_use]
pub fn lives() -> [CacheValue<Raw>; 3] {
    let now = Utc::now();
    [Some(60_789), Some(30_123), None].map(|millis| {
        let expire = millis.map(|millis| now + TimeDelta::milliseconds(millis));
        let stale = expire.map(|expire| expire - TimeDelta::milliseconds(5_001));
        CacheValue::from_parts(Raw::from(b"value".to_vec()), expire, stale, Stamp::now())
    })
}

/// How a composition copies a value between a store and a layer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// The store is L2 and has it: L1 is refilled.
    RefillFrom,
    /// The store is L1 and has it not: it is refilled.
    RefillInto,
    /// The store is L2 and has it not: it is repaired.
    RepairInto,
}

impl Copying {
    /// Has `value` copied by a read of a composition.
    ///
    /// # Panics
    ///
    /// If the reader, or the layer in memory, gets another.
    pub async fn copy<B>(self, store: B, key: &CacheKey, value: &CacheValue<Raw>)
    where
        B: Backend + Clone + 'static,
    {
        let offload = OffloadManager::builder().build();
        let offload = offload.unwrap_or_else(|error| panic!("{error}"));
        let memory = Arc::new(MemoryBackend::new());
        let source: &dyn Backend = if self == Self::RefillFrom {
            &store
        } else {
            &*memory
        };
        let emptied = store.remove(key).await.map(drop);
        let written = source.write(key, value.clone()).await;
        emptied
            .and(written)
            .unwrap_or_else(|error| panic!("{error}"));

        let (l1, background) = (Arc::clone(&memory), offload.clone());
        let read = match self {
            Self::RefillFrom => l1.compose(store, background).read(key).await,
            Self::RefillInto => store.compose(l1, background).read(key).await,
            Self::RepairInto => {
                // Only a policy that asks both layers notices.
                let policy = CompositionPolicy::new().refill(RefillPolicy::Repair);
                let policy = policy.read(ParallelReadPolicy::new());
                l1.compose_with(store, background, policy).read(key).await
            }
        };
        offload.drain().await;
        let in_memory = memory.read(key).await;
        for outcome in [read, in_memory] {
            let found = outcome.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found.as_ref(), Some(value));
        }
    }
}
