//! Reads of L2 that others join: many who ask at once cost one read, and nobody gets what he could not have had.

use std::{
    fmt,
    num::NonZeroUsize,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use CompositionLayer::{L1, L2};
use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Begun, CacheBackend, Compose,
    CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy, Condition,
    DeleteStatus, Known, Operation, OptimisticParallelWritePolicy, ParallelReadPolicy,
    RaceReadPolicy, ReadOutcome, RefillPolicy, RepairPolicy, SequentialReadPolicy,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheContext, CacheKey, CacheStatus, CacheValue, Context,
    DisabledOffload, Failures, LayerFailure, Raw, ResponseSource, Stamp,
};
use tokio::{runtime::Runtime, sync::Notify, time::advance};

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(60);

type Faulty = FaultyBackend<Arc<MemoryBackend>>;
type Cache<R = SequentialReadPolicy> = CompositionBackend<Faulty, Faulty, DisabledOffload, R>;

struct Stage<R = SequentialReadPolicy> {
    cache: Cache<R>,
    faults: [Faults; 2],
    /// What L2 holds, to look at and to change behind the composition's back.
    l2: Arc<MemoryBackend>,
    key: CacheKey,
}

impl Stage {
    fn new() -> Self {
        Self::with(
            CompositionPolicy::new()
                .repair(RepairPolicy::Never)
                .join_reads_within(LONG),
        )
    }
}

impl<R: CompositionReadPolicy> Stage<R> {
    fn with(policy: CompositionPolicy<R, OptimisticParallelWritePolicy>) -> Self {
        let l2 = Arc::<MemoryBackend>::default();
        let (first, faults_of_l1) = FaultyBackend::new(Arc::default());
        let (second, faults_of_l2) = FaultyBackend::new(Arc::clone(&l2));
        Self {
            cache: first.compose_with(second, DisabledOffload, policy),
            faults: [faults_of_l1, faults_of_l2],
            l2,
            key: CacheKey::from_pair("key", "1"),
        }
    }

    /// Puts a value into L2 alone.
    async fn put(&self, data: u32) {
        let value = CacheValue::loaded(Arc::new(data), Stamp::now());
        self.l2.set(&self.key, value).await.unwrap();
    }

    /// From now on reads of L2 are answered by what it holds now, but not before it is healed.
    fn hold_answers(&self) {
        self.faults[L2 as usize]
            .reads()
            .always(Fault::HangAfterEffect);
    }

    fn release_answers(&self) {
        self.faults[L2 as usize].reads().heal();
    }

    fn reads_of_l2(&self) -> u64 {
        self.faults[L2 as usize].reads().calls()
    }

    /// A read that has got as far as it gets.
    fn reading(&self) -> BoxFuture<'_, BackendResult<Option<u32>>> {
        let reading = async {
            let found = self.cache.get::<u32>(&self.key).await?;
            Ok(found.map(|value| **value.data()))
        };
        // A test is one task, whose budget so many reads would use up.
        let mut reading = tokio::task::unconstrained(reading).boxed();
        assert!(
            (&mut reading).now_or_never().is_none(),
            "L2 answers although it hangs"
        );
        reading
    }
}

#[tokio::test]
async fn ten_thousand_at_once_cost_one_read_of_l2_and_one_refill() {
    async fn check<R: CompositionReadPolicy + fmt::Debug>(read: R) {
        let name = format!("{read:?}");
        let policy = CompositionPolicy::new().read(read).join_reads_within(LONG);
        let stage = Stage::with(policy);
        stage.put(7).await;
        stage.hold_answers();
        let readings: Vec<_> = (0..10_000).map(|_| stage.reading()).collect();
        assert_eq!(stage.reads_of_l2(), 1, "{name}");
        stage.release_answers();
        let answers = join_all(readings).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(7)))));
        assert_eq!(
            stage.faults[L1 as usize].writes().calls(),
            1,
            "refills, {name}"
        );
        assert_eq!(stage.reads_of_l2(), 1, "{name}");
    }
    check(SequentialReadPolicy::new()).await;
    check(ParallelReadPolicy::new()).await;
    check(RaceReadPolicy::new()).await;
}

#[tokio::test]
async fn who_joins_is_told_what_the_leader_is_told() {
    let stage = Stage::new();
    stage.put(7).await;
    stage.hold_answers();
    let read = async || {
        let mut context = BoxContext::default();
        let found = stage.cache.get_with::<u32>(&stage.key, &mut context).await;
        (found.unwrap().map(|value| **value.data()), context)
    };
    let both = async { tokio::join!(read(), read()) };
    let released = async {
        stage.faults[L2 as usize]
            .reads()
            .wait_until_hanging(1)
            .await;
        stage.release_answers();
    };
    let ((leader, joiner), ()) = tokio::join!(both, released);
    assert_eq!(stage.reads_of_l2(), 1);
    for (found, context) in [leader, joiner] {
        assert_eq!(found, Some(7));
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source().to_string(), "composition.memory");
    }
}

/// A change that ends between the leader's read of L2 and the joiner's coming.
type Change = for<'a> fn(&'a Stage) -> BoxFuture<'a, ()>;

#[tokio::test]
async fn nobody_joins_a_read_that_began_before_a_change_has_ended() {
    fn fresh(data: u32) -> CacheValue<Arc<u32>> {
        CacheValue::loaded(Arc::new(data), Stamp::now())
    }
    // With what a reader may see who comes afterwards.
    let changes: [(&str, Change, &[Option<u32>]); 7] = [
        (
            "remove",
            |stage| {
                Box::pin(async {
                    let _deleted = stage.cache.delete(&stage.key).await.unwrap();
                })
            },
            &[None],
        ),
        (
            "bulk remove",
            |stage| {
                Box::pin(async {
                    for outcome in stage
                        .cache
                        .remove_many(std::slice::from_ref(&stage.key))
                        .await
                    {
                        outcome.unwrap();
                    }
                })
            },
            &[None],
        ),
        (
            "write",
            |stage| Box::pin(async { stage.cache.set(&stage.key, fresh(8)).await.unwrap() }),
            &[Some(8)],
        ),
        (
            "write of a clone",
            |stage| {
                Box::pin(async { stage.cache.clone().set(&stage.key, fresh(8)).await.unwrap() })
            },
            &[Some(8)],
        ),
        (
            "bulk write",
            |stage| {
                Box::pin(async {
                    for outcome in stage
                        .cache
                        .set_many(vec![(stage.key.clone(), fresh(8))])
                        .await
                    {
                        outcome.unwrap();
                    }
                })
            },
            &[Some(8)],
        ),
        (
            "fill",
            |stage| {
                Box::pin(async {
                    let Begun::Lead(lease) = stage.cache.begin_load(&stage.key).await.unwrap()
                    else {
                        panic!("nobody else loads");
                    };
                    let value = fresh(8).map(Known::Present);
                    stage
                        .cache
                        .set_if(&stage.key, value, Condition::Lease(lease))
                        .await
                        .unwrap();
                })
            },
            &[Some(8)],
        ),
        (
            "write that L2 has failed, and its repair",
            |stage| {
                Box::pin(async {
                    stage.faults[L2 as usize]
                        .writes()
                        .next(1, Fault::FailBeforeEffect);
                    stage.cache.set(&stage.key, fresh(8)).await.unwrap();
                    stage.cache.set(&stage.key, fresh(9)).await.unwrap();
                })
            },
            &[Some(9)],
        ),
    ];
    for (name, change, expected) in changes {
        let stage = Stage::new();
        stage.put(7).await;
        stage.hold_answers();
        let leader = stage.reading();
        change(&stage).await;
        // L1 has nothing to say.
        stage.faults[L1 as usize]
            .reads()
            .always(Fault::FailBeforeEffect);
        let joiner = stage.reading();
        assert_eq!(stage.reads_of_l2(), 2, "{name}");
        stage.release_answers();
        let (_whatever, found) = tokio::join!(leader, joiner);
        assert!(
            expected.contains(&found.unwrap()),
            "{name}: read an older value"
        );
    }
}

/// The fence of a whole layer ends without a change of the key: what was read beneath it is judged by it.
#[tokio::test(start_paused = true)]
async fn nobody_joins_a_read_that_began_when_other_fences_stood() {
    let policy = CompositionPolicy::new()
        .repair(RepairPolicy::Never)
        .record_capacity(NonZeroUsize::MIN)
        .join_reads_within(LONG);
    let stage = Stage::with(policy);
    stage.put(7).await;
    let [l1, l2] = &stage.faults;
    l2.writes().always(Fault::FailBeforeEffect);
    let others = (0..40).map(|id| CacheKey::from_pair("other", id.to_string()));
    for key in std::iter::once(stage.key.clone()).chain(others) {
        let value = CacheValue::loaded(Arc::new(8_u32), Stamp::now());
        stage.cache.set(&key, value).await.unwrap();
    }
    l2.writes().heal();
    assert!(stage.cache.layer_fence(L2).is_some());
    // Nothing can arrive late any more.
    advance(Duration::from_secs(61)).await;
    l1.reads().always(Fault::FailBeforeEffect);

    stage.hold_answers();
    let leader = stage.reading();
    let empty = || async { stage.l2.remove(&stage.key).await.map(drop) };
    stage.cache.clear_layer_fence(L2, empty).await.unwrap();
    let joiner = stage.reading();
    assert_eq!(stage.reads_of_l2(), 2);
    stage.release_answers();
    assert_eq!(leader.await.unwrap(), None);
    assert_eq!(
        joiner.await.unwrap(),
        None,
        "read what L2 had before it was emptied"
    );
}

#[tokio::test]
async fn a_change_of_another_key_keeps_nobody_from_joining() {
    let stage = Stage::new();
    stage.put(7).await;
    stage.hold_answers();
    let mut readings = vec![stage.reading()];
    // Those that are behind the same lock as this key count for it.
    for id in 0..64 {
        let other = CacheKey::from_pair("other", id.to_string());
        stage.cache.delete(&other).await.unwrap();
        readings.push(stage.reading());
    }
    let reads = stage.reads_of_l2();
    assert!(reads <= 32, "{reads} of 64");
    stage.release_answers();
    for found in join_all(readings).await {
        assert_eq!(found.unwrap(), Some(7));
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_reads_what_another_process_has_written() {
    let stage = Stage::with(CompositionPolicy::new());
    stage.put(7).await;
    stage.hold_answers();
    let leader = stage.reading();
    stage.put(8).await;
    advance(Duration::from_millis(10)).await;
    let in_time = stage.reading();
    assert_eq!(stage.reads_of_l2(), 1);
    advance(Duration::from_millis(1)).await;
    let too_late = stage.reading();
    assert_eq!(stage.reads_of_l2(), 2);
    // The newer read is the one to join.
    let after_that = stage.reading();
    assert_eq!(stage.reads_of_l2(), 2);
    stage.release_answers();
    let found = join_all([leader, in_time, too_late, after_that]).await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found[..2], [Some(7); 2]);
    assert_eq!(found[2..], [Some(8); 2]);
}

#[tokio::test]
async fn a_read_that_has_ended_is_not_joined() {
    let policy = CompositionPolicy::new()
        .refill(RefillPolicy::Never)
        .join_reads_within(LONG);
    let stage = Stage::with(policy);
    for number in 1..=3 {
        stage.put(number).await;
        stage.hold_answers();
        let reading = stage.reading();
        stage.release_answers();
        assert_eq!(reading.await.unwrap(), Some(number));
        assert_eq!(stage.reads_of_l2(), u64::from(number));
    }
}

/// Whoever looked into L1 before it was refilled comes to L2 after that has answered.
#[tokio::test]
async fn a_read_is_joined_until_l1_is_refilled() {
    let stage = Stage::new();
    stage.put(7).await;
    let [l1, l2] = &stage.faults;
    l1.writes().always(Fault::HangBeforeEffect);
    l2.reads().next(1, Fault::HangAfterEffect);
    let mut leader = stage.reading();
    l2.reads().heal();
    assert!(
        (&mut leader).now_or_never().is_none(),
        "L1 takes its refill although it hangs"
    );
    // Not in place, or it would not come to be joined.
    stage.hold_answers();
    let late = stage.cache.get::<u32>(&stage.key).now_or_never();
    let found = late.expect("it waits for L2").unwrap();
    assert_eq!(found.map(|value| **value.data()), Some(7));
    assert_eq!(stage.reads_of_l2(), 1);
    l1.heal();
    assert_eq!(leader.await.unwrap(), Some(7));
}

/// The timers and connections of a read are those of the runtime in which it has begun. That may end, or run nothing.
#[test]
fn nobody_joins_a_read_of_another_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let (one, other) = (runtime(), runtime());
    let stage = Stage::new();
    one.block_on(stage.put(7));
    stage.hold_answers();
    let reading_in = |runtime: &Runtime| {
        let _inside = runtime.enter();
        stage.reading()
    };
    let _leader = reading_in(&one);
    let second = reading_in(&other);
    assert_eq!(stage.reads_of_l2(), 2);
    let (joins, joins_the_first) = (reading_in(&other), reading_in(&one));
    let outside = [stage.reading(), stage.reading()];
    assert_eq!(stage.reads_of_l2(), 3);
    stage.release_answers();
    for reading in [second, joins, joins_the_first].into_iter().chain(outside) {
        assert_eq!(other.block_on(reading).unwrap(), Some(7));
    }
}

/// Whoever has it may be waiting for L1 yet.
#[tokio::test]
async fn a_failure_is_of_those_alone_who_have_waited_for_it() {
    let policy = CompositionPolicy::new()
        .read(ParallelReadPolicy::new())
        .join_reads_within(LONG);
    let stage = Stage::with(policy);
    stage.put(7).await;
    let [l1, l2] = &stage.faults;
    l1.reads().always(Fault::HangBeforeEffect);
    l2.reads().next(1, Fault::FailBeforeEffect);
    let failed = stage.reading();
    stage.hold_answers();
    let next = stage.reading();
    assert_eq!(stage.reads_of_l2(), 2);
    stage.release_answers();
    l1.heal();
    assert_eq!(failed.await.unwrap(), None);
    assert_eq!(next.await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_leader_who_goes_or_is_not_driven_holds_up_nobody() {
    let stage = Stage::new();
    stage.put(7).await;
    stage.hold_answers();
    let gone = stage.reading();
    let joiner = stage.reading();
    drop(gone);
    let second = stage.reading();
    assert_eq!(stage.reads_of_l2(), 1);
    stage.release_answers();
    assert_eq!(second.await.unwrap(), Some(7));
    assert_eq!(joiner.await.unwrap(), Some(7));
    let refills = || stage.faults[L1 as usize].writes().calls();
    assert_eq!(refills(), 1, "of those who are left one refills L1");
    stage.cache.delete(&stage.key).await.unwrap();
    stage.put(7).await;

    stage.hold_answers();
    let idle = stage.reading();
    let driven = stage.reading();
    stage.release_answers();
    assert_eq!(driven.await.unwrap(), Some(7));
    assert_eq!(idle.await.unwrap(), Some(7));
    assert_eq!(stage.reads_of_l2(), 2);
}

#[tokio::test]
async fn when_nobody_waits_any_more_the_read_is_dropped() {
    let stage = Stage::new();
    stage.put(7).await;
    stage.hold_answers();
    drop((stage.reading(), stage.reading()));
    assert_eq!(stage.reads_of_l2(), 1);
    let next = stage.reading();
    assert_eq!(stage.reads_of_l2(), 2);
    stage.release_answers();
    assert_eq!(next.await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_failure_is_everybodys() {
    let failing = Failing::default();
    // Both layers fail, so that the read does.
    let (first, faults) = FaultyBackend::new(Arc::<MemoryBackend>::default());
    faults.reads().always(Fault::FailBeforeEffect);
    let cache = first.compose(failing.clone(), DisabledOffload);
    let key = CacheKey::from_pair("key", "1");
    let readings = (0..3).map(|_| cache.get::<u32>(&key));
    let mut answers = join_all(readings).boxed();
    assert!((&mut answers).now_or_never().is_none());
    failing.gate.notify_one();
    let answers = answers.await;
    let texts: Vec<_> = answers
        .into_iter()
        .map(|answer| {
            let error = answer.unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            assert_eq!(source.as_deref(), Some("the wire is cut"));
            assert_eq!(error.layer(), Some(L2));
            error.to_string()
        })
        .collect();
    assert_eq!(texts, ["composition.failing L2: read: unavailable"; 3]);
    assert_eq!(failing.reads(), 1);
}

#[tokio::test]
async fn of_a_panic_one_hears_and_the_others_read_for_themselves() {
    let failing = Failing::panicking_once();
    let cache = MemoryBackend::new().compose(failing.clone(), DisabledOffload);
    let key = CacheKey::from_pair("key", "1");
    let readings = (0..3).map(|_| AssertUnwindSafe(cache.read(&key)).catch_unwind());
    let mut answers = join_all(readings).boxed();
    assert!((&mut answers).now_or_never().is_none());
    let open = async {
        loop {
            failing.gate.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let answers = tokio::select! {
        answers = answers => answers,
        () = open => unreachable!("it goes on for ever"),
    };
    let panicked = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(panicked, 1);
    assert_eq!(failing.reads(), 3);
}

#[tokio::test]
async fn who_wants_something_else_reads_by_himself() {
    let stage = Stage::new();
    stage.put(7).await;
    stage.hold_answers();
    let leader = stage.reading();
    let untyped = stage.cache.read(&stage.key);
    let other_type = stage.cache.get::<String>(&stage.key);
    let mut fresh_only = CacheContext::default().boxed().fresh_only();
    let fresh = stage.cache.get_with::<u32>(&stage.key, &mut fresh_only);
    let mut own = BoxContext::new(Own::default());
    let with_own_context = stage.cache.get_with::<u32>(&stage.key, &mut own);
    let mut one = tokio::task::unconstrained(futures::future::join4(
        untyped,
        other_type,
        fresh,
        with_own_context,
    ))
    .boxed();
    assert!((&mut one).now_or_never().is_none());
    assert_eq!(stage.reads_of_l2(), 5);
    // Each kind of reader joins its like, whatever came between.
    let joiner = stage.reading();
    assert_eq!(stage.reads_of_l2(), 5);
    stage.release_answers();
    let (untyped, other_type, fresh, with_own_context) = one.await;
    assert!(untyped.unwrap().is_some());
    assert!(other_type.unwrap().is_none());
    assert_eq!(fresh.unwrap().map(|value| **value.data()), Some(7));
    assert_eq!(
        with_own_context.unwrap().map(|value| **value.data()),
        Some(7)
    );
    assert_eq!(
        (leader.await.unwrap(), joiner.await.unwrap()),
        (Some(7), Some(7))
    );
}

#[tokio::test]
async fn with_no_time_to_join_everybody_reads_by_himself() {
    let stage = Stage::with(CompositionPolicy::new().join_reads_within(Duration::ZERO));
    stage.put(7).await;
    stage.hold_answers();
    let readings = [stage.reading(), stage.reading()];
    assert_eq!(stage.reads_of_l2(), 2);
    stage.release_answers();
    for found in join_all(readings).await {
        assert_eq!(found.unwrap(), Some(7));
    }
}

#[tokio::test]
async fn a_value_that_nobody_can_decode_is_a_miss_for_everybody() {
    let stage = Stage::new();
    let text = CacheValue::loaded(Arc::new(String::from("no number")), Stamp::now());
    stage.l2.set(&stage.key, text).await.unwrap();
    stage.hold_answers();
    let readings = [stage.reading(), stage.reading()];
    assert_eq!(stage.reads_of_l2(), 1);
    stage.release_answers();
    for found in join_all(readings).await {
        assert_eq!(found.unwrap(), None);
    }
}

/// Fails, or panics once.
#[derive(Clone, Default)]
struct Failing {
    gate: Arc<Notify>,
    failed: Arc<Mutex<Failed>>,
}

#[derive(Default)]
struct Failed {
    reads: u32,
    panics: bool,
}

impl Failing {
    fn panicking_once() -> Self {
        let failing = Self::default();
        failing.failed.lock().unwrap().panics = true;
        failing
    }

    fn reads(&self) -> u32 {
        self.failed.lock().unwrap().reads
    }
}

#[async_trait]
impl Backend for Failing {
    async fn read(&self, _: &CacheKey) -> ReadOutcome {
        // Until all have come who are to join.
        self.gate.notified().await;
        let panics = {
            let mut failed = self.failed.lock().unwrap();
            failed.reads += 1;
            std::mem::take(&mut failed.panics)
        };
        assert!(!panics, "a layer panics");
        let error = BackendError::new(
            BackendErrorKind::Unavailable,
            Operation::Read,
            "failing".into(),
        );
        Err(error.with_source("the wire is cut"))
    }

    async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        "failing".into()
    }
}

/// A context of the caller's own type.
#[derive(Clone, Debug, Default)]
struct Own(CacheContext);

impl Context for Own {
    fn status(&self) -> CacheStatus {
        self.0.status()
    }
    fn set_status(&mut self, status: CacheStatus) {
        self.0.set_status(status);
    }
    fn source(&self) -> &ResponseSource {
        self.0.source()
    }
    fn set_source(&mut self, source: ResponseSource) {
        self.0.set_source(source);
    }
    fn clone_box(&self) -> Box<dyn Context> {
        Box::new(self.clone())
    }
    fn failures(&self) -> &[LayerFailure] {
        self.0.failures()
    }
    fn set_failures(&mut self, failures: Failures) {
        self.0.set_failures(failures);
    }
    fn take_failures(&mut self) -> Failures {
        self.0.take_failures()
    }
}
