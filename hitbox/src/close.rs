//! The end of a cache.

use std::time::Duration;

use hitbox_backend::{Backend, BackendError, BackendErrorKind, Leftovers, OffloadKey, Operation};
use tokio::time::Instant;

use crate::{Cache, FillUnderWay, LoadUnderWay, shared::Shared};

/// What was not done by the time that a cache was to be [closed](Cache::close).
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "it says what is lost"]
pub struct CloseReport {
    /// Loads that were dropped: their callers got [`Closed`](crate::LoadErrorKind::Closed).
    pub loads: Vec<LoadUnderWay>,
    /// Values that were loaded, and of which it is not known whether they are stored.
    pub fills: Vec<FillUnderWay>,
    /// Work of the backend in the background that was dropped.
    pub background: Vec<OffloadKey>,
    /// Why the backend may not keep all that it was told.
    pub failures: Vec<BackendError>,
}

impl CloseReport {
    /// Whether everything has been done.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.loads.is_empty()
            && self.fills.is_empty()
            && self.background.is_empty()
            && self.failures.is_empty()
    }
}

impl Cache {
    /// Ends the cache, and its backend, in this order:
    ///
    /// 1. No load is begun any more; one that waits for a place is refused.
    /// 2. Loads that are under way, and what they store, may end; those that have not within half of the time are dropped.
    /// 3. The backend is [closed](Backend::close): work in the background (refills, repairs) ends, then the layers are flushed.
    ///
    /// It takes about `within` at the most, and says what was not done. Reads, inserts and removes go on as before. A call that
    /// would load gets [`Closed`](crate::LoadErrorKind::Closed), or, where
    /// [`stale_if_error`](crate::CacheBuilder::stale_if_error) allows it, the stale value with that error. A value within its
    /// [`stale_while_revalidate`](crate::CacheBuilder::stale_while_revalidate) is served as
    /// [`NotRefreshed`](crate::Why::NotRefreshed).
    ///
    /// Other caches over the same backend share what is closed. Calling it again is fine, also at the same time: a second call
    /// waits for what is left, and says what that was.
    ///
    /// *Cancel safety*: dropped, it leaves the cache closed to loads; another call does the rest.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use hitbox::{Cache, moka::MokaBackend};
    ///
    /// let cache = Cache::builder(MokaBackend::builder().max_entries(10_000).build()?)
    ///     .ttl(Duration::from_secs(300))
    ///     .build()?;
    /// // When the service has answered its last request:
    /// let report = cache.close(Duration::from_secs(10)).await;
    /// assert!(report.is_complete(), "not done: {report:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn close(&self, within: Duration) -> CloseReport {
        let shared = self.shared();
        let began = Instant::now();
        shared.tasks.close();
        let (loads, fills) = self.end_loads(within / 2).await;
        let rest = within.saturating_sub(began.elapsed());
        let Leftovers {
            unfinished: background,
            failures,
            ..
        } = shared.close_backend(rest).await;
        CloseReport {
            loads,
            fills,
            background,
            failures,
        }
    }

    /// Waits for loads and fills, drops what is left of them, and returns that.
    async fn end_loads(&self, within: Duration) -> (Vec<LoadUnderWay>, Vec<FillUnderWay>) {
        let tasks = &self.shared().tasks;
        if tasks.within(within, tasks.idle()).await.is_some() {
            return (Vec::new(), Vec::new());
        }
        let left = (self.loads(), self.fills());
        tasks.stop();
        // They end when they are polled next. A loader that blocks its thread is not waited for.
        let _in_time = tasks.within(within / 2, tasks.idle()).await;
        left
    }
}

impl Shared {
    async fn close_backend(&self, within: Duration) -> Leftovers {
        let closed = self.tasks.within(within, self.backend.close(within)).await;
        closed.unwrap_or_else(|| {
            let error = BackendError::new(
                BackendErrorKind::Timeout,
                Operation::Maintain,
                self.backend.label(),
            );
            Leftovers::failure(error.with_detail(format!("it has not closed within {within:?}")))
        })
    }
}
