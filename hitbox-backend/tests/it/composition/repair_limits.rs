//! Repairs where something is in the way: a background that is short of time or room or has gone, a
//! turn that somebody else holds, and reads that all find the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionBackend,
    CompositionPolicy, CompositionReadPolicy, DeleteStatus, OffloadManager, Operation,
    OptimisticParallelWritePolicy, RaceReadPolicy, ReadOutcome, RefillPolicy, RepairBackoff,
    RepairCause, RepairPolicy,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, Raw, Stamp};
use tokio::{runtime, time::sleep};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// What is in L1, its faults, and the composition.
type Stage<R> = (
    Arc<MemoryBackend>,
    Faults,
    CompositionBackend<
        FaultyBackend<Arc<MemoryBackend>>,
        MemoryBackend,
        OffloadManager,
        R,
        OptimisticParallelWritePolicy,
    >,
);

fn stage<R: CompositionReadPolicy>(
    offload: &OffloadManager,
    policy: CompositionPolicy<R>,
) -> Stage<R> {
    let memory = Arc::new(MemoryBackend::new());
    let (l1, faults) = FaultyBackend::new(memory.clone());
    let cache = l1.compose_with(MemoryBackend::new(), offload.clone(), policy);
    (memory, faults, cache)
}

/// A refill might do the work of the repair.
fn without_refill() -> CompositionPolicy {
    CompositionPolicy::new().refill(RefillPolicy::Never)
}

fn racing_and_repairing() -> CompositionPolicy<RaceReadPolicy> {
    CompositionPolicy::new()
        .read(RaceReadPolicy::new())
        .refill(RefillPolicy::Never)
        .repair(RepairPolicy::OnNextOperation)
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(b"value")), Stamp::now())
}

async fn holds(memory: &MemoryBackend, number: usize) -> bool {
    memory.read(&key(number)).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn rounds_keep_their_pace_while_somebody_else_holds_the_turn() {
    let offload = OffloadManager::builder().build().unwrap();
    let (memory, l1, cache) = stage(&offload, CompositionPolicy::new());
    l1.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value()).await.unwrap();
    sleep(Duration::from_millis(101)).await;
    // From here on the refill of this read has the turn.
    l1.writes().always(Fault::HangBeforeEffect);
    cache.read(&key(0)).await.unwrap();
    let before = offload.statistics().completed;
    // Were there no pause, the paused clock would stand still here for ever.
    sleep(10 * SECOND).await;
    let rounds = offload.statistics().completed - before;
    assert!((90..=210).contains(&rounds), "{rounds} rounds");
    l1.heal();
    sleep(SECOND).await;
    assert!(holds(&memory, 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_the_background_drops_has_failed() {
    let offload = OffloadManager::builder().task_timeout(SECOND);
    let offload = offload.build().unwrap();
    let (memory, l1, cache) = stage(&offload, without_refill());
    l1.writes().always(Fault::FailBeforeEffect);
    for number in 0..3 {
        cache.write(&key(number), value()).await.unwrap();
    }
    l1.writes().always(Fault::HangBeforeEffect);
    sleep(HOUR).await;
    let rounds = offload.statistics().timed_out;
    assert!((120..260).contains(&rounds), "{rounds} rounds in an hour");
    for repair in cache.pending_repairs() {
        assert!(repair.attempts >= 30, "{repair:?}");
    }
    l1.heal();
    sleep(32 * SECOND).await;
    for number in 0..3 {
        assert!(holds(&memory, number).await);
    }
}

/// Fails its first write, and panics at every later one.
#[derive(Default)]
struct Panics(AtomicBool);

#[async_trait]
impl Backend for Panics {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }
    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        assert!(!self.0.swap(true, Ordering::SeqCst), "meant by the test");
        let (kind, label) = (BackendErrorKind::Unavailable, self.label());
        Err(BackendError::new(kind, Operation::Write, label))
    }
    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }
    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("panics")
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_panics_has_failed() {
    let offload = OffloadManager::builder().build().unwrap();
    let l1 = Panics::default();
    let cache = l1.compose_with(MemoryBackend::new(), offload.clone(), without_refill());
    cache.write(&key(0), value()).await.unwrap();
    sleep(600 * SECOND).await;
    let panicked = offload.statistics().panicked;
    assert!((20..60).contains(&panicked), "{panicked} in ten minutes");
    assert_eq!(u64::from(cache.pending_repairs()[0].attempts), panicked);
    assert!(cache.read(&key(0)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ended_otherwise_does_not_slow_down_the_next_repairs() {
    let offload = OffloadManager::builder().build().unwrap();
    let (memory, l1, cache) = stage(&offload, without_refill());
    l1.writes().next(1, Fault::FailBeforeEffect);
    l1.reads().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value()).await.unwrap();
    sleep(300 * SECOND).await;
    l1.heal();
    // Takes the place of the pending repair: no repair has succeeded.
    cache.write(&key(0), value()).await.unwrap();
    sleep(HOUR).await;
    assert_eq!(cache.pending_repairs(), []);

    l1.writes().next(1, Fault::FailBeforeEffect);
    l1.reads().next(1, Fault::FailBeforeEffect);
    cache.remove(&key(0)).await.unwrap();
    cache.write(&key(0), value()).await.unwrap();
    sleep(SECOND / 2).await;
    assert!(holds(&memory, 0).await);
    assert_eq!(cache.pending_repairs()[0].cause, RepairCause::InDoubt);
}

#[tokio::test(start_paused = true)]
async fn pauses_may_be_as_long_as_anyone_likes() {
    for pace in [
        RepairBackoff::new().initial(Duration::MAX),
        RepairBackoff::new()
            .initial(HOUR)
            .max(Duration::MAX)
            .attempt_timeout(Duration::MAX),
    ] {
        let offload = OffloadManager::builder().build().unwrap();
        let policy = without_refill().repair(RepairPolicy::Background(pace));
        let (_memory, l1, cache) = stage(&offload, policy);
        l1.writes().always(Fault::FailBeforeEffect);
        cache.write(&key(0), value()).await.unwrap();
        let report = offload.close(SECOND).await;
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(cache.pending_repairs()[0].attempts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_repair_where_nothing_may_wait_in_the_background() {
    let offload = OffloadManager::builder().max_pending(0).build().unwrap();
    assert!(!offload.has_clock());
    let (memory, l1, cache) = stage(&offload, without_refill());
    l1.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value()).await.unwrap();
    sleep(SECOND).await;
    cache.read(&key(0)).await.unwrap();
    offload.drain().await;
    assert!(holds(&memory, 0).await);
}

#[test]
fn reads_repair_where_the_runtime_of_the_background_has_gone() {
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_time().build().unwrap();
    let offload = OffloadManager::builder().runtime(runtime.handle().clone());
    let offload = offload.build().unwrap();
    let (memory, l1, cache) = stage(&offload, without_refill());
    drop(runtime);
    futures::executor::block_on(async {
        l1.writes().next(1, Fault::FailBeforeEffect);
        cache.write(&key(0), value()).await.unwrap();
        cache.read(&key(0)).await.unwrap();
        assert!(holds(&memory, 0).await);
    });
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_key_leave_one_repair() {
    let offload = OffloadManager::builder().build().unwrap();
    let policy = racing_and_repairing();
    let (memory, l1, cache) = stage(&offload, policy);
    l1.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value()).await.unwrap();
    l1.reads().always(Fault::HangBeforeEffect);
    for _ in 0..100 {
        cache.read(&key(0)).await.unwrap();
    }
    // The loser of a race, and a repair.
    assert_eq!(offload.statistics().running, 2);
    l1.heal();
    offload.drain().await;
    assert!(holds(&memory, 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_was_dropped_while_it_looked_can_be_tried_again() {
    let offload = OffloadManager::builder().task_timeout(SECOND);
    let offload = offload.build().unwrap();
    let policy = racing_and_repairing();
    let (memory, l1, cache) = stage(&offload, policy);
    l1.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value()).await.unwrap();
    l1.reads().always(Fault::HangBeforeEffect);
    cache.read(&key(0)).await.unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(offload.statistics().timed_out, 2);
    l1.heal();
    cache.read(&key(0)).await.unwrap();
    offload.drain().await;
    assert!(holds(&memory, 0).await);
}
