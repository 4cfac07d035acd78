//! What the clones of a cache share.

use std::{
    error::Error,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures::poll;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Begun, BoxContext, CacheBackend,
    CacheKey, CacheStatus, CacheValue, Cacheable, Condition, Conditional, Invalidations, Known,
    KnownOutcome, Lease, ResponseSource, Stamp,
};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{
    LoadError,
    error::Cause,
    fills::Fills,
    flights::FlightTable,
    key::{Key, KnownSpaces, Unserved},
    settings::{InForce, Limits, Overrides},
    statistics::Counters,
    tasks::Tasks,
    throttle::Throttle,
};

pub(crate) struct Shared {
    /// It keeps fences.
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) spaces: KnownSpaces,
    pub(crate) limits: Limits,
    pub(crate) flights: FlightTable,
    pub(crate) throttle: Throttle,
    /// Of loads.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) fills: Fills,
    pub(crate) tasks: Tasks,
    pub(crate) counters: Counters,
    /// That a type has been met that the backend cannot store.
    said_not_storable: AtomicBool,
}

/// What is to be stored.
pub(crate) type Fill<V> = (CacheKey, CacheValue<Known<V>>, Condition);

impl Shared {
    pub(crate) fn new(
        backend: Box<dyn Backend>,
        spaces: KnownSpaces,
        limits: Limits,
        runtime: Option<Handle>,
    ) -> Self {
        Self {
            backend,
            spaces,
            limits,
            flights: FlightTable::new(),
            throttle: Throttle::new(),
            places: Arc::new(Semaphore::new(limits.max_loads.min(Semaphore::MAX_PERMITS))),
            fills: Fills::new(limits.max_fills),
            tasks: Tasks::new(runtime),
            counters: Counters::default(),
            said_not_storable: AtomicBool::new(false),
        }
    }

    /// What has invalidated the key.
    pub(crate) fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.backend.invalidations(key)
    }

    /// The newest stamp that has, in whatever way.
    pub(crate) fn invalidated(&self, key: &CacheKey) -> Stamp {
        let Invalidations { hard, soft, .. } = self.invalidations(key);
        hard.max(soft)
    }

    /// What the backend has of the key. One that fails has nothing, and costs a load.
    pub(crate) async fn read<V: Cacheable>(
        &self,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> Option<CacheValue<Known<V>>> {
        self.found(self.backend.get_known(key, context).await)
    }

    /// What a read has found. Where the backend fails, that is nothing, and costs a load.
    pub(crate) fn found<V>(&self, outcome: KnownOutcome<V>) -> Option<CacheValue<Known<V>>> {
        match outcome {
            Ok(found) => found,
            Err(error) => {
                self.counters.failed_reads.add();
                tracing::debug!(
                    error = &error as &dyn Error,
                    "the backend fails to read: a load takes the place of the value"
                );
                None
            }
        }
    }

    /// A value of the key that is fresh, in whichever layer.
    pub(crate) async fn find_fresh<V: Cacheable>(
        &self,
        key: &CacheKey,
    ) -> Option<(CacheValue<Known<V>>, ResponseSource)> {
        let mut context = BoxContext::default().fresh_only();
        let found = self.read(key, &mut context).await;
        let fresh = found.filter(|_| context.status() == CacheStatus::Hit)?;
        Some((fresh, context.source().clone()))
    }

    /// [`find_fresh`](Self::find_fresh) for many keys.
    pub(crate) async fn find_fresh_many<V: Cacheable>(
        &self,
        keys: &[CacheKey],
    ) -> Vec<Option<CacheValue<Known<V>>>> {
        let context = BoxContext::default().fresh_only();
        let mut contexts = vec![context; keys.len()];
        let found = self.backend.get_many_known(keys, &mut contexts).await;
        let fresh = found.into_iter().zip(contexts).map(|(outcome, context)| {
            self.found(outcome)
                .filter(|_| context.status() == CacheStatus::Hit)
        });
        fresh.collect()
    }

    /// The lease of a load. Where the backend fails, the load has one that pins nothing.
    pub(crate) async fn begin_load(&self, key: &CacheKey) -> Lease {
        match self.backend.begin_load(key).await {
            Ok(Begun::Lead(lease)) => lease,
            // Somebody else loads, or has loaded: this process does so, too.
            Ok(_) => Lease::default(),
            Err(error) => {
                tracing::debug!(%key, error = &error as &dyn Error, "the backend gives no lease");
                Lease::default()
            }
        }
    }

    /// Stores what a load has returned, each key if nothing has invalidated it since.
    pub(crate) async fn fill<V: Cacheable>(&self, mut fills: Vec<Fill<V>>) {
        match (fills.pop(), fills.is_empty()) {
            (Some((key, value, condition)), true) => {
                self.note_fill(self.backend.set_if(&key, value, condition).await);
            }
            (last, _) => {
                fills.extend(last);
                let outcomes = self.backend.set_many_if(fills).await;
                outcomes
                    .into_iter()
                    .for_each(|outcome| self.note_fill(outcome));
            }
        }
    }

    fn note_fill(&self, outcome: BackendResult<Conditional>) {
        match outcome {
            Ok(Conditional::Written) => self.counters.fills.add(),
            Ok(Conditional::Refused) => self.counters.overtaken_fills.add(),
            Err(error) => self.note_failed_fill(&error),
        }
    }

    fn note_failed_fill(&self, error: &BackendError) {
        self.counters.failed_fills.add();
        let cannot_pass = error.kind() == BackendErrorKind::NotStorable;
        // Each load of the type will end so: it is said aloud, once.
        if cannot_pass && !self.said_not_storable.swap(true, Ordering::Relaxed) {
            tracing::error!(
                error = error as &dyn Error,
                "what was loaded can never be stored: each call loads anew"
            );
        } else {
            tracing::debug!(error = error as &dyn Error, "what was loaded is not stored");
        }
    }

    /// Does what invalidates keys, and tells those who wait for its loads: as soon as it is recorded, and when it has ended.
    pub(crate) async fn invalidate<T>(
        &self,
        keys: &[CacheKey],
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        let begun = poll!(work.as_mut());
        self.tell(keys);
        match begun {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let outcome = work.await;
                self.tell(keys);
                outcome
            }
        }
    }

    fn tell(&self, keys: &[CacheKey]) {
        keys.iter().for_each(|key| self.flights.tell(key));
    }

    /// What is in force for a call for this key, for which that was set.
    pub(crate) fn settings_of<V: 'static>(
        &self,
        key: &Key<V>,
        call: &Overrides,
    ) -> Result<InForce<'_>, Cause> {
        let settings = self.spaces.settings_of(key);
        let settings = settings.map_err(|unserved| self.refusal(*unserved))?;
        if *call == Overrides::NONE {
            return Ok(InForce::OfSpace(settings));
        }
        let settings = call.checked_over(settings).map_err(Unserved::Setting);
        let settings = settings.map_err(|unserved| self.refusal(unserved))?;
        Ok(InForce::OfCall(Box::new(settings)))
    }

    /// Whether values of this type are asked for under this key, here.
    #[inline]
    pub(crate) fn serves<V: 'static>(&self, key: &Key<V>) -> BackendResult<()> {
        match self.spaces.settings_of(key) {
            Ok(_) => Ok(()),
            Err(unserved) => Err(self.invalid(key, self.refusal(*unserved))),
        }
    }

    /// What a call gets, that does not load, for a key that is not served.
    #[cold]
    pub(crate) fn invalid<V>(&self, key: &Key<V>, cause: Cause) -> BackendError {
        let error = LoadError::new(key.as_cache_key().clone(), cause);
        BackendError::invalid_configuration(self.backend.label(), error.to_string())
    }

    /// Why a key is not served.
    pub(crate) fn refusal(&self, unserved: Unserved) -> Cause {
        match unserved {
            Unserved::Conflict(conflict) => Cause::KeyConflict(conflict),
            Unserved::Setting(detail) => Cause::Backend(BackendError::invalid_configuration(
                self.backend.label(),
                detail,
            )),
        }
    }
}
