//! G5: one probe at a time finds out whether a layer is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use exploration::{Extent, explore, thread, wait_for};
use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use loom::{sync::Mutex, thread::JoinHandle};

use super::{cache::key, layer::yield_once};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendExt, BackendResult, CircuitBreaker,
    CircuitBreakerConfig, DeleteStatus, FailureRate, Operation, ReadOutcome,
    wrapper::{Calls, CircuitState},
};

const OPEN_FOR: Duration = Duration::from_secs(1);

/// What a layer answers to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Miss,
    Failure,
}

/// A layer that counts who asks it.
#[derive(Clone)]
struct Counting {
    /// Looked at while a call is under way, so that others can come meanwhile.
    answer: Arc<Mutex<Answer>>,
    under_way: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    fn answering(answer: Answer) -> Self {
        Self {
            answer: Arc::new(Mutex::new(answer)),
            under_way: Arc::default(),
            most_at_once: Arc::default(),
            calls: Arc::default(),
        }
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
        for count in [&self.most_at_once, &self.calls] {
            count.store(0, SeqCst);
        }
    }
}

/// A call that is under way.
struct UnderWay<'a>(&'a Counting);

impl<'a> UnderWay<'a> {
    fn at(layer: &'a Counting) -> Self {
        layer.calls.fetch_add(1, SeqCst);
        let at_once = layer.under_way.fetch_add(1, SeqCst) + 1;
        layer.most_at_once.fetch_max(at_once, SeqCst);
        Self(layer)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

fn failure(operation: Operation) -> BackendError {
    let label = BackendLabel::new_static("counting");
    BackendError::new(BackendErrorKind::Unavailable, operation, label)
}

#[async_trait]
impl Backend for Counting {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let _under_way = UnderWay::at(self);
        if *key == slow() {
            yield_once().await;
            return Err(failure(Operation::Read));
        }
        if *key == answered() {
            return Ok(None);
        }
        let answer = *self.answer.lock().unwrap();
        match answer {
            Answer::Miss => Ok(None),
            Answer::Failure => Err(failure(Operation::Read)),
        }
    }

    async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("counting")
    }
}

type Breaker = Arc<CircuitBreaker<Counting>>;

fn breaker(failures: u32, layer: &Counting) -> Breaker {
    let config = CircuitBreakerConfig::new()
        .consecutive_failures(failures)
        .open_for(OPEN_FOR)
        .jitter(0.0);
    Arc::new(layer.clone().circuit_breaker(config).unwrap())
}

fn read(breaker: &Breaker) -> ReadOutcome {
    wait_for(breaker.read(&key()))
}

fn reader(breaker: &Breaker) -> JoinHandle<ReadOutcome> {
    let breaker = Arc::clone(breaker);
    thread(move || read(&breaker))
}

/// The read of this key waits once and then fails.
fn slow() -> CacheKey {
    CacheKey::from_pair("key", "slow")
}

/// The read of this key is answered, whatever others are.
fn answered() -> CacheKey {
    CacheKey::from_pair("key", "answered")
}

fn slow_read(breaker: &Breaker) -> BoxFuture<'static, ReadOutcome> {
    let breaker = Arc::clone(breaker);
    async move { breaker.read(&slow()).await }.boxed()
}

#[test]
fn while_a_probe_is_under_way_nobody_else_is_let_through() {
    explore(
        "three calls and a probe that fails",
        Extent::Interruptions(3),
        |clock| {
            let layer = Counting::answering(Answer::Failure);
            let breaker = breaker(1, &layer);
            read(&breaker).unwrap_err();
            clock.advance(OPEN_FOR);
            layer.answer(Answer::Failure);
            let readers = [reader(&breaker), reader(&breaker)];
            read(&breaker).unwrap_err();
            for reader in readers {
                reader.join().unwrap().unwrap_err();
            }
            assert_eq!(layer.calls.load(SeqCst), 1);
            let statistics = breaker.statistics(Calls::Reads);
            assert_eq!(
                (statistics.opened, statistics.probes, statistics.refused),
                (2, 1, 2)
            );
            assert!(matches!(
                breaker.state(Calls::Reads),
                CircuitState::Open { .. }
            ));
        },
    );
}

#[test]
fn a_probe_that_succeeds_closes_the_circuit_for_all() {
    explore(
        "three calls and a probe that succeeds",
        Extent::Interruptions(3),
        |clock| {
            let layer = Counting::answering(Answer::Failure);
            let breaker = breaker(1, &layer);
            read(&breaker).unwrap_err();
            clock.advance(OPEN_FOR);
            layer.answer(Answer::Miss);
            let readers = [reader(&breaker), reader(&breaker)];
            let outcome = read(&breaker);
            let [one, two] = readers.map(|reader| reader.join().unwrap());
            let refused = [one, two, outcome]
                .iter()
                .filter(|outcome| outcome.is_err())
                .count();
            let statistics = breaker.statistics(Calls::Reads);
            assert_eq!((statistics.opened, statistics.probes), (1, 1));
            assert_eq!(statistics.refused, refused as u64);
            assert_eq!(layer.calls.load(SeqCst), 3 - refused);
            assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
            read(&breaker).unwrap();
        },
    );
}

/// Room for the next one, and for one only.
#[test]
fn a_probe_that_is_dropped_makes_room() {
    let name = "a probe that is dropped, and two calls";
    explore(name, Extent::All, |clock| {
        let layer = Counting::answering(Answer::Failure);
        let breaker = breaker(1, &layer);
        read(&breaker).unwrap_err();
        clock.advance(OPEN_FOR);
        layer.answer(Answer::Failure);
        let mut probe = slow_read(&breaker);
        assert!((&mut probe).now_or_never().is_none());
        let leaver = thread(move || drop(probe));
        let beside = reader(&breaker);
        read(&breaker).unwrap_err();
        beside.join().unwrap().unwrap_err();
        leaver.join().unwrap();
        assert_eq!(layer.most_at_once.load(SeqCst), 1);
        assert_eq!(layer.under_way.load(SeqCst), 0);
        // If both came too early, the next one is let through.
        let _refused_or_not = read(&breaker);
        assert_eq!(breaker.statistics(Calls::Reads).probes, 2);
        assert!(matches!(
            breaker.state(Calls::Reads),
            CircuitState::Open { .. }
        ));
    });
}

/// A success between them resets the count of failures, whatever the other calls come to.
#[test]
fn failures_with_a_success_between_them_are_not_consecutive() {
    explore("failures, and successes beside them", Extent::All, |_| {
        let layer = Counting::answering(Answer::Failure);
        let breaker = breaker(2, &layer);
        read(&breaker).unwrap_err();
        layer.answer(Answer::Miss);
        let beside = reader(&breaker);
        read(&breaker).unwrap();
        beside.join().unwrap().unwrap();
        layer.answer(Answer::Failure);
        read(&breaker).unwrap_err();
        assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    });
}

/// Calls look at a word beside the lock: it must say what the machine under the lock says.
#[test]
fn calls_are_let_through_if_and_only_if_the_circuit_is_closed() {
    explore("two failures that open the circuit", Extent::All, |_| {
        let layer = Counting::answering(Answer::Failure);
        let breaker = breaker(2, &layer);
        let beside = reader(&breaker);
        read(&breaker).unwrap_err();
        beside.join().unwrap().unwrap_err();
        assert!(matches!(
            breaker.state(Calls::Reads),
            CircuitState::Open { .. }
        ));
        assert_eq!(breaker.statistics(Calls::Reads).opened, 1);
        let calls = layer.calls.load(SeqCst);
        read(&breaker).unwrap_err();
        assert_eq!(layer.calls.load(SeqCst), calls);
    });
}

/// What a call has to say that was sent before an outage comes too late.
#[test]
fn a_late_failure_does_not_open_the_circuit_again() {
    let name = "a late failure and a probe that succeeds";
    explore(name, Extent::All, |clock| {
        let layer = Counting::answering(Answer::Failure);
        let breaker = breaker(1, &layer);
        let mut late = slow_read(&breaker);
        assert!((&mut late).now_or_never().is_none());
        read(&breaker).unwrap_err();
        clock.advance(OPEN_FOR);
        layer.answer(Answer::Miss);
        let late = thread(move || wait_for(late).unwrap_err());
        read(&breaker).unwrap();
        late.join().unwrap();
        assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
        assert_eq!(breaker.statistics(Calls::Reads).opened, 1);
    });
}

/// In whatever order three calls end, the fourth completes the window: none is lost, none counts twice,
/// and the success is one of them.
#[test]
fn the_rate_counts_every_call_once() {
    let name = "two failures and a success, then a failure, by rate";
    explore(name, Extent::Interruptions(4), |_| {
        let layer = Counting::answering(Answer::Failure);
        let rate = FailureRate::new(0.75).window(4).minimum_calls(4);
        let config = CircuitBreakerConfig::new()
            .failure_rate(rate)
            .consecutive_failures(10);
        let breaker = Arc::new(layer.clone().circuit_breaker(config).unwrap());
        let failing = reader(&breaker);
        let succeeding = {
            let breaker = Arc::clone(&breaker);
            thread(move || wait_for(breaker.read(&answered())))
        };
        read(&breaker).unwrap_err();
        failing.join().unwrap().unwrap_err();
        succeeding.join().unwrap().unwrap();
        assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
        read(&breaker).unwrap_err();
        assert!(matches!(
            breaker.state(Calls::Reads),
            CircuitState::Open { .. }
        ));
        assert_eq!(breaker.statistics(Calls::Reads).opened, 1);
    });
}
