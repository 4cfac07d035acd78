//! Reports from the cache, or made and left there.

use std::sync::Arc;

use hitbox_backend::{BackendResult, CacheBackend, DeleteStatus, OffloadManager};
use hitbox_core::{
    BoxContext, CacheContext, CacheKey, CacheStatus, CacheValue, KeyPart, Offload, Stamp,
};
use tokio::task::{JoinError, spawn_blocking};

use crate::{arguments::Lives, cache::Cache, primes::Report, single_flight::SingleFlight};

pub(crate) type Cached = CacheValue<Arc<Report>>;

pub(crate) struct Reports {
    pub(crate) cache: Cache,
    pub(crate) offload: OffloadManager,
    pub(crate) lives: Lives,
    pub(crate) flights: SingleFlight<usize, Cached>,
}

/// A report, and how it was come by.
pub(crate) struct Answer {
    pub(crate) report: Cached,
    pub(crate) context: BoxContext,
}

impl Reports {
    /// The report on the primes up to `limit`.
    pub(crate) async fn get(self: &Arc<Self>, limit: usize) -> Result<Answer, JoinError> {
        let mut context = CacheContext::default().boxed();
        let found = self.cache.get_with(&key_of(limit), &mut context).await;
        let report = match found {
            Ok(Some(report)) => report,
            Ok(None) => self.load(limit).await?,
            // A cache that fails is no reason to fail.
            Err(error) => {
                eprintln!("moka_redis: {error}");
                self.load(limit).await?
            }
        };
        if context.status() == CacheStatus::Stale {
            self.refresh(limit);
        }
        Ok(Answer { report, context })
    }

    /// Drops a report from both layers. An error means that it is not certain to be gone from one of
    /// them; this instance of the service does not serve it any more even so.
    pub(crate) async fn remove(&self, limit: usize) -> BackendResult<DeleteStatus> {
        let removed = self.cache.delete(&key_of(limit)).await;
        // Whoever asks from now on must not get what was being made before the removal.
        self.flights.forget(&limit);
        removed
    }

    async fn load(&self, limit: usize) -> Result<Cached, JoinError> {
        let make_and_keep = async || {
            // Before the work: a removal that comes meanwhile is newer than its result.
            let began = Stamp::now();
            let report = spawn_blocking(move || Arc::new(Report::up_to(limit))).await?;
            let Lives { fresh, keep } = self.lives;
            let report = CacheValue::loaded(report, began)
                .ttl(keep)
                .stale_after(fresh);
            if let Err(error) = self.cache.set(&key_of(limit), report.clone()).await {
                eprintln!("moka_redis: {error}");
            }
            Ok(report)
        };
        self.flights.run(limit, make_and_keep).await
    }

    /// In the background, once at a time for each report.
    fn refresh(self: &Arc<Self>, limit: usize) {
        let reports = Arc::clone(self);
        self.offload
            .register((key_of(limit), "refresh"), async move {
                if let Err(error) = reports.load(limit).await {
                    eprintln!("moka_redis: {error}");
                }
            });
    }
}

fn key_of(limit: usize) -> CacheKey {
    // The version is that of `Report`: raised when it changes, it leaves old entries behind.
    CacheKey::new(
        "primes",
        1,
        [KeyPart::new("limit", Some(limit.to_string()))],
    )
}
