//! Operations whose L1 answers in place, while L2 has to be waited for.

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use CompositionLayer::{L1, L2};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionBackend,
    CompositionLayer, CompositionPolicy, CompositionWritePolicy, DeleteStatus, Operation,
    OptimisticParallelWritePolicy, ParallelReadPolicy, ReadOutcome, RefillPolicy, RepairPolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy, WriteAttempt,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Offload, Raw,
    ResponseSource, Stamp,
    clock::{self, VirtualTime},
};

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

fn held(backend: &impl Backend) -> Option<Bytes> {
    let found = backend.read(&key()).now_or_never().unwrap().unwrap();
    found.map(|value| value.data().payload().unwrap().clone())
}

type Faulty = FaultyBackend<MemoryBackend>;

/// A layer that does nothing in place.
struct Remote {
    inner: Faulty,
    writes: AtomicUsize,
}

#[async_trait]
impl Backend for Remote {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("remote")
    }
}

type Composed<R, W> = CompositionBackend<Faulty, Remote, DisabledOffload, R, W>;

fn layers() -> ((Faulty, Remote), [Faults; 2]) {
    let (l1, faults_of_l1) = FaultyBackend::new(MemoryBackend::new());
    let (inner, faults_of_l2) = FaultyBackend::new(MemoryBackend::new());
    let writes = AtomicUsize::new(0);
    ((l1, Remote { inner, writes }), [faults_of_l1, faults_of_l2])
}

/// Nobody repairs.
fn written_by<W: CompositionWritePolicy>(
    write: W,
) -> (Composed<SequentialReadPolicy, W>, [Faults; 2]) {
    let ((l1, l2), faults) = layers();
    let policy = CompositionPolicy::new()
        .write(write)
        .repair(RepairPolicy::Never);
    (l1.compose_with(l2, DisabledOffload, policy), faults)
}

fn read_in_parallel() -> (
    Composed<ParallelReadPolicy, OptimisticParallelWritePolicy>,
    [Faults; 2],
) {
    let ((l1, l2), faults) = layers();
    let policy = CompositionPolicy::new()
        .read(ParallelReadPolicy::new())
        .refill(RefillPolicy::Always);
    (l1.compose_with(l2, DisabledOffload, policy), faults)
}

fn unconfirmed<O: Offload<'static>, R, W>(
    composed: &CompositionBackend<Faulty, Remote, O, R, W>,
) -> Vec<CompositionLayer> {
    composed
        .pending_repairs()
        .iter()
        .map(|pending| pending.layer)
        .collect()
}

#[tokio::test]
async fn each_policy_decides_by_what_both_layers_made_of_it() {
    async fn check<W: CompositionWritePolicy>(
        policy: W,
        failing: &[CompositionLayer],
        blamed: Option<CompositionLayer>,
        expected: &[CompositionLayer],
        writes_of_l2: usize,
    ) {
        let (composed, faults) = written_by(policy);
        for layer in failing {
            faults[*layer as usize]
                .writes()
                .next(1, Fault::FailBeforeEffect);
        }
        let outcome = composed.write(&key(), value("new")).await;
        let error = outcome.err();
        assert_eq!(error.and_then(|error| error.layer()), blamed, "{failing:?}");
        assert_eq!(unconfirmed(&composed), expected, "{failing:?}");
        let writes = composed.l2().writes.load(Ordering::Relaxed);
        assert_eq!(writes, writes_of_l2, "{failing:?}");
    }
    let optimistic = OptimisticParallelWritePolicy::new;
    check(optimistic(), &[], None, &[], 1).await;
    check(optimistic(), &[L1], None, &[L1], 1).await;
    check(optimistic(), &[L2], None, &[L2], 1).await;
    check(optimistic(), &[L1, L2], Some(L2), &[L1, L2], 1).await;
    let strict = StrictWritePolicy::new;
    check(strict(), &[], None, &[], 1).await;
    check(strict(), &[L1], Some(L1), &[L1], 1).await;
    check(strict(), &[L2], Some(L2), &[L2], 1).await;
    let sequential = SequentialWritePolicy::new;
    check(sequential(), &[], None, &[], 1).await;
    check(sequential(), &[L1], Some(L1), &[L1, L2], 0).await;
    check(sequential(), &[L2], Some(L2), &[L2], 1).await;
}

/// L1 is free as soon as it has answered, and trusted with what it has taken.
#[tokio::test]
async fn while_l2_hangs_l1_has_the_value_and_takes_the_next() {
    let (composed, faults) = written_by(OptimisticParallelWritePolicy::new());
    faults[1].writes().next(1, Fault::HangBeforeEffect);
    let key = key();
    let mut first = composed.write(&key, value("first"));
    assert!(futures::poll!(&mut first).is_pending());
    assert_eq!(held(&composed).unwrap(), "first");

    let mut second = composed.write(&key, value("second"));
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(held(&composed).unwrap(), "second");

    faults[1].writes().heal();
    let (first, second) = futures::join!(first, second);
    first.unwrap();
    second.unwrap();
    assert_eq!(held(composed.l1()).unwrap(), "second");
    assert_eq!(held(&composed.l2().inner).unwrap(), "second");
    assert_eq!(composed.pending_repair_count(), 0);
}

#[tokio::test]
async fn dropped_while_l2_is_waited_for_l2_is_bypassed() {
    let (composed, faults) = written_by(StrictWritePolicy::new());
    composed.write(&key(), value("old")).await.unwrap();
    faults[1].writes().next(1, Fault::HangBeforeEffect);
    let key = key();
    let mut write = composed.write(&key, value("new"));
    assert!(futures::poll!(&mut write).is_pending());
    drop(write);
    assert_eq!(unconfirmed(&composed), [L2]);
    composed.l1().remove(&key).await.unwrap();
    assert_eq!(held(&composed.l2().inner).unwrap(), "old");
    assert_eq!(held(&composed), None);
}

/// Takes no value, and says so in place.
#[derive(Default)]
struct Small(MemoryBackend);

#[async_trait]
impl Backend for Small {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.0.read(key).await
    }

    async fn write(&self, key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        self.0.remove(key).await?;
        let kind = BackendErrorKind::TooLarge;
        Err(BackendError::new(kind, Operation::Write, self.label()))
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.0.remove(key).await
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        Attempt::Ready(self.write(key, value).now_or_never().unwrap())
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("small")
    }
}

/// It may take effect as long as nobody has an answer.
#[tokio::test]
async fn dropped_while_l2_is_waited_for_it_may_arrive_late() {
    let (composed, faults) = written_by(StrictWritePolicy::new());
    let (key, dropped) = (key(), value("dropped"));
    faults[1].writes().next(1, Fault::HangBeforeEffect);
    let mut write = composed.write(&key, dropped.clone());
    assert!(futures::poll!(&mut write).is_pending());
    drop(write);
    composed.write(&key, value("new")).await.unwrap();
    composed.l2().inner.write(&key, dropped).await.unwrap();
    composed.l1().remove(&key).await.unwrap();
    assert_eq!(held(&composed), None);
}

#[tokio::test]
async fn what_is_too_large_for_l2_is_in_neither() {
    let ((l1, _), _) = layers();
    let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
    let composed = l1.compose_with(Awaited(Small::default()), DisabledOffload, policy);
    let error = composed.write(&key(), value("new")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!(held(composed.l1()), None);
    assert_eq!(composed.pending_repair_count(), 0);
}

/// Does nothing in place.
struct Awaited<B>(B);

#[async_trait]
impl<B: Backend> Backend for Awaited<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.0.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.0.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.0.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        self.0.label()
    }
}

/// Panics in place.
struct Panics;

#[async_trait]
impl Backend for Panics {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }

    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        panic!("meant by the test")
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn try_write<'a>(&'a self, _key: &'a CacheKey, _value: CacheValue<Raw>) -> WriteAttempt<'a> {
        panic!("meant by the test")
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("panics")
    }
}

/// The turns are free, and both layers are bypassed.
#[tokio::test]
async fn a_layer_that_panics_leaves_nothing_behind() {
    let ((_, l2), _) = layers();
    let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
    let composed = Panics.compose_with(l2, DisabledOffload, policy);
    let key = key();
    let write = composed.write(&key, value("new"));
    assert!(AssertUnwindSafe(write).catch_unwind().await.is_err());
    assert_eq!(composed.pending_repairs().len(), 2);
    composed.remove(&key).now_or_never().unwrap().unwrap();
}

#[tokio::test]
async fn what_is_too_large_for_l1_is_in_neither() {
    let ((_, l2), _) = layers();
    let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
    let composed = Small::default().compose_with(l2, DisabledOffload, policy);
    let error = composed.write(&key(), value("new")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!(composed.l2().writes.load(Ordering::Relaxed), 1);
    assert_eq!(held(&composed.l2().inner), None);
    assert_eq!(composed.pending_repair_count(), 0);
}

#[tokio::test]
async fn what_is_older_than_a_remove_reaches_no_layer() {
    let (composed, _faults) = written_by(OptimisticParallelWritePolicy::new());
    let old = value("old").created_at(Stamp::now());
    composed.remove(&key()).await.unwrap();
    composed.write(&key(), old).await.unwrap();
    assert_eq!(held(composed.l1()), None);
    assert_eq!(composed.l2().writes.load(Ordering::Relaxed), 0);
}

async fn read(
    composed: &Composed<ParallelReadPolicy, OptimisticParallelWritePolicy>,
) -> (Option<Bytes>, CacheStatus, String) {
    let mut context = BoxContext::default();
    let found = composed.read_with(&key(), &mut context).await.unwrap();
    let source = match context.source() {
        ResponseSource::Backend(label) => label.as_str().to_owned(),
        ResponseSource::Upstream => String::from("upstream"),
    };
    let found = found.map(|value| value.data().payload().unwrap().clone());
    (found, context.status(), source)
}

fn expiring(text: &'static str, after: Duration) -> CacheValue<Raw> {
    let data = Raw::from(Bytes::from_static(text.as_bytes()));
    CacheValue::loaded(data, Stamp::now()).expires_at(clock::now() + after)
}

#[tokio::test]
async fn a_parallel_read_asks_each_layer_once_and_takes_what_lives_longest() {
    for (in_l1, in_l2, expected) in [(9, 5, "l1"), (5, 9, "l2"), (5, 5, "l1")] {
        let (composed, faults) = read_in_parallel();
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let (one, two) = (
            expiring("l1", minutes(in_l1)),
            expiring("l2", minutes(in_l2)),
        );
        composed.l1().write(&key(), one).await.unwrap();
        composed.l2().write(&key(), two).await.unwrap();
        let before = [0, 1].map(|layer: usize| faults[layer].reads().calls());
        let (found, status, source) = read(&composed).await;
        assert_eq!(found.unwrap(), expected);
        assert_eq!(status, CacheStatus::Hit);
        assert_eq!(source == "composition.remote", expected == "l2", "{source}");
        let after = [0, 1].map(|layer: usize| faults[layer].reads().calls());
        assert_eq!(after, [before[0] + 1, before[1] + 1]);
        // What L2 served has been copied.
        assert_eq!(held(composed.l1()).unwrap(), expected);
    }
}

#[tokio::test]
async fn one_layer_that_answers_is_enough_for_a_parallel_read() {
    for (failing, expected) in [(L1, "l2"), (L2, "l1")] {
        let (composed, faults) = read_in_parallel();
        composed.l1().write(&key(), value("l1")).await.unwrap();
        composed.l2().write(&key(), value("l2")).await.unwrap();
        faults[failing as usize]
            .reads()
            .next(1, Fault::FailBeforeEffect);
        assert_eq!(read(&composed).await.0.unwrap(), expected);
    }
    let (composed, faults) = read_in_parallel();
    faults[0].reads().next(1, Fault::FailBeforeEffect);
    faults[1].reads().next(1, Fault::FailBeforeEffect);
    let mut context = BoxContext::default();
    let error = composed.read_with(&key(), &mut context).await.unwrap_err();
    assert_eq!(error.layer(), Some(L2));
    assert_eq!(context.status(), CacheStatus::Miss);
}

/// L1 has answered long ago when L2 does.
#[tokio::test]
async fn what_expires_while_l2_is_waited_for_is_a_miss() {
    let time = VirtualTime::start(chrono::Utc::now());
    let (composed, faults) = read_in_parallel();
    let short = expiring("l1", Duration::from_secs(1));
    composed.l1().write(&key(), short).await.unwrap();
    faults[1].reads().next(1, Fault::HangBeforeEffect);
    let mut read = Box::pin(read(&composed));
    assert!(futures::poll!(&mut read).is_pending());
    time.advance(chrono::TimeDelta::seconds(2));
    faults[1].reads().heal();
    let (found, status, _) = read.await;
    assert_eq!(found, None);
    assert_eq!(status, CacheStatus::Miss);
}
