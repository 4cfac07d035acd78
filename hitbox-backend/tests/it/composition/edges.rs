//! What a composition does where its parts meet: the background and the turns, bulk calls and
//! policies, forgotten records and refills, layers that are compositions themselves.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Compose, CompositionLayer,
    CompositionPolicy, DeleteStatus, OffloadManager, Operation, RaceReadPolicy, RaceWritePolicy,
    ReadOutcome, RefillPolicy, SequentialWritePolicy,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BackendLabel, CacheContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Offload,
    OffloadKey, Raw, Stamp,
};
use tokio::sync::{Notify, Semaphore};

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

fn capacity(keys: usize) -> NonZeroUsize {
    NonZeroUsize::new(keys).unwrap()
}

/// Memory whose operations each give the runtime one chance to do something else first.
#[derive(Default)]
struct Yielding {
    inner: MemoryBackend,
}

#[async_trait]
impl Backend for Yielding {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        tokio::task::yield_now().await;
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        tokio::task::yield_now().await;
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        tokio::task::yield_now().await;
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "yielding".into()
    }
}

/// Keeps what it is given for "any later time", as the contract of `Offload` allows.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Offload<'static> for Later {
    fn register<K: Into<OffloadKey>, F: Future<Output = ()> + Send + 'static>(&self, _: K, f: F) {
        self.0.lock().unwrap().push(f.boxed());
    }
}

#[tokio::test(start_paused = true)]
async fn bulk_read_refills_do_not_deadlock_the_default_offload_manager() {
    let offload = OffloadManager::builder().build().unwrap();
    let l2 = MemoryBackend::new();
    let keys: Vec<_> = (0..1_100).map(key).collect();
    for key in &keys {
        l2.write(key, value("v")).await.unwrap();
    }
    let cache = Yielding::default().compose(l2, offload.clone());
    let began = tokio::time::Instant::now();
    assert!(
        cache
            .read_many(&keys)
            .await
            .iter()
            .all(|o| matches!(o, Ok(Some(_))))
    );
    // Healthy layers in memory: nothing here takes any time.
    let removed = tokio::time::timeout(Duration::from_secs(5), cache.remove(&keys[0])).await;
    offload.drain().await;
    assert!(
        removed.is_ok() && began.elapsed() < Duration::from_secs(5),
        "remove in 5 s: {}; drained after {:?}; {:?}; pending: {}",
        removed.is_ok(),
        began.elapsed(),
        offload.statistics(),
        cache.pending_repairs().len()
    );
}

#[tokio::test(start_paused = true)]
async fn bulk_race_writes_do_not_deadlock_the_default_offload_manager() {
    let offload = OffloadManager::builder().build().unwrap();
    let policy = CompositionPolicy::new().write(RaceWritePolicy::new());
    let cache = MemoryBackend::new().compose_with(Yielding::default(), offload.clone(), policy);
    let entries: Vec<_> = (0..1_100).map(|n| (key(n), value("v"))).collect();
    assert!(cache.write_many(entries).await.iter().all(Result::is_ok));
    offload.drain().await;
    let missing = {
        let mut missing = 0;
        for n in 0..1_100 {
            missing += usize::from(cache.l2().inner.read(&key(n)).await.unwrap().is_none());
        }
        missing
    };
    assert_eq!(
        (missing, offload.statistics().timed_out),
        (0, 0),
        "pending {}",
        cache.pending_repairs().len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_remove_does_not_wait_for_a_refill_that_is_queued_in_the_background() {
    let offload = OffloadManager::builder().max_running(1).build().unwrap();
    let cache = Yielding::default().compose(MemoryBackend::new(), offload.clone());
    cache.l2().write(&key(0), value("v")).await.unwrap();
    offload.register("somebody else's", std::future::pending());
    cache.read(&key(0)).await.unwrap();
    let began = tokio::time::Instant::now();
    cache.remove(&key(0)).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "took {:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_remove_does_not_wait_for_an_offload_that_runs_things_later() {
    let cache = Yielding::default().compose(MemoryBackend::new(), Later::default());
    cache.l2().write(&key(0), value("v")).await.unwrap();
    cache.read(&key(0)).await.unwrap();
    let removed = tokio::time::timeout(Duration::from_secs(3_600), cache.remove(&key(0))).await;
    assert!(
        removed.is_ok(),
        "the remove hangs for as long as the refill is not run"
    );
}

/// Memory whose writes wait until they are let go.
#[derive(Default)]
struct Held {
    inner: MemoryBackend,
    let_go: Notify,
}

#[async_trait]
impl Backend for Held {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.let_go.notified().await;
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "held".into()
    }
}

#[tokio::test(start_paused = true)]
async fn work_of_the_background_that_is_given_back_is_driven_by_the_next_who_waits() {
    let cache = Held::default().compose(MemoryBackend::new(), Later::default());
    cache.l2().write(&key(0), value("v")).await.unwrap();
    cache.read(&key(0)).await.unwrap();
    let key = key(0);
    let mut first = cache.remove(&key);
    let mut second = cache.remove(&key);
    // The first one drives the refill, which has the turn; the second one finds it taken.
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    cache.l1().let_go.notify_one();
    let removed = tokio::time::timeout(Duration::from_secs(3_600), second).await;
    assert!(removed.is_ok(), "nobody drives the refill any more");
}

#[tokio::test]
async fn a_refill_does_not_make_a_forgotten_remove_unknown() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(capacity(1));
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let loaded_before = value("loaded before the remove");
    cache.remove(&key(0)).await.unwrap();
    cache.write(&key(0), value("new")).await.unwrap();
    for number in 1..200 {
        cache.remove(&key(number)).await.unwrap();
    }
    // L1 evicts; the refill's answer is lost, which leaves a record of nothing but that.
    cache.l1().get_ref().remove(&key(0)).await.unwrap();
    faults.writes().next(1, Fault::FailAfterEffect);
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("new"));
    cache.write(&key(0), loaded_before).await.unwrap();
    let found = cache.read(&key(0)).await.unwrap();
    assert_ne!(text(&found), Some("loaded before the remove"));
}

#[tokio::test]
async fn a_refill_does_not_make_a_forgotten_end_unknown() {
    // Rule 5: no refill if a write or remove has ended since the read began.
    let (l1, f1) = FaultyBackend::new(MemoryBackend::new());
    let (l2, f2) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(capacity(1));
    let cache = l1.compose_with(l2, DisabledOffload, policy);
    cache
        .l2()
        .get_ref()
        .write(&key(0), value("old"))
        .await
        .unwrap();
    // A read has its answer, which is held up on the way.
    f2.reads().next(1, Fault::HangAfterEffect);
    let reader = tokio::spawn({
        let cache = cache.clone();
        async move { cache.read(&key(0)).await.unwrap() }
    });
    f2.reads().wait_until_hanging(1).await;
    cache.remove(&key(0)).await.unwrap();
    cache.write(&key(0), value("new")).await.unwrap();
    for number in 1..200 {
        cache.remove(&key(number)).await.unwrap();
    }
    // L1 evicts, and another read's refill loses its answer: a blank record.
    cache.l1().get_ref().remove(&key(0)).await.unwrap();
    f1.writes().next(1, Fault::FailBeforeEffect);
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("new"));
    f2.reads().heal();
    reader.await.unwrap();
    let found = cache.read(&key(0)).await.unwrap();
    assert_eq!(
        text(&found),
        Some("new"),
        "the old value was refilled over the newer write"
    );
}

#[tokio::test]
async fn the_record_remembers_as_many_keys_as_it_says() {
    // Default capacity: "how many keys the composition remembers ... of what was last done: 16,384".
    let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
    let slow_load = value("older");
    cache.write(&key(0), value("newer")).await.unwrap();
    for _ in 0..1_100 {
        for number in 1..=64 {
            cache.write(&key(number), value("other")).await.unwrap();
        }
    }
    cache.write(&key(0), slow_load).await.unwrap();
    let found = cache.read(&key(0)).await.unwrap();
    assert_eq!(
        text(&found),
        Some("newer"),
        "65 keys are more than it remembers"
    );
}

#[tokio::test]
async fn a_composed_l1_is_refilled_with_values_older_than_a_forgotten_remove() {
    let policy = CompositionPolicy::new().record_capacity(capacity(16));
    let inner = MemoryBackend::new().compose_with(MemoryBackend::new(), DisabledOffload, policy);
    let outer = inner.compose(MemoryBackend::new(), DisabledOffload);
    outer.l2().write(&key(0), value("kept long")).await.unwrap();
    for number in 1..400 {
        outer.remove(&key(number)).await.unwrap();
    }
    for _ in 0..3 {
        let found = outer.read(&key(0)).await.unwrap();
        assert_eq!(text(&found), Some("kept long"));
    }
    let in_l1 = outer.l1().read(&key(0)).await.unwrap();
    assert_eq!(
        text(&in_l1),
        Some("kept long"),
        "each refill was taken as a remove"
    );
}

#[tokio::test]
async fn refills_without_an_answer_are_bounded_by_the_record_capacity() {
    // The background is full; refills that have begun are dropped.
    let offload = OffloadManager::builder()
        .max_running(1)
        .max_pending(0)
        .build()
        .unwrap();
    offload.register("somebody else's", std::future::pending());
    let policy = CompositionPolicy::new().record_capacity(capacity(64));
    let cache = Yielding::default().compose_with(MemoryBackend::new(), offload, policy);
    for n in 0..8_000 {
        cache.l2().write(&key(n), value("v")).await.unwrap();
    }
    let mut took = Vec::new();
    for thousand in 0..8 {
        let began = std::time::Instant::now();
        for n in thousand * 1_000..(thousand + 1) * 1_000 {
            cache.read(&key(n)).await.unwrap();
        }
        took.push(began.elapsed().as_millis());
    }
    let pending = cache.pending_repairs().len();
    assert!(
        pending <= 65,
        "{pending} records at capacity 64; ms for each 1,000 reads: {took:?}"
    );
}

#[tokio::test]
async fn after_a_coarse_fence_l1_serves_again_what_it_is_refilled_with() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().record_capacity(capacity(16));
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    cache.write(&key(1_000), value("warm")).await.unwrap();
    faults.writes().always(Fault::FailBeforeEffect);
    for n in 0..40 {
        cache.write(&key(n), value("v")).await.unwrap();
    }
    faults.heal();
    assert!(cache.layer_fence(CompositionLayer::L1).is_some());
    let before = faults.writes().calls();
    for _ in 0..100 {
        assert_eq!(text(&cache.read(&key(1_000)).await.unwrap()), Some("warm"));
    }
    let refills = faults.writes().calls() - before;
    assert!(
        refills <= 1,
        "{refills} refills for 100 reads, none of which L1 answered"
    );
}

#[tokio::test]
async fn a_value_with_the_zero_stamp_is_stored() {
    let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
    let stored = value("v").created_at(Stamp::ZERO);
    cache.write(&key(0), stored).await.unwrap();
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), Some("v"));
}

#[tokio::test]
async fn a_failed_read_is_noted_as_a_miss() {
    let (l1, f1) = FaultyBackend::new(MemoryBackend::new());
    let (l2, f2) = FaultyBackend::new(MemoryBackend::new());
    let cache = l1.compose(l2, DisabledOffload);
    cache.write(&key(0), value("v")).await.unwrap();
    let mut context = CacheContext::default().boxed();
    cache.read_with(&key(0), &mut context).await.unwrap();
    f1.reads().always(Fault::FailBeforeEffect);
    f2.reads().always(Fault::FailBeforeEffect);
    assert!(cache.read_with(&key(0), &mut context).await.is_err());
    assert_eq!(context.status(), CacheStatus::Miss);
}

/// Refuses everything as too large, as an L2 with a limit does.
#[derive(Default)]
struct Small;

#[async_trait]
impl Backend for Small {
    async fn read(&self, _: &CacheKey) -> ReadOutcome {
        Ok(None)
    }
    async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
        Err(BackendError::new(
            BackendErrorKind::TooLarge,
            Operation::Write,
            self.label(),
        ))
    }
    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }
    fn label(&self) -> BackendLabel {
        "small".into()
    }
}

#[tokio::test]
async fn a_composition_that_says_too_large_leaves_the_key_absent() {
    let policy = CompositionPolicy::new().write(SequentialWritePolicy::new());
    let cache = MemoryBackend::new().compose_with(Small, DisabledOffload, policy);
    let error = cache.write(&key(0), value("v")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
    assert_eq!(text(&cache.read(&key(0)).await.unwrap()), None);
}

#[test]
fn a_slot_is_freed_only_when_its_future_is_gone() {
    struct Watch(OffloadManager, Arc<Mutex<Option<usize>>>);
    impl Drop for Watch {
        fn drop(&mut self) {
            *self.1.lock().unwrap() = Some(self.0.statistics().running);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let manager = OffloadManager::builder()
        .runtime(runtime.handle().clone())
        .build()
        .unwrap();
    let seen = Arc::new(Mutex::new(None));
    let watch = Watch(manager.clone(), seen.clone());
    manager.register("never polled", async move { drop(watch) });
    drop(runtime);
    assert_eq!(*seen.lock().unwrap(), Some(1));
}

/// Runs what it holds when it is given a bulk operation, which is within its rights.
#[derive(Clone, Default)]
struct Eager {
    held: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    first: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
}

impl Offload<'static> for Eager {
    fn register<K: Into<OffloadKey>, F: Future<Output = ()> + Send + 'static>(&self, k: K, f: F) {
        let is_bulk = k.into().kind() == "bulk";
        self.held.lock().unwrap().push(f.boxed());
        if is_bulk {
            drop(self.first.lock().unwrap().take());
            self.held
                .lock()
                .unwrap()
                .retain_mut(|f| f.now_or_never().is_none());
        }
    }
}

#[tokio::test]
async fn an_operation_that_reaches_a_layer_as_the_bulk_call_ends_is_not_lost() {
    let (l2, f2) = FaultyBackend::new(MemoryBackend::new());
    let offload = Eager::default();
    let policy = CompositionPolicy::new()
        .write(RaceWritePolicy::new())
        .refill(RefillPolicy::Never);
    let cache = MemoryBackend::new().compose_with(l2, offload.clone(), policy);
    // Somebody holds the turn of key 1 in L2.
    f2.writes().always(Fault::HangBeforeEffect);
    let mut first: BoxFuture<'static, ()> = {
        let cache = cache.clone();
        async move { drop(cache.remove(&key(1)).await) }.boxed()
    };
    f2.removes().always(Fault::HangBeforeEffect);
    assert!((&mut first).now_or_never().is_none());
    *offload.first.lock().unwrap() = Some(first);
    f2.writes().heal();
    f2.writes().next(1, Fault::HangBeforeEffect);
    let entries = vec![(key(0), value("a")), (key(1), value("b"))];
    assert!(cache.write_many(entries).await.iter().all(Result::is_ok));
    f2.heal();
    for _ in 0..10 {
        offload
            .held
            .lock()
            .unwrap()
            .retain_mut(|f| f.now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let found = cache.l2().get_ref().read(&key(1)).await.unwrap();
    assert_eq!(
        text(&found),
        Some("b"),
        "pending: {:?}",
        cache.pending_repairs()
    );
}

#[tokio::test]
async fn parallel_reads_under_an_l1_cap_do_not_write_l1_each_time() {
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new()
        .read(hitbox_backend::ParallelReadPolicy::new())
        .l1_ttl(Duration::from_secs(30));
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    cache.write(&key(0), value("v")).await.unwrap();
    for _ in 0..100 {
        cache.read(&key(0)).await.unwrap();
    }
    let refills = faults.writes().calls() - 1;
    assert!(refills <= 1, "{refills} refills of what L1 holds");
}

#[tokio::test]
async fn an_error_of_a_remove_names_the_layer_that_failed() {
    let (l1, f1) = FaultyBackend::new(MemoryBackend::new());
    let (l2, f2) = FaultyBackend::new(MemoryBackend::new());
    let cache = l1.compose(l2, DisabledOffload);
    f1.removes().next(1, Fault::FailBeforeEffect);
    let in_l1 = cache.remove(&key(0)).await.unwrap_err().to_string();
    f2.removes().next(1, Fault::FailBeforeEffect);
    let in_l2 = cache.remove(&key(0)).await.unwrap_err().to_string();
    assert_ne!(in_l1, in_l2);
}

/// Memory whose writes wait until they are let on.
struct Gated {
    inner: MemoryBackend,
    begun: Semaphore,
    open: Semaphore,
}

#[async_trait]
impl Backend for Gated {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.begun.add_permits(1);
        let _open = self.open.acquire().await.unwrap();
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "gated".into()
    }
}

/// Answers reads when the writes of the other one have begun, and lets them on.
struct Opening {
    inner: MemoryBackend,
    gated: Arc<Gated>,
}

#[async_trait]
impl Backend for Opening {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let _begun = self.gated.begun.acquire().await.unwrap();
        self.gated.open.add_permits(1);
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }
    fn label(&self) -> BackendLabel {
        "opening".into()
    }
}

/// The read of a composed L1 loses the race while it refills a layer of its own, and holds that one's
/// turn. The refill of L1 that follows waits for the turn.
#[tokio::test(start_paused = true)]
async fn a_refill_without_a_background_does_not_wait_for_a_loser_that_nobody_drives() {
    let gated = Arc::new(Gated {
        inner: MemoryBackend::new(),
        begun: Semaphore::new(0),
        open: Semaphore::new(0),
    });
    let (deepest, inner) = (MemoryBackend::new(), MemoryBackend::new());
    deepest.write(&key(1), value("v")).await.unwrap();
    inner.write(&key(1), value("v")).await.unwrap();
    let l1 = Arc::clone(&gated).compose(deepest, DisabledOffload);
    let l2 = Opening { inner, gated };
    let policy = CompositionPolicy::new().read(RaceReadPolicy::new());
    let cache = l1.compose_with(l2, DisabledOffload, policy);
    let read = tokio::time::timeout(Duration::from_secs(5), cache.read(&key(1))).await;
    let found = read.expect("nobody else holds it up").unwrap();
    assert_eq!(text(&found), Some("v"));
}
