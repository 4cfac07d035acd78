//! What a composition makes of a layer that is slow, hung or dead behind these wrappers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendExt, BackendResult, CircuitBreakerConfig,
    Compose, CompositionPolicy, DeleteStatus, Operation, ParallelReadPolicy, ReadOutcome,
    RefillPolicy, RepairCause, RepairPolicy, RetryConfig, StrictWritePolicy,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Raw};
use tokio::time::{Instant, advance};

use super::scripted::{key, value};

const ATTEMPT: Duration = Duration::from_millis(50);
const OPEN_FOR: Duration = Duration::from_millis(1_000);

/// A layer behind all of them, in the order that is recommended.
fn guarded() -> (impl Backend, Faults) {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let breaker = CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0);
    let backend = backend.deadline(ATTEMPT).unwrap();
    let backend = backend.circuit_breaker(breaker).unwrap();
    let retry = RetryConfig::new().within(ATTEMPT * 4);
    (backend.retry(retry).unwrap(), faults)
}

fn payload(outcome: ReadOutcome) -> Option<u8> {
    let found = outcome.unwrap()?;
    Some(found.data().payload().unwrap()[0])
}

#[tokio::test(start_paused = true)]
async fn a_hung_layer_costs_its_deadline_and_then_nothing() {
    let (l2, faults) = guarded();
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = MemoryBackend::new().compose_with(l2, DisabledOffload, policy);
    cache.write(&key("1"), value(1)).await.unwrap();
    faults.reads().always(Fault::HangBeforeEffect);
    let mut costs = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        assert_eq!(payload(cache.read(&key("1")).await), Some(1));
        costs.push(began.elapsed());
    }
    let calls = faults.reads().calls();
    println!(
        "100 reads took {:?} at most, {calls} went to the layer",
        costs.iter().max()
    );
    assert!(costs.iter().all(|cost| *cost <= ATTEMPT * 4), "{costs:?}");
    assert_eq!(calls, 5);
    assert!(costs[2..].iter().all(Duration::is_zero), "{costs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_or_remove_that_was_skipped_is_pending_and_what_it_missed_is_not_served() {
    let (l2, faults) = guarded();
    // Memory that forgets stands for one that evicts: only L2 could still answer.
    let (l1, l1_faults) = FaultyBackend::new(MemoryBackend::new());
    // Pending repairs are looked at; a read would repair it.
    let policy = CompositionPolicy::new()
        .refill(RefillPolicy::Never)
        .repair(RepairPolicy::Never);
    let cache = l1.compose_with(l2, DisabledOffload, policy);
    let (changed, removed, untouched) = (key("changed"), key("removed"), key("untouched"));
    for key in [&changed, &removed, &untouched] {
        cache.write(key, value(1)).await.unwrap();
    }
    faults.removes().always(Fault::FailBeforeEffect);
    l1_faults.reads().always(Fault::FailBeforeEffect);
    while cache.l2().remove(&untouched).await.is_err() && faults.removes().calls() < 5 {}
    let sent = faults.writes().calls() + faults.removes().calls();
    cache.write(&changed, value(2)).await.unwrap();
    let error = cache.remove(&removed).await.unwrap_err();
    assert!(error.to_string().contains("the circuit is open"), "{error}");
    assert_eq!(faults.writes().calls() + faults.removes().calls(), sent);

    // Nothing was sent, so nothing can arrive late: only that it is not confirmed stands.
    let pending = cache.pending_repairs();
    assert_eq!(pending.len(), 2);
    assert!(
        pending
            .iter()
            .all(|one| one.cause == RepairCause::Unconfirmed),
        "{pending:?}"
    );

    faults.heal();
    advance(OPEN_FOR).await;
    assert_eq!(payload(cache.read(&untouched).await), Some(1));
    assert_eq!(
        payload(cache.read(&changed).await),
        None,
        "served what a skipped write replaced"
    );
    assert_eq!(
        payload(cache.read(&removed).await),
        None,
        "served what a skipped remove removed"
    );
    cache.write(&changed, value(3)).await.unwrap();
    assert_eq!(payload(cache.read(&changed).await), Some(3));
    let still_pending: Vec<_> = cache
        .pending_repairs()
        .into_iter()
        .map(|one| one.key)
        .collect();
    assert_eq!(
        still_pending,
        [removed],
        "what was never sent is guarded against"
    );
}

/// Applies the first write when the second has been, long after it was dropped: a request that was
/// on its way.
#[derive(Default)]
struct Tardy {
    inner: MemoryBackend,
    on_its_way: Mutex<Option<CacheValue<Raw>>>,
    writes: Mutex<usize>,
}

impl Tardy {
    async fn deliver(&self, key: &CacheKey) {
        let late = self.on_its_way.lock().unwrap().take();
        if let Some(late) = late {
            self.inner.write(key, late).await.unwrap();
        }
    }
}

#[async_trait]
impl Backend for Tardy {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let first = {
            let mut writes = self.writes.lock().unwrap();
            *writes += 1;
            *writes == 1
        };
        if first {
            *self.on_its_way.lock().unwrap() = Some(value);
            std::future::pending::<()>().await;
        } else {
            self.inner.write(key, value).await?;
        }
        Ok(())
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "tardy".into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_arrives_late_is_not_served_though_writes_are_retried() {
    let tardy = Arc::new(Tardy::default());
    let l2 = Arc::clone(&tardy).deadline(ATTEMPT).unwrap();
    let l2 = l2.retry(RetryConfig::new()).unwrap();
    // L1 keeps nothing, so L2 must answer.
    let (l1, l1_faults) = FaultyBackend::new(MemoryBackend::new());
    l1_faults.writes().always(Fault::FailBeforeEffect);
    let cache = l1.compose(l2, DisabledOffload);
    let key = key("1");
    let _timed_out = cache.write(&key, value(1)).await;
    cache.write(&key, value(2)).await.unwrap();
    assert_eq!(payload(cache.read(&key).await), Some(2));
    tardy.deliver(&key).await;
    assert_eq!(
        payload(tardy.read(&key).await),
        Some(1),
        "it did not arrive"
    );
    assert_eq!(
        payload(cache.read(&key).await),
        None,
        "the older value is back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_being_repeated_does_not_overtake_a_newer_one() {
    /// Too busy for the first few writes.
    struct Busy(MemoryBackend, Mutex<usize>);
    #[async_trait]
    impl Backend for Busy {
        async fn read(&self, key: &CacheKey) -> ReadOutcome {
            self.0.read(key).await
        }
        async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
            let left = self.1.lock().unwrap().checked_sub(1);
            match left {
                None => self.0.write(key, value).await,
                Some(left) => {
                    *self.1.lock().unwrap() = left;
                    let kind = BackendErrorKind::Throttled;
                    Err(BackendError::new(kind, Operation::Write, self.label()))
                }
            }
        }
        async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
            self.0.remove(key).await
        }
        fn label(&self) -> BackendLabel {
            "busy".into()
        }
    }
    let l2 = Arc::new(Busy(MemoryBackend::new(), Mutex::new(2)));
    let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
    let retried = Arc::clone(&l2).retry(RetryConfig::new()).unwrap();
    let cache = MemoryBackend::new().compose_with(retried, DisabledOffload, policy);
    let key = key("1");
    let older = cache.write(&key, value(1));
    let newer = cache.write(&key, value(2));
    let (older, newer) = futures::join!(older, newer);
    older.unwrap();
    newer.unwrap();
    assert_eq!(payload(l2.read(&key).await), Some(2));
    assert_eq!(cache.pending_repairs().len(), 0);
}
