//! Operations that wait for nothing: what they leave on record, and what happens where a layer says
//! it will not wait and then does.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use futures::FutureExt;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionBackend,
    CompositionLayer, CompositionPolicy, CompositionWritePolicy, DeleteStatus, Operation,
    OptimisticParallelWritePolicy, RaceLoserPolicy, RaceWritePolicy, ReadAttempt, ReadOutcome,
    RefillPolicy, RepairCause, RepairPolicy, SequentialReadPolicy, SequentialWritePolicy,
    StrictWritePolicy, WriteAttempt,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Offload, Raw,
    ResponseSource, Stamp,
    clock::{Moment, VirtualTime},
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

fn answer(writing: WriteAttempt<'_>) -> BackendResult<()> {
    match writing {
        Attempt::Ready(outcome) => outcome,
        other @ (Attempt::Pending(_) | Attempt::WouldBlock(_)) => {
            panic!("not answered at once: {other:?}")
        }
    }
}

type Faulty = FaultyBackend<MemoryBackend>;
type Composed<W> = CompositionBackend<Faulty, Faulty, DisabledOffload, SequentialReadPolicy, W>;

/// Two layers that nobody repairs.
fn composed<W: CompositionWritePolicy>(write: W) -> (Composed<W>, [Faults; 2]) {
    let (l1, faults_of_l1) = FaultyBackend::new(MemoryBackend::new());
    let (l2, faults_of_l2) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new()
        .write(write)
        .repair(RepairPolicy::Never);
    let composed = l1.compose_with(l2, DisabledOffload, policy);
    (composed, [faults_of_l1, faults_of_l2])
}

/// The layers that have not confirmed.
fn unconfirmed<W: CompositionWritePolicy>(composed: &Composed<W>) -> Vec<CompositionLayer> {
    composed
        .pending_repairs()
        .iter()
        .map(|pending| pending.layer)
        .collect()
}

#[test]
fn both_layers_hold_what_was_written_and_owe_nothing() {
    let (composed, _) = composed(SequentialWritePolicy::new());
    for text in ["old", "new"] {
        answer(composed.try_write(&key(), value(text))).unwrap();
        assert_eq!(held(composed.l1()).unwrap(), text);
        assert_eq!(held(composed.l2()).unwrap(), text);
        assert_eq!(held(&composed).unwrap(), text);
        assert_eq!(composed.pending_repair_count(), 0);
    }
}

/// The answer is lost: nobody knows what the layer holds.
#[tokio::test]
async fn a_layer_that_fails_is_bypassed() {
    use CompositionLayer::{L1, L2};
    for (failing, layer) in [(0, L1), (1, L2)] {
        for fault in [Fault::FailBeforeEffect, Fault::FailAfterEffect] {
            let (composed, faults) = composed(OptimisticParallelWritePolicy::new());
            composed.write(&key(), value("old")).await.unwrap();
            faults[failing].writes().next(1, fault);
            answer(composed.try_write(&key(), value("new"))).unwrap();
            assert_eq!(unconfirmed(&composed), [layer], "{fault:?}");
            assert_eq!(held(&composed).unwrap(), "new", "{fault:?}");
        }
    }
}

#[tokio::test]
async fn policies_decide_as_they_do_with_futures() {
    use CompositionLayer::{L1, L2};
    async fn check<W: CompositionWritePolicy>(
        policy: impl Fn() -> W,
        failing: usize,
        succeeds: bool,
        expected: &[CompositionLayer],
    ) {
        for at_once in [true, false] {
            let (composed, faults) = composed(policy());
            faults[failing].writes().next(1, Fault::FailBeforeEffect);
            // A remove that is under way has the turns: what waits for them is not done at once.
            let outcome = if at_once {
                answer(composed.try_write(&key(), value("new")))
            } else {
                faults[0].removes().next(1, Fault::HangBeforeEffect);
                faults[1].removes().next(1, Fault::HangBeforeEffect);
                let (earlier, later) = (key(), key());
                let remove = composed.remove(&earlier);
                let write = async { composed.write(&later, value("new")).await };
                let release = async {
                    faults[0].removes().wait_until_hanging(1).await;
                    faults[1].removes().wait_until_hanging(1).await;
                };
                let (_, outcome, ()) = futures::join!(remove, write, async {
                    release.await;
                    tokio::task::yield_now().await;
                    faults[0].removes().heal();
                    faults[1].removes().heal();
                });
                outcome
            };
            assert_eq!(outcome.is_ok(), succeeds, "at once: {at_once}");
            assert_eq!(unconfirmed(&composed), expected, "at once: {at_once}");
        }
    }
    check(OptimisticParallelWritePolicy::new, 0, true, &[L1]).await;
    check(SequentialWritePolicy::new, 0, false, &[L1, L2]).await;
    check(SequentialWritePolicy::new, 1, false, &[L2]).await;
    check(StrictWritePolicy::new, 0, false, &[L1]).await;
    check(StrictWritePolicy::new, 1, false, &[L2]).await;
    let race = || RaceWritePolicy::new().loser(RaceLoserPolicy::Drop);
    check(race, 0, true, &[L1]).await;
    // The loser is dropped before it fails.
    check(race, 1, true, &[L2]).await;
    check(RaceWritePolicy::new, 0, true, &[L1]).await;
    check(RaceWritePolicy::new, 1, true, &[L2]).await;
}

/// What is under way in a layer may take effect after a write that did not wait for it.
#[tokio::test]
async fn a_turn_that_is_taken_is_waited_for() {
    let (composed, [_, l2]) = composed(OptimisticParallelWritePolicy::new());
    l2.removes().next(1, Fault::HangBeforeEffect);
    let key = key();
    let mut remove = composed.remove(&key);
    assert!(futures::poll!(&mut remove).is_pending());
    let Attempt::Pending(mut write) = composed.try_write(&key, value("new")) else {
        panic!("the turn of L2 is taken");
    };
    assert!(futures::poll!(&mut write).is_pending());
    assert_eq!(held(composed.l1()).unwrap(), "new");
    assert_eq!(l2.writes().calls(), 0);
    l2.removes().heal();
    let (removed, written) = futures::join!(remove, write);
    removed.unwrap();
    written.unwrap();
    assert_eq!(held(composed.l2()).unwrap(), "new");
    assert_eq!(composed.pending_repair_count(), 0);
}

/// What a layer that says it writes at once does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instead {
    Waits,
    Begins,
    Panics,
    Refuses,
}

struct Unreliable {
    inner: MemoryBackend,
    instead: Instead,
    writes: Arc<AtomicUsize>,
}

impl Unreliable {
    fn new(instead: Instead) -> Self {
        Self {
            inner: MemoryBackend::new(),
            instead,
            writes: Arc::default(),
        }
    }
}

#[async_trait]
impl Backend for Unreliable {
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
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        self.inner.try_read(key, context, moment)
    }
    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        match self.instead {
            Instead::Waits => Attempt::WouldBlock(value),
            Instead::Begins => Attempt::Pending(self.write(key, value)),
            Instead::Panics => panic!("meant by the test"),
            Instead::Refuses => {
                let kind = BackendErrorKind::TooLarge;
                let error = BackendError::new(kind, Operation::Write, self.label());
                Attempt::Ready(Err(error))
            }
        }
    }
    fn is_non_blocking(&self) -> bool {
        true
    }
    fn label(&self) -> BackendLabel {
        "unreliable".into()
    }
}

#[tokio::test]
async fn a_write_that_has_to_wait_after_all_is_made() {
    for instead in [Instead::Waits, Instead::Begins] {
        for below in [true, false] {
            let (memory, unreliable) = (MemoryBackend::new(), Unreliable::new(instead));
            let writes = Arc::clone(&unreliable.writes);
            let (l1, l2): (Box<dyn Backend>, Box<dyn Backend>) = if below {
                (Box::new(memory), Box::new(unreliable))
            } else {
                (Box::new(unreliable), Box::new(memory))
            };
            let composed = l1.compose(l2, DisabledOffload);
            composed.write(&key(), value("new")).await.unwrap();
            assert_eq!(held(composed.l1()).unwrap(), "new", "{instead:?}");
            assert_eq!(held(composed.l2()).unwrap(), "new", "{instead:?}");
            assert_eq!(composed.pending_repair_count(), 0, "{instead:?}");
            // What it has begun is not done again.
            assert_eq!(writes.load(Ordering::Relaxed), 1, "{instead:?}");
        }
    }
}

/// A write that has been admitted hides what the layers hold: it has to be made.
#[tokio::test]
async fn a_write_that_is_on_record_is_begun() {
    let unreliable = Unreliable::new(Instead::Waits);
    let composed = unreliable.compose(MemoryBackend::new(), DisabledOffload);
    composed.write(&key(), value("old")).await.unwrap();
    match composed.try_write(&key(), value("new")) {
        Attempt::Pending(rest) => rest.await.unwrap(),
        other @ (Attempt::Ready(_) | Attempt::WouldBlock(_)) => panic!("not begun: {other:?}"),
    }
    assert_eq!(held(&composed).unwrap(), "new");
    assert_eq!(composed.pending_repair_count(), 0);
}

#[tokio::test]
async fn a_write_that_is_dropped_midway_is_on_record() {
    let unreliable = Unreliable::new(Instead::Begins);
    let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
    let composed = MemoryBackend::new().compose_with(unreliable, DisabledOffload, policy);
    composed.write(&key(), value("old")).await.unwrap();
    match composed.try_write(&key(), value("new")) {
        Attempt::Pending(rest) => drop(rest),
        other @ (Attempt::Ready(_) | Attempt::WouldBlock(_)) => panic!("not begun: {other:?}"),
    }
    let pending = composed.pending_repairs();
    assert!(
        pending
            .iter()
            .any(|pending| pending.layer == CompositionLayer::L2)
    );
    // L1 has it, or neither: never what L2 holds.
    assert_eq!(held(&composed).unwrap(), "new");
    composed.l1().remove(&key()).await.unwrap();
    assert_eq!(held(&composed), None);
}

#[tokio::test]
async fn a_panic_gives_the_turns_back() {
    let panicking = Unreliable::new(Instead::Panics);
    let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
    let composed = MemoryBackend::new().compose_with(panicking, DisabledOffload, policy);
    let written = catch_unwind(AssertUnwindSafe(|| {
        let _ = composed.try_write(&key(), value("new"));
    }));
    assert!(written.is_err());
    let pending = composed.pending_repairs();
    assert!(
        pending
            .iter()
            .any(|pending| pending.layer == CompositionLayer::L2)
    );
    let removed = tokio::time::timeout(Duration::from_secs(10), composed.remove(&key())).await;
    removed.unwrap().unwrap();
    assert_eq!(held(&composed), None);
}

/// Also in the layers of a layer.
#[tokio::test]
async fn what_is_too_large_for_one_layer_is_in_neither() {
    fn refusing() -> CompositionBackend<
        MemoryBackend,
        Unreliable,
        DisabledOffload,
        SequentialReadPolicy,
        StrictWritePolicy,
    > {
        let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
        let refusing = Unreliable::new(Instead::Refuses);
        MemoryBackend::new().compose_with(refusing, DisabledOffload, policy)
    }
    let alone = refusing();
    let error = alone.write(&key(), value("new")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!([held(alone.l1()), held(alone.l2())], [None, None]);

    let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
    let nested = MemoryBackend::new().compose_with(refusing(), DisabledOffload, policy);
    let error = nested.write(&key(), value("new")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!([held(nested.l1()), held(nested.l2())], [None, None]);
    assert_eq!(nested.pending_repair_count(), 0);
}

/// A policy that knows nothing of layers that answer at once.
struct OwnPolicy;

#[async_trait]
impl CompositionWritePolicy for OwnPolicy {
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        write_l1: F1,
        write_l2: F2,
        _offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>,
    {
        write_l2(key.clone()).await?;
        write_l1(key).await
    }
}

#[tokio::test]
async fn a_policy_of_ones_own_need_not_know_of_it() {
    let (composed, faults) = composed(OwnPolicy);
    let key = key();
    let Attempt::Pending(write) = composed.try_write(&key, value("new")) else {
        panic!("the policy is a future");
    };
    assert_eq!(composed.pending_repair_count(), 0);
    write.await.unwrap();
    assert_eq!(held(composed.l1()).unwrap(), "new");
    assert_eq!(faults.map(|faults| faults.writes().calls()), [1, 1]);
}

/// One that answers without a layer: the write is on record all the same.
struct Forgetful;

#[async_trait]
impl CompositionWritePolicy for Forgetful {
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        _key: CacheKey,
        _write_l1: F1,
        _write_l2: F2,
        _offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>,
    {
        Ok(())
    }
}

#[tokio::test]
async fn a_write_that_reaches_no_layer_hides_what_they_hold() {
    use CompositionLayer::{L1, L2};
    let (composed, _) = composed(Forgetful);
    composed.l2().write(&key(), value("old")).await.unwrap();
    composed.write(&key(), value("new")).await.unwrap();
    assert_eq!(unconfirmed(&composed), [L1, L2]);
    assert_eq!(held(&composed), None);
}

#[tokio::test]
async fn a_miss_in_l1_is_refilled_before_the_answer() {
    let (composed, _) = composed(OptimisticParallelWritePolicy::new());
    composed.l2().write(&key(), value("new")).await.unwrap();
    let mut context = BoxContext::default();
    let Attempt::Ready(Ok(Some(found))) =
        composed.try_read(&key(), &mut context, &Moment::default())
    else {
        panic!("not a hit at once");
    };
    assert_eq!(found.data().payload().unwrap(), "new");
    assert_eq!(held(composed.l1()).unwrap(), "new");
}

thread_local! {
    /// Not within the backend, since it is a clock for one thread.
    static CLOCK: RefCell<Option<VirtualTime>> = const { RefCell::new(None) };
}

/// Memory that takes two seconds for a write, and takes them from the caller.
#[derive(Default)]
struct Slow {
    inner: MemoryBackend,
}

#[async_trait]
impl Backend for Slow {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        self.inner.try_read(key, context, moment)
    }
    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        CLOCK.with_borrow(|clock| clock.as_ref().unwrap().advance(TimeDelta::seconds(2)));
        self.inner.try_write(key, value)
    }
    fn is_non_blocking(&self) -> bool {
        true
    }
    fn label(&self) -> BackendLabel {
        "slow".into()
    }
}

/// Also where L2 has to be waited for.
#[tokio::test]
async fn what_expires_while_it_is_copied_is_a_miss() {
    async fn read_from(l2: impl Backend + 'static) {
        let soon = hitbox_core::clock::now() + TimeDelta::seconds(1);
        let composed = Slow::default().compose(l2, DisabledOffload);
        let value = value("new").expire_no_later_than(soon);
        composed.l2().write(&key(), value).await.unwrap();
        let mut context = BoxContext::default();
        let found = composed.read_with(&key(), &mut context).await.unwrap();
        assert_eq!(found, None);
        assert_eq!(context.status(), CacheStatus::Miss);
    }
    let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    CLOCK.set(Some(VirtualTime::start(start)));
    read_from(MemoryBackend::new()).await;
    read_from(Awaited::default()).await;
    CLOCK.set(None);
}

/// A refill that fails costs the caller nothing, and nothing is trusted that it may have left.
#[tokio::test]
async fn a_refill_that_fails_is_not_the_readers_failure() {
    let (composed, [l1, _]) = composed(OptimisticParallelWritePolicy::new());
    composed.l2().write(&key(), value("new")).await.unwrap();
    l1.writes().next(1, Fault::FailAfterEffect);
    assert_eq!(held(&composed).unwrap(), "new");
    // What has taken effect may yet do so again.
    let pending = composed.pending_repairs();
    let pending: Vec<_> = pending
        .iter()
        .map(|pending| (pending.layer, pending.cause))
        .collect();
    assert_eq!(pending, [(CompositionLayer::L1, RepairCause::InDoubt)]);
}

#[tokio::test]
async fn nothing_is_refilled_that_is_not_wanted() {
    let policy = CompositionPolicy::new().refill(RefillPolicy::Never);
    let composed = MemoryBackend::new().compose_with(MemoryBackend::new(), DisabledOffload, policy);
    composed.l2().write(&key(), value("new")).await.unwrap();
    let mut context = BoxContext::default();
    assert!(matches!(
        composed.try_read(&key(), &mut context, &Moment::default()),
        Attempt::Ready(Ok(Some(_)))
    ));
    assert_eq!(held(composed.l1()), None);
}

/// Memory that has to be waited for.
#[derive(Default)]
struct Awaited {
    inner: MemoryBackend,
    fails: bool,
}

#[async_trait]
impl Backend for Awaited {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        tokio::task::yield_now().await;
        if self.fails {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, Operation::Read, self.label()));
        }
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        tokio::task::yield_now().await;
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "awaited".into()
    }
}

/// What L1 lacks comes from L2, is copied to L1, and is said to come from there.
#[tokio::test]
async fn a_miss_at_once_leaves_the_read_of_l2() {
    let composed = MemoryBackend::new().compose(Awaited::default(), DisabledOffload);
    let mut context = BoxContext::default();
    let absent = composed.read_with(&key(), &mut context).await.unwrap();
    assert_eq!(absent, None);
    assert_eq!(context.status(), CacheStatus::Miss);

    composed.l2().write(&key(), value("new")).await.unwrap();
    for source in ["composition.awaited", "composition.memory"] {
        let mut context = BoxContext::default();
        let found = composed.read_with(&key(), &mut context).await.unwrap();
        assert_eq!(found.unwrap().data().payload().unwrap(), "new");
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source(), &ResponseSource::Backend(source.into()));
    }
    assert_eq!(held(composed.l1()).unwrap(), "new");
}

/// One layer has answered, with nothing: that is an answer.
#[tokio::test]
async fn a_miss_at_once_stands_if_l2_fails() {
    let failing = Awaited {
        fails: true,
        ..Awaited::default()
    };
    let composed = MemoryBackend::new().compose(failing, DisabledOffload);
    let mut context = BoxContext::default();
    let found = composed.read_with(&key(), &mut context).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(context.status(), CacheStatus::Miss);
    assert_eq!(context.source(), &ResponseSource::Upstream);
}

/// The refill of a read that a remove has overtaken is not made.
#[tokio::test]
async fn a_remove_overtakes_the_read_of_l2() {
    let composed = MemoryBackend::new().compose(Awaited::default(), DisabledOffload);
    composed.l2().write(&key(), value("old")).await.unwrap();
    let key = key();
    let mut read = composed.read(&key);
    assert!(futures::poll!(&mut read).is_pending());
    composed.remove(&key).await.unwrap();
    read.await.unwrap();
    assert_eq!(held(composed.l1()), None);
    assert_eq!(composed.read(&key).await.unwrap(), None);
}
