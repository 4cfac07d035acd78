//! One probe at a time, whatever becomes of it, and late outcomes that no longer count.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{FutureExt, future::join_all};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendExt, BackendResult, CircuitBreaker,
    CircuitBreakerConfig, DeleteStatus, Operation, ReadOutcome,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
    wrapper::{Calls, CircuitOpen, CircuitState},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use tokio::{
    sync::Barrier,
    time::{Instant, advance, timeout},
};

use super::scripted::{Answer, Scripted, key, value};

const OPEN_FOR: Duration = Duration::from_millis(100);
const TASKS: usize = 64;

type Breaker = CircuitBreaker<FaultyBackend<MemoryBackend>>;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0)
}

/// A circuit that has just opened, after 5 reads.
async fn opened(config: CircuitBreakerConfig) -> (Arc<Breaker>, Faults) {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let breaker = Arc::new(backend.circuit_breaker(config).unwrap());
    faults.reads().next(5, Fault::FailBeforeEffect);
    for _ in 0..5 {
        assert!(breaker.read(&key("1")).await.is_err());
    }
    assert!(matches!(
        breaker.state(Calls::Reads),
        CircuitState::Open { .. }
    ));
    (breaker, faults)
}

fn is_refused(outcome: &ReadOutcome) -> bool {
    let open = |error: &BackendError| CircuitOpen::is_cause_of(error);
    outcome.as_ref().is_err_and(open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_probe_is_under_way_all_others_are_refused() {
    let (breaker, faults) = opened(config().open_for(Duration::from_millis(1))).await;
    let CircuitState::Open { until } = breaker.state(Calls::Reads) else {
        panic!("not open");
    };
    tokio::time::sleep_until(until).await;
    faults.reads().always(Fault::HangBeforeEffect);
    let before = faults.reads().calls();
    let barrier = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (breaker, barrier) = (Arc::clone(&breaker), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                breaker.read(&key("1")).await
            })
        })
        .collect();
    let all_others_refused = async {
        faults.reads().wait_until_hanging(1).await;
        while breaker.statistics(Calls::Reads).refused < TASKS as u64 - 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), all_others_refused)
        .await
        .unwrap();
    assert_eq!(breaker.state(Calls::Reads), CircuitState::HalfOpen);
    assert_eq!(faults.reads().calls() - before, 1);
    faults.reads().heal();
    let outcomes: Vec<_> = join_all(tasks).await.into_iter().flatten().collect();
    assert_eq!(
        outcomes.iter().filter(|one| is_refused(one)).count(),
        TASKS - 1
    );
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    assert_eq!(breaker.statistics(Calls::Reads).probes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_makes_room_for_the_next() {
    let (breaker, faults) = opened(config()).await;
    advance(OPEN_FOR).await;
    faults.reads().always(Fault::HangBeforeEffect);
    let key = key("1");
    for round in 1..=3 {
        let mut probe = breaker.read(&key);
        assert!((&mut probe).now_or_never().is_none());
        let refused = breaker.read(&key).now_or_never().unwrap();
        assert!(is_refused(&refused));
        let message = refused.unwrap_err().report().to_string();
        assert!(
            message.ends_with("open for 100 ms, a probe is under way"),
            "{message}"
        );
        drop(probe);
        assert_eq!(breaker.state(Calls::Reads), CircuitState::HalfOpen);
        assert_eq!(breaker.statistics(Calls::Reads).probes, round);
    }
    faults.heal();
    assert!(breaker.read(&key).await.is_ok());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_makes_room_for_the_next() {
    struct Panics(MemoryBackend);
    #[async_trait]
    impl Backend for Panics {
        async fn read(&self, key: &CacheKey) -> ReadOutcome {
            self.0.read(key).await
        }
        async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
            panic!("on purpose");
        }
        async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
            let kind = BackendErrorKind::Unavailable;
            Err(BackendError::new(kind, Operation::Remove, self.label()))
        }
        fn label(&self) -> BackendLabel {
            "panics".into()
        }
    }
    let breaker = Panics(MemoryBackend::new()).circuit_breaker(config().consecutive_failures(1));
    let breaker = Arc::new(breaker.unwrap());
    assert!(breaker.remove(&key("1")).await.is_err());
    advance(OPEN_FOR).await;
    let probe = Arc::clone(&breaker);
    let probe = tokio::spawn(async move { probe.write(&key("1"), value(1)).await });
    assert!(probe.await.unwrap_err().is_panic());
    assert_eq!(breaker.state(Calls::Changes), CircuitState::HalfOpen);
    // The next call is a probe, and fails.
    assert!(breaker.remove(&key("1")).await.is_err());
    assert_eq!(breaker.statistics(Calls::Changes).probes, 2);
    assert_ne!(breaker.state(Calls::Changes), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_says_nothing_makes_room_for_the_next() {
    let scripted = Scripted::default();
    let breaker = scripted.clone().circuit_breaker(config()).unwrap();
    scripted.answer([Answer::Fails(BackendErrorKind::Timeout); 5]);
    scripted.answer([Answer::Fails(BackendErrorKind::TooLarge)]);
    for _ in 0..5 {
        assert!(breaker.read(&key("1")).await.is_err());
    }
    advance(OPEN_FOR).await;
    let refused = breaker.read(&key("1")).await.unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
    assert_eq!(breaker.state(Calls::Reads), CircuitState::HalfOpen);
    assert!(breaker.read_many(&[]).await.is_empty());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::HalfOpen);
    assert!(breaker.read(&key("1")).await.is_ok());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_circuit_changed_does_not_count() {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let breaker = Arc::new(backend.circuit_breaker(config()).unwrap());
    let key = key("1");
    // Sent while it was closed; still on its way.
    faults.reads().next(1, Fault::HangAfterEffect);
    let mut early = breaker.read(&key);
    assert!((&mut early).now_or_never().is_none());
    faults.reads().always(Fault::FailBeforeEffect);
    for _ in 0..5 {
        assert!(breaker.read(&key).await.is_err());
    }
    let until = Instant::now() + OPEN_FOR;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Open { until });
    faults.reads().heal();
    assert!(early.await.is_ok());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Open { until });

    // Nor does it close a circuit that is being probed, or take the probe's place.
    faults.heal();
    advance(OPEN_FOR).await;
    faults.reads().next(1, Fault::HangBeforeEffect);
    let mut probe = breaker.read(&key);
    assert!((&mut probe).now_or_never().is_none());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::HalfOpen);
    let refused = breaker.read(&key).now_or_never().unwrap();
    assert!(is_refused(&refused));
    faults.reads().heal();
    assert!(probe.await.is_ok());
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn late_failures_do_not_open_a_circuit_that_has_closed_since() {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    // Each hung read times out, long after the circuit has opened and closed again.
    let backend = backend.deadline(OPEN_FOR * 10).unwrap();
    let breaker = backend
        .circuit_breaker(config().consecutive_failures(5))
        .unwrap();
    let key = key("1");
    faults.reads().next(5, Fault::HangBeforeEffect);
    let mut early: Vec<_> = (0..5).map(|_| breaker.read(&key)).collect();
    for read in &mut early {
        assert!(read.now_or_never().is_none());
    }
    faults.reads().next(5, Fault::FailBeforeEffect);
    for _ in 0..5 {
        assert!(breaker.read(&key).await.is_err());
    }
    assert_ne!(breaker.state(Calls::Reads), CircuitState::Closed);
    advance(OPEN_FOR).await;
    breaker.read(&key).await.unwrap();
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    for outcome in join_all(early).await {
        assert_eq!(outcome.unwrap_err().kind(), BackendErrorKind::Timeout);
    }
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}
