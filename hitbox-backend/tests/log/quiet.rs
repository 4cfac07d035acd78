//! A layer that fails is a state, and a state is a few lines, whatever the operations and the policies.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, CircuitBreakerConfig, Compose, CompositionPolicy,
    OffloadManager, OptimisticParallelWritePolicy, ParallelReadPolicy, RaceReadPolicy,
    RaceWritePolicy, RefillPolicy, Rejection, SequentialReadPolicy, SequentialWritePolicy,
    StrictWritePolicy,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Offload, Raw, Stamp};
use test_servers::log::{Recorder, record_all};
use tokio::time::{advance, sleep};

const SECOND: Duration = Duration::from_secs(1);
/// Of failures, in a second.
const MANY: u32 = 1_500;

fn key(number: u32) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![1]), Stamp::now())
}

/// What has been told at INFO and above.
fn loud(recorder: &Recorder) -> Vec<String> {
    let is_loud = |line: &String| {
        ["INFO", "WARN", "ERROR"]
            .iter()
            .any(|level| line.starts_with(level))
    };
    recorder
        .take_of_this_thread()
        .into_iter()
        .filter(is_loud)
        .collect()
}

fn fail(faults: &Faults) {
    for switch in [faults.reads(), faults.writes(), faults.removes()] {
        switch.always(Fault::FailBeforeEffect);
    }
}

/// One operation of each kind in turn.
async fn operate(cache: &dyn Backend, number: u32) {
    let key = key(number);
    match number % 6 {
        0 => drop(cache.read(&key).await),
        1 => drop(cache.write(&key, value()).await),
        2 => drop(cache.remove(&key).await),
        3 => drop(cache.read_many(&[key]).await),
        4 => drop(cache.write_many(vec![(key, value())]).await),
        _ => drop(cache.remove_many(&[key]).await),
    }
}

type Cache = Arc<dyn Backend>;
type Faulty = FaultyBackend<MemoryBackend>;

fn layer() -> (Faulty, Faults) {
    FaultyBackend::new(MemoryBackend::new())
}

/// Compositions by every policy, each with the switches of its two layers; and nests, wrapped layers and
/// layers behind `dyn`.
fn caches() -> Vec<(&'static str, Cache, Vec<Faults>)> {
    fn policies(refill: RefillPolicy) -> CompositionPolicy {
        CompositionPolicy::new().refill(refill)
    }
    let offload = OffloadManager::builder().build().unwrap();
    let mut caches: Vec<(&'static str, Cache, Vec<Faults>)> = Vec::new();
    macro_rules! composed {
        ($name:literal, $policy:expr) => {{
            let ((l1, one), (l2, two)) = (layer(), layer());
            let cache = l1.compose_with(l2, offload.clone(), $policy);
            caches.push(($name, Arc::new(cache), vec![one, two]));
        }};
    }
    composed!("default", CompositionPolicy::new());
    composed!("repair", policies(RefillPolicy::Repair));
    composed!("never", policies(RefillPolicy::Never));
    let policy = CompositionPolicy::new();
    composed!(
        "sequential",
        policy
            .clone()
            .read(SequentialReadPolicy::new())
            .write(SequentialWritePolicy::new())
    );
    composed!(
        "race",
        policy
            .clone()
            .read(RaceReadPolicy::new())
            .write(RaceWritePolicy::new())
    );
    composed!(
        "parallel",
        policy
            .clone()
            .read(ParallelReadPolicy::new())
            .write(StrictWritePolicy::new())
    );
    composed!(
        "optimistic",
        policy.write(OptimisticParallelWritePolicy::new())
    );

    let ((l1, one), (l2, two), (l3, three)) = (layer(), layer(), layer());
    let nest = l1.compose(l2.compose(l3, DisabledOffload), DisabledOffload);
    caches.push(("a nest", Arc::new(nest), vec![one, two, three]));

    let ((l1, one), (l2, two)) = (layer(), layer());
    let config = CircuitBreakerConfig::new();
    let l2 = l2
        .deadline(SECOND)
        .unwrap()
        .circuit_breaker(config)
        .unwrap();
    let (l1, l2): (Cache, Cache) = (Arc::new(l1), Arc::new(l2));
    caches.push(("dyn", Arc::new(l1.compose(l2, offload)), vec![one, two]));
    caches
}

#[tokio::test(start_paused = true)]
async fn fifteen_hundred_failures_in_a_second_are_ten_lines_at_most() {
    let recorder = record_all();
    for (name, cache, faults) in caches() {
        for failing in 0..=faults.len() {
            let some = faults
                .get(failing)
                .map_or(&faults[..], std::slice::from_ref);
            drop(recorder.take_of_this_thread());
            some.iter().for_each(fail);
            for number in 0..MANY {
                operate(&*cache, number).await;
                advance(SECOND / MANY).await;
            }
            let lines = loud(recorder);
            // Not for nothing.
            assert!(
                (1..=10).contains(&lines.len()),
                "{name}, {failing}: {lines:#?}"
            );

            // And then one a second and layer.
            let minute = 60;
            for number in 0..minute * 50 {
                operate(&*cache, number).await;
                advance(SECOND / 50).await;
            }
            let lines = loud(recorder);
            assert!(
                lines.len() <= 60 * some.len(),
                "{name}, {failing}: {} lines",
                lines.len()
            );
            for line in &lines {
                assert!(!line.contains("BackendError {"), "the Debug form: {line}");
            }
            some.iter().for_each(Faults::heal);
            sleep(120 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_says_why_goes_on_and_answers_again() {
    let recorder = record_all();
    let (l2, faults) = layer();
    let cache = MemoryBackend::new().compose(l2, DisabledOffload);
    faults.reads().always(Fault::FailBeforeEffect);
    for number in 0..3_000 {
        assert!(cache.read(&key(number)).await.unwrap().is_none());
        advance(Duration::from_millis(1)).await;
    }
    faults.heal();
    advance(SECOND).await;
    for number in 0..1_000 {
        assert!(cache.read(&key(number)).await.unwrap().is_none());
    }
    assert_eq!(
        loud(recorder),
        [
            "WARN message=a layer fails composition=composition layer=L2 backend=memory error=memory: read: unavailable: \
             a scripted fault",
            "WARN message=a layer goes on failing composition=composition layer=L2 backend=memory \
             failures=read unavailable x 1000 within=1s error=memory: read: unavailable: \
             a scripted fault",
            "INFO message=a layer answers again composition=composition layer=L2 backend=memory after=4s failures=3000 \
             untold=read unavailable x 1999",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_refuses_values_answers_all_the_same() {
    struct Small(MemoryBackend);
    #[async_trait::async_trait]
    impl Backend for Small {
        async fn read(&self, key: &CacheKey) -> hitbox_backend::ReadOutcome {
            self.0.read(key).await
        }
        async fn write(
            &self,
            _: &CacheKey,
            _: CacheValue<Raw>,
        ) -> hitbox_backend::BackendResult<()> {
            let (kind, operation) = (BackendErrorKind::TooLarge, hitbox_backend::Operation::Write);
            Err(hitbox_backend::BackendError::new(
                kind,
                operation,
                self.label(),
            ))
        }
        async fn remove(
            &self,
            key: &CacheKey,
        ) -> hitbox_backend::BackendResult<hitbox_backend::DeleteStatus> {
            self.0.remove(key).await
        }
        fn label(&self) -> hitbox_core::BackendLabel {
            "small".into()
        }
    }
    let recorder = record_all();
    let cache = Small(MemoryBackend::new()).compose(MemoryBackend::new(), DisabledOffload);
    for number in 0..MANY {
        cache.write(&key(number), value()).await.unwrap();
        // A copy that L1 has no room for is nothing to talk about.
        assert!(cache.read(&key(number)).await.unwrap().is_some());
        advance(Duration::from_millis(1)).await;
    }
    let lines = loud(recorder);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("a layer refused a value"), "{}", lines[0]);
    assert!(
        lines[1].contains("refused=write too large x"),
        "{}",
        lines[1]
    );
}

#[tokio::test(start_paused = true)]
async fn rejections_are_told_a_line_a_second_at_most() {
    let recorder = record_all();
    let rejections = hitbox_backend::Rejections::default();
    for number in 0..MANY {
        let reason = [Rejection::Checksum, Rejection::Undecodable][number as usize % 2];
        rejections.note(&"store".into(), &key(number), reason);
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(rejections.total(), u64::from(MANY));
    let lines = loud(recorder);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("rejected=a payload that cannot be decoded x 500, a stored form with a wrong checksum x 500"), "{}", lines[1]);
}

/// What the other side of a rolling deploy leaves in a store is counted.
#[tokio::test(start_paused = true)]
async fn nothing_warns_of_a_rolling_deploy() {
    let recorder = record_all();
    let rejections = hitbox_backend::Rejections::default();
    for (reason, events) in [
        (Rejection::Version, 0),
        (Rejection::Lease, 0),
        (Rejection::Type, 3),
    ] {
        for number in 0..3 {
            rejections.note(&"store".into(), &key(number), reason);
        }
        let seen = recorder.take_of_this_thread();
        assert_eq!(seen.len(), events, "{reason:?}: {seen:#?}");
        let counted = if reason == Rejection::Lease { 0 } else { 3 };
        assert_eq!(rejections.count(reason), counted, "{reason:?}");
    }
    let lines = loud(recorder);
    assert!(lines.is_empty(), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn lost_work_is_told_a_line_a_second_at_most() {
    let recorder = record_all();
    let offload = OffloadManager::builder().max_running(1).max_pending(0);
    let offload = offload.build().unwrap();
    offload.register("one", std::future::pending());
    for _ in 0..MANY {
        offload.register("refill", async {});
        advance(Duration::from_millis(1)).await;
    }
    let lines = loud(recorder);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].contains("offloaded work lost kind=\"refill\" reason=\"too much is pending\""),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("lost=refill (too much is pending) x 1000"),
        "{}",
        lines[1]
    );
}

#[tokio::test(start_paused = true)]
async fn a_small_record_that_is_full_all_the_time_is_told_now_and_then() {
    let recorder = record_all();
    let (l1, faults) = layer();
    let capacity = std::num::NonZeroUsize::MIN;
    let policy = CompositionPolicy::new().record_capacity(capacity);
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    faults.writes().always(Fault::FailBeforeEffect);
    for number in 0..MANY {
        cache.write(&key(number), value()).await.unwrap();
        advance(SECOND / MANY).await;
    }
    let lines = loud(recorder);
    assert!(lines.len() <= 4, "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("more pending repairs than")),
        "{lines:#?}"
    );
}
