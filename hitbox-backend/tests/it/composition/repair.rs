//! Repairs in the background: when they are tried, what they cost, and how they end (G4, G9).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionBackend,
    CompositionLayer, CompositionPolicy, DeleteStatus, OffloadManager, Operation, ReadOutcome,
    RefillPolicy, RepairCause,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BackendLabel, CacheKey, CacheValue, DisabledOffload, Offload, OffloadKey, Raw, Stamp,
};
use tokio::time::{Instant, sleep};

type Layer = FaultyBackend<Arc<MemoryBackend>>;

struct Stage {
    cache: CompositionBackend<Layer, Layer, OffloadManager>,
    l1: Faults,
    l2: Faults,
    memory: [Arc<MemoryBackend>; 2],
    offload: OffloadManager,
}

fn stage() -> Stage {
    stage_with(CompositionPolicy::new())
}

fn stage_with(policy: CompositionPolicy) -> Stage {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (layer1, l1) = FaultyBackend::new(memory[0].clone());
    let (layer2, l2) = FaultyBackend::new(memory[1].clone());
    let offload = OffloadManager::builder().build().unwrap();
    // A refill might do the work of the repair.
    let policy = policy.refill(RefillPolicy::Never);
    Stage {
        cache: layer1.compose_with(layer2, offload.clone(), policy),
        l1,
        l2,
        memory,
        offload,
    }
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

fn text(found: &Option<CacheValue<Raw>>) -> Option<&str> {
    found
        .as_ref()
        .map(|value| std::str::from_utf8(value.data().payload().unwrap()).unwrap())
}

async fn held(memory: &MemoryBackend, number: usize) -> Option<CacheValue<Raw>> {
    memory.read(&key(number)).await.unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn repairs_slow_down_while_they_fail_and_end_when_nothing_is_pending() {
    let Stage {
        cache, l1, offload, ..
    } = stage();
    l1.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    sleep(Duration::from_millis(101)).await;
    assert_eq!(cache.pending_repairs()[0].attempts, 1);
    sleep(HOUR).await;
    // Every 15 to 30 seconds, once the pauses have grown.
    let attempts = cache.pending_repairs()[0].attempts;
    assert!((120..260).contains(&attempts), "{attempts} in an hour");
    let retry_in = cache.pending_repairs()[0].retry_in.unwrap();
    assert!(retry_in <= Duration::from_secs(30), "{retry_in:?}");

    l1.heal();
    // The next attempt comes within 30 seconds of the last one, which is in doubt for 60.
    let mut waited = 0;
    while cache.pending_repairs()[0].cause != RepairCause::InDoubt {
        assert!(waited < 31, "no attempt in {waited} seconds");
        sleep(Duration::from_secs(1)).await;
        waited += 1;
    }
    sleep(Duration::from_secs(62)).await;
    assert_eq!(
        (cache.pending_repairs(), cache.pending_repair_count()),
        (Vec::new(), 0)
    );
    let before = offload.statistics();
    assert_eq!((before.deferred, before.running), (0, 0));
    sleep(HOUR).await;
    assert_eq!(offload.statistics(), before);
    assert_eq!(l1.writes().calls(), u64::from(attempts) + 2);
}

#[tokio::test(start_paused = true)]
async fn one_key_that_always_fails_does_not_hold_up_the_others() {
    let Stage {
        cache, l1, memory, ..
    } = stage();
    l1.writes().always(Fault::FailBeforeEffect);
    for number in 0..200 {
        cache.write(&key(number), value("new")).await.unwrap();
    }
    // Each time the layer is back for all but the first write.
    for _ in 0..40 {
        l1.writes().next(1, Fault::FailBeforeEffect);
        sleep(Duration::from_secs(31)).await;
    }
    for number in 0..200 {
        assert_eq!(text(&held(&memory[0], number).await), Some("new"));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_pause() {
    let Stage {
        cache,
        l1,
        l2: _,
        memory,
        offload,
    } = stage();
    l1.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    sleep(Duration::from_secs(90)).await;
    let began = Instant::now();
    offload.drain().await;
    assert_eq!(began.elapsed(), Duration::ZERO);

    // Closing the background is the occasion for a last try.
    l1.heal();
    let report = offload.close(Duration::from_secs(5)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(text(&held(&memory[0], 0).await), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn without_a_background_the_next_read_repairs() {
    let Stage {
        cache,
        l1,
        l2,
        memory,
        offload,
    } = stage();
    offload.close(Duration::ZERO).await;
    cache.write(&key(0), value("old")).await.unwrap();
    cache.write(&key(1), value("old")).await.unwrap();
    l1.removes().next(1, Fault::FailBeforeEffect);
    assert!(cache.remove(&key(0)).await.is_err());
    l2.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(1), value("new")).await.unwrap();
    sleep(HOUR).await;
    assert_eq!(text(&held(&memory[0], 0).await), Some("old"));

    assert_eq!(cache.read(&key(0)).await.unwrap(), None);
    assert_eq!(text(&cache.read(&key(1)).await.unwrap()), Some("new"));
    assert_eq!(held(&memory[0], 0).await, None);
    assert_eq!(text(&held(&memory[1], 1).await), Some("new"));
    assert_eq!(cache.pending_repairs(), []);
}

#[tokio::test]
async fn a_bulk_read_repairs_with_the_background_disabled() {
    let (layer1, l1) = FaultyBackend::new(MemoryBackend::new());
    let cache = layer1.compose(MemoryBackend::new(), DisabledOffload);
    let keys: Vec<_> = (0..50).map(key).collect();
    for key in &keys {
        cache.write(key, value("old")).await.unwrap();
    }
    l1.removes().always(Fault::FailBeforeEffect);
    for key in &keys {
        assert!(cache.remove(key).await.is_err());
    }
    l1.heal();
    let outcomes = cache.read_many(&keys).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(None))));
    for key in &keys {
        assert_eq!(cache.l1().get_ref().read(key).await.unwrap(), None);
    }
    let unconfirmed = |cause| cause == RepairCause::Unconfirmed;
    assert!(
        !cache
            .pending_repairs()
            .iter()
            .any(|pending| unconfirmed(pending.cause))
    );
}

#[tokio::test(start_paused = true)]
async fn a_composition_is_not_kept_alive_by_its_repairs() {
    let Stage {
        cache,
        l1,
        memory,
        offload,
        ..
    } = stage();
    l1.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    sleep(Duration::from_secs(90)).await;
    drop(cache);
    assert_eq!(Arc::strong_count(&memory[0]), 1);
    sleep(HOUR).await;
    let now = offload.statistics();
    assert_eq!((now.deferred, now.running, now.pending), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_hangs_costs_the_repair_its_timeout() {
    let Stage {
        cache, l1, memory, ..
    } = stage();
    l1.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    l1.writes().always(Fault::HangBeforeEffect);
    l1.writes().wait_until_hanging(1).await;
    let began = Instant::now();
    // Other keys, and reads of this one, do not notice.
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("new"));
    assert_eq!(began.elapsed(), Duration::ZERO);
    // A remove of this one waits for the turn, but not for ever.
    cache.remove(&key(0)).await.unwrap();
    assert!(
        began.elapsed() <= Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(held(&memory[0], 0).await, None);
}

/// Leaves it to the test to run what is due later.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Offload<'static> for ByHand {
    fn register<K, F>(&self, _key: K, _future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
    }
    fn register_after<K, F>(&self, _delay: Duration, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.lock().unwrap().push(future.boxed());
    }
    fn has_clock(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_background_that_does_not_go_on_with_a_repair() {
    let offload = ByHand::default();
    let (layer1, l1) = FaultyBackend::new(MemoryBackend::new());
    let cache = layer1.compose(MemoryBackend::new(), offload.clone());
    l1.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    l1.writes().next(1, Fault::HangBeforeEffect);
    let mut rounds = std::mem::take(&mut *offload.0.lock().unwrap());
    for round in &mut rounds {
        let _pending = round.now_or_never();
    }
    l1.writes().wait_until_hanging(1).await;
    l1.heal();
    // The repair could go on now, but nobody runs it.
    let removed = tokio::time::timeout(HOUR, cache.remove(&key(0))).await;
    removed
        .expect("the remove waits for the background")
        .unwrap();
    drop(rounds);
    assert_eq!(cache.read(&key(0)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_dropped_is_made_up_for() {
    let Stage {
        cache, l1, memory, ..
    } = stage();
    cache.write(&key(0), value("old")).await.unwrap();
    l1.writes().next(1, Fault::HangBeforeEffect);
    let key0 = key(0);
    let mut write = Box::pin(cache.write(&key0, value("new")));
    assert!((&mut write).now_or_never().is_none());
    drop(write);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(text(&held(&memory[1], 0).await), Some("new"));
    assert_eq!(text(&held(&memory[0], 0).await), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn what_others_have_written_since_is_left_alone() {
    let Stage {
        cache, l2, memory, ..
    } = stage();
    for number in [0, 1] {
        cache.write(&key(number), value("old")).await.unwrap();
    }
    l2.writes().always(Fault::FailBeforeEffect);
    l2.removes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), value("ours")).await.unwrap();
    assert!(cache.remove(&key(1)).await.is_err());
    for number in [0, 1] {
        memory[1]
            .write(&key(number), value("theirs"))
            .await
            .unwrap();
    }
    l2.heal();
    sleep(Duration::from_secs(31)).await;
    for number in [0, 1] {
        assert_eq!(text(&held(&memory[1], number).await), Some("theirs"));
    }
    let unconfirmed = |cause| cause == RepairCause::Unconfirmed;
    assert!(
        !cache
            .pending_repairs()
            .iter()
            .any(|pending| unconfirmed(pending.cause))
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_with_a_shorter_life_is_not_given_to_l2() {
    let policy = CompositionPolicy::new().l1_ttl(2 * HOUR);
    let Stage {
        cache, l2, memory, ..
    } = stage_with(policy);
    cache.write(&key(0), value("old")).await.unwrap();
    l2.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(0), value("new")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(text(&held(&memory[0], 0).await), Some("new"));
    assert_eq!(held(&memory[1], 0).await, None);
}

/// Memory that can be told to store nothing any more, for good.
#[derive(Default)]
struct Picky {
    memory: MemoryBackend,
    refuses: AtomicBool,
}

#[async_trait]
impl Backend for Picky {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.memory.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        if self.refuses.load(Ordering::SeqCst) {
            let (kind, label) = (BackendErrorKind::NotStorable, self.label());
            return Err(BackendError::new(kind, Operation::Write, label));
        }
        self.memory.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.memory.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("picky")
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_will_never_take_the_value_loses_the_old_one() {
    let offload = OffloadManager::builder().build().unwrap();
    let cache = MemoryBackend::new().compose(Picky::default(), offload);
    cache.write(&key(0), value("old")).await.unwrap();
    cache.l2().refuses.store(true, Ordering::SeqCst);
    cache.write(&key(0), value("new")).await.unwrap();
    assert_eq!(cache.pending_repair_count(), 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cache.pending_repairs(), []);
    assert_eq!(text(&held(&cache.l2().memory, 0).await), None);
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn what_arrived_late_is_put_right_though_nobody_reads() {
    let Stage {
        cache, l1, memory, ..
    } = stage();
    let late = value("late");
    l1.writes().next(1, Fault::FailAfterEffect);
    cache.write(&key(0), value("lost")).await.unwrap();
    cache.write(&key(0), value("new")).await.unwrap();
    memory[0].write(&key(0), late).await.unwrap();
    sleep(Duration::from_secs(62)).await;
    assert_eq!(text(&held(&memory[0], 0).await), Some("new"));
    assert_eq!(cache.pending_repairs(), []);
}

#[tokio::test(start_paused = true)]
async fn levels_repair_each_other() {
    let offload = OffloadManager::builder().build().unwrap();
    let (bottom, faults) = FaultyBackend::new(MemoryBackend::new());
    let inner = MemoryBackend::new().compose(bottom, offload.clone());
    let outer = MemoryBackend::new().compose(inner, offload.clone());
    outer.write(&key(0), value("old")).await.unwrap();
    faults.removes().always(Fault::FailBeforeEffect);
    assert!(outer.remove(&key(0)).await.is_err());
    sleep(Duration::from_secs(90)).await;
    assert_eq!(outer.read(&key(0)).await.unwrap(), None);
    assert_eq!(
        (
            outer.pending_repair_count(),
            outer.l2().pending_repair_count()
        ),
        (1, 1)
    );
    faults.heal();
    sleep(Duration::from_secs(150)).await;
    assert_eq!(
        (outer.pending_repairs(), outer.l2().pending_repairs()),
        (Vec::new(), Vec::new())
    );
    assert_eq!(offload.statistics().deferred, 0);
    let bottom = outer.l2().l2().get_ref();
    assert_eq!(bottom.read(&key(0)).await.unwrap(), None);
    assert_eq!(outer.layer_fence(CompositionLayer::L2), None);
}
