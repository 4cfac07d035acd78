//! A write that failed without an answer takes effect after all, and stays in the layer.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, Compose,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};

#[tokio::test(start_paused = true)]
async fn what_has_arrived_late_is_not_served_when_nothing_can_arrive_any_more() {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (l2, faults) = FaultyBackend::new(Arc::clone(&memory[1]));
    let cache = Arc::clone(&memory[0]).compose(l2, DisabledOffload);
    let key = CacheKey::from_pair("key", "k");
    let value = |payload: u8| CacheValue::loaded(Raw::from(vec![payload]), Stamp::now());

    let old = value(1);
    faults.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key, old.clone()).await.unwrap();
    let new = value(2);
    cache.write(&key, new).await.unwrap();

    tokio::time::advance(Duration::from_secs(30)).await;
    memory[1].write(&key, old).await.unwrap();
    // L1 evicts.
    memory[0].remove(&key).await.unwrap();
    assert_eq!(cache.read(&key).await.unwrap(), None);

    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(cache.read(&key).await.unwrap(), None);
}

/// Nothing was written through this composition, so there is nothing that a late refill could undo, and
/// nothing to repair: also if the time of the one runs out while another is under way.
#[tokio::test(start_paused = true)]
async fn refills_of_what_was_never_written_here_leave_nothing_pending() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let cache = l1.compose(MemoryBackend::new(), DisabledOffload);
    let key = CacheKey::from_pair("key", "k");
    let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    cache.l2().write(&key, value.clone()).await.unwrap();

    faults.writes().next(1, Fault::FailBeforeEffect);
    cache.read(&key).await.unwrap();
    assert_eq!(cache.pending_repairs().len(), 1, "it may still arrive");

    tokio::time::advance(Duration::from_secs(59)).await;
    faults.writes().next(1, Fault::HangBeforeEffect);
    let mut read = cache.read(&key);
    assert!(futures::poll!(&mut read).is_pending());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(cache.pending_repairs(), []);
    faults.writes().heal();
    assert_eq!(read.await.unwrap(), Some(value));
    assert_eq!(cache.pending_repairs(), []);
    assert_eq!(cache.pending_repair_count(), 0);
}
