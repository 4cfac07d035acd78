//! The end of a cache, and of its backend.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{executor::block_on, poll};
use hitbox::{
    Backend, BackendError, BackendErrorKind, BackendLabel, BackendResult, Batch, Cache, CacheKey,
    Compose, DeleteStatus, LoadErrorKind, OffloadManager, Status, Why,
    backend::{CacheValue, Leftovers, Operation, Raw, ReadOutcome},
};
use hitbox_backend::{
    chaos::{Fault, Script},
    conformance::MemoryBackend,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

use crate::{
    backends::{Over, moka, moka_over_chaos, of_moka, of_moka_over_memory, on_every_backend},
    source::{NUMBERS, Source, until, waiters},
};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn cache(over: impl Backend + 'static) -> Cache {
    Cache::builder(over)
        .ttl(MINUTE)
        .stale_while_revalidate(MINUTE)
        .build()
        .unwrap()
}

on_every_backend!(
    loads_that_end_in_time_are_stored,
    loads_that_hang_are_dropped_and_named,
    what_is_stale_is_not_said_to_be_refreshed,
);

async fn loads_that_end_in_time_are_stored(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut call).is_pending());
    source.begun(1).await;
    let mut closing = Box::pin(cache.close(MINUTE));
    assert!(poll!(&mut closing).is_pending());
    let late = cache.get_or_load(NUMBERS.key(2), source.load()).await;
    assert_eq!(late.unwrap_err().kind(), LoadErrorKind::Closed);
    source.let_go();
    let report = closing.await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(*call.await.unwrap(), 1);
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
}

async fn loads_that_hang_are_dropped_and_named(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut call).is_pending());
    source.begun(1).await;
    // One that was dropped in the middle has no effect on the next one.
    let mut dropped = Box::pin(cache.close(MINUTE));
    assert!(poll!(&mut dropped).is_pending());
    drop(dropped);
    let began = Instant::now();
    let report = cache.close(2 * SECOND).await;
    assert!(began.elapsed() < 2 * SECOND, "half of it");
    let left: Vec<_> = report.loads.iter().map(|load| load.key.as_text()).collect();
    assert_eq!(left, ["numbers:v1:id=1"]);
    assert!(report.fills.is_empty());
    assert_eq!(call.await.unwrap_err().kind(), LoadErrorKind::Closed);
    assert!(cache.loads().is_empty());
    assert!(cache.close(SECOND).await.is_complete());
}

async fn what_is_stale_is_not_said_to_be_refreshed(over: Over) {
    let (cache, source) = (cache(over), Source::open());
    // Stale at once.
    let stale = cache.insert(NUMBERS.key(1), 7).ttl(Duration::ZERO);
    stale.await.unwrap();
    assert!(cache.close(SECOND).await.is_complete());
    let entry = cache.get_or_load(NUMBERS.key(1), source.load()).entry();
    let entry = entry.await.unwrap();
    assert_eq!(
        (entry.status(), **entry.value()),
        (Status::Stale(Why::NotRefreshed), 7)
    );
    let load = |missing: Batch<u64, u64>| async { std::io::Result::Ok(missing) };
    let entries = cache.get_many_or_load(&NUMBERS, [1], load).entries().await;
    assert_eq!(
        entries[0].as_ref().unwrap().status(),
        Status::Stale(Why::NotRefreshed)
    );
    assert_eq!(cache.statistics().calls.not_refreshed, 2);
    assert_eq!(source.loads(), 0);
    // What needs no load goes on.
    cache.insert(NUMBERS.key(1), 8).await.unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(8)));
    cache.remove(NUMBERS.key(1)).await.unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
}

/// What waits for a place has not begun.
#[tokio::test(start_paused = true)]
async fn loads_that_wait_for_a_place_are_refused_at_once() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(MINUTE)
        .max_loads(1)
        .build()
        .unwrap();
    let source = Source::held();
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let mut waiting = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut waiting).is_pending());
    until(|| waiters(&cache) == 2).await;
    let mut closing = Box::pin(cache.close(MINUTE));
    assert!(poll!(&mut closing).is_pending());
    assert_eq!(waiting.await.unwrap_err().kind(), LoadErrorKind::Closed);
    source.let_go();
    assert!(closing.await.is_complete());
    assert_eq!(*busy.await.unwrap(), 1);
    assert_eq!(source.loads(), 1);
}

/// Where there is no place for a refresh, none is said to be made.
#[tokio::test(start_paused = true)]
async fn what_is_stale_is_not_said_to_be_refreshed_without_a_place() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(MINUTE)
        .stale_while_revalidate(MINUTE)
        .max_loads(1)
        .build()
        .unwrap();
    let source = Source::held();
    let stale = cache.insert(NUMBERS.key(2), 7).ttl(Duration::ZERO);
    stale.await.unwrap();
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let entry = cache.get_or_load(NUMBERS.key(2), source.load()).entry();
    assert_eq!(
        entry.await.unwrap().status(),
        Status::Stale(Why::NotRefreshed)
    );
    assert_eq!(cache.statistics().skipped_refreshes, 1);
}

#[tokio::test(start_paused = true)]
async fn fills_that_hang_are_named() {
    let (over, chaos) = moka_over_chaos();
    let (cache, source) = (cache(over), Source::open());
    chaos.script(Script::writes([Some(Fault::Hang)])).unwrap();
    cache
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    until(|| chaos.hanging() == 1).await;
    assert_eq!(cache.fills().len(), 1);
    let report = cache.close(2 * SECOND).await;
    let left: Vec<_> = report.fills.iter().map(|fill| fill.key.as_text()).collect();
    assert_eq!(left, ["numbers:v1:id=1"]);
    assert!(report.loads.is_empty());
    assert!(cache.fills().is_empty());
}

/// A layer that counts how often it was closed, and says what it is told to then.
struct Closing {
    closed: Arc<AtomicUsize>,
    hangs: bool,
}

#[async_trait]
impl Backend for Closing {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }
    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }
    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }
    async fn close(&self, _within: Duration) -> Leftovers {
        self.closed.fetch_add(1, Ordering::SeqCst);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let error = BackendError::new(BackendErrorKind::Full, Operation::Maintain, self.label());
        Leftovers::failure(error)
    }
    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("closing")
    }
}

/// First what is done in the background, and then the layers; all in one call, through every kind of backend around.
#[tokio::test(start_paused = true)]
async fn the_backend_is_closed_with_the_cache() {
    let offload = OffloadManager::builder().build().unwrap();
    let closed = Arc::new(AtomicUsize::new(0));
    let layer = Closing {
        closed: Arc::clone(&closed),
        hangs: false,
    };
    let nest = moka().compose(layer, offload.clone());
    let over: Over = Arc::new(MemoryBackend::new().compose(nest, offload.clone()));
    let seen_by_work = Arc::clone(&closed);
    hitbox::backend::Offload::register(&offload, "work", async move {
        tokio::time::sleep(SECOND / 10).await;
        assert_eq!(
            seen_by_work.load(Ordering::SeqCst),
            0,
            "the layers come last"
        );
    });
    hitbox::backend::Offload::register(&offload, "hangs", std::future::pending());
    let report = cache(over).close(8 * SECOND).await;
    assert_eq!(closed.load(Ordering::SeqCst), 1);
    assert_eq!(offload.statistics().completed, 1);
    let dropped: Vec<_> = report.background.iter().map(ToString::to_string).collect();
    assert!(
        dropped.iter().all(|work| work.contains("hangs")),
        "{dropped:?}"
    );
    assert!(!dropped.is_empty());
    assert_eq!(report.failures[0].kind(), BackendErrorKind::Full);
    assert!(!report.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_holds_nobody() {
    let layer = Closing {
        closed: Arc::default(),
        hangs: true,
    };
    let began = Instant::now();
    let report = cache(layer).close(2 * SECOND).await;
    assert_eq!(report.failures[0].kind(), BackendErrorKind::Timeout);
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[test]
fn a_cache_is_closed_without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let offload = OffloadManager::builder().runtime(runtime.handle().clone());
    let over = moka().compose(MemoryBackend::new(), offload.build().unwrap());
    let cache = cache(over);
    assert!(block_on(cache.close(SECOND)).is_complete());
}

/// Without a runtime there is no clock: nothing is loaded, and nothing panics.
#[test]
fn a_time_out_without_a_runtime_is_none() {
    let source = Source::open();
    let cache = cache(of_moka());
    let call = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .hard_timeout(SECOND);
    assert_eq!(block_on(call).unwrap_err().kind(), LoadErrorKind::NoRuntime);
}
