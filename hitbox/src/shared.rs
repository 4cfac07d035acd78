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
    Backend, BackendError, BackendErrorKind, BackendResult, CacheBackend, CacheKey, CacheValue,
    Cacheable, Condition, Conditional, Described, Invalidations, LogMark, Meta, Stamp, TagSet,
    tags::{Invalidated, Severity, TagEar},
};
use tokio::{runtime::Handle, sync::Semaphore, time::Instant};

use crate::{
    LoadError,
    error::Cause,
    fills::Fills,
    flights::{Ended, FlightTable},
    key::{Key, KnownSpaces, Unserved},
    refused_fills::RefusedFills,
    settings::{InForce, Limits, Overrides},
    statistics::Counters,
    tags::{Scope, Tags},
    tasks::Tasks,
    throttle::Throttle,
};

pub(crate) struct Shared {
    /// It keeps fences.
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) tags: Tags,
    pub(crate) spaces: KnownSpaces,
    pub(crate) limits: Limits,
    pub(crate) flights: FlightTable,
    pub(crate) throttle: Throttle,
    /// Of loads.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) fills: Fills,
    refused_fills: RefusedFills,
    pub(crate) tasks: Tasks,
    pub(crate) counters: Counters,
    /// That a type has been met that the backend cannot store.
    said_not_storable: AtomicBool,
}

/// What is to be stored.
pub(crate) type Fill<V> = (CacheKey, CacheValue<Described<V>>, Condition);

impl Shared {
    pub(crate) fn new(
        backend: Box<dyn Backend>,
        tags: Tags,
        spaces: KnownSpaces,
        limits: Limits,
        runtime: Option<Handle>,
    ) -> Self {
        Self {
            backend,
            tags,
            spaces,
            limits,
            flights: FlightTable::new(),
            throttle: Throttle::new(),
            places: Arc::new(Semaphore::new(limits.max_loads.min(Semaphore::MAX_PERMITS))),
            fills: Fills::new(limits.max_fills),
            refused_fills: RefusedFills::default(),
            tasks: Tasks::new(runtime),
            counters: Counters::default(),
            said_not_storable: AtomicBool::new(false),
        }
    }

    /// What has invalidated the key, whatever its value.
    pub(crate) fn invalidations(&self, key: &CacheKey) -> Invalidations {
        let of_key = self.backend.invalidations(key);
        of_key.combine(self.tags.of_every_key())
    }

    /// The newest stamp that has, in whatever way.
    pub(crate) fn invalidated(&self, key: &CacheKey) -> Stamp {
        let Invalidations { hard, soft, .. } = self.invalidations(key);
        hard.max(soft)
    }

    /// What has invalidated a value of the key.
    pub(crate) fn invalidations_of(
        &self,
        key: &CacheKey,
        created: Stamp,
        meta: Option<&Meta>,
    ) -> Invalidations {
        let by_tags = self.tags.invalidations_of(created, meta);
        self.invalidations(key).combine(by_tags)
    }

    /// The newest stamp that has invalidated what a flight of the key has come to. An error has no tags.
    pub(crate) fn invalidated_outcome(&self, key: &CacheKey, ended: &Ended) -> Stamp {
        if ended.outcome.is_err() {
            return self.invalidated(key);
        }
        // Others may have invalidated it.
        if self.tags.is_silent() {
            return ended.created.max(self.invalidated(key));
        }
        let meta = ended.meta.as_deref();
        let Invalidations { hard, soft, .. } = self.invalidations_of(key, ended.created, meta);
        hard.max(soft)
    }

    /// Stores what a load has returned, each key if nothing has invalidated it since.
    pub(crate) async fn fill<V: Cacheable>(&self, mut fills: Vec<Fill<V>>) {
        let metas = fills
            .iter()
            .map(|(_, value, _)| value.data().meta.as_deref());
        self.prepare_tags(metas).await;
        match (fills.pop(), fills.is_empty()) {
            (Some((key, value, condition)), true) => {
                self.note_fill(&key, self.backend.set_if(&key, value, condition).await);
            }
            (last, _) => {
                fills.extend(last);
                let keys: Vec<_> = fills.iter().map(|(key, ..)| key.clone()).collect();
                let outcomes = self.backend.set_many_if(fills).await;
                for (key, outcome) in keys.iter().zip(outcomes) {
                    self.note_fill(key, outcome);
                }
            }
        }
    }

    /// Sees to it that tags are known in the backend, before something is stored that has them.
    pub(crate) async fn prepare_tags<'m>(&self, metas: impl Iterator<Item = Option<&'m Meta>>) {
        let tags: Vec<&TagSet> = metas.flatten().map(Meta::tags).collect();
        if !tags.is_empty() {
            self.tags.prepare(&*self.backend, &tags).await;
        }
    }

    fn note_fill(&self, key: &CacheKey, outcome: BackendResult<Conditional>) {
        match outcome {
            Ok(Conditional::Written) => {
                self.counters.fills.add();
                self.refused_fills.kept(key);
            }
            Ok(Conditional::Refused) => self.note_refused_fill(key),
            Err(error) => self.note_failed_fill(&error),
        }
    }

    fn note_refused_fill(&self, key: &CacheKey) {
        self.counters.overtaken_fills.add();
        tracing::debug!(%key, "what was loaded is not kept: the key was changed meanwhile, or its lease is gone");
        if let Some(keys) = self.refused_fills.refused(key, Instant::now()) {
            tracing::warn!(
                keys,
                "what is loaded is never kept: three fills of a key in a row were refused"
            );
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

    /// Invalidates all that has a tag, or everything, and tells those who wait for loads.
    pub(crate) async fn invalidate_all(
        &self,
        scope: Scope<'_>,
        severity: Severity,
    ) -> BackendResult<()> {
        let (backend, tags) = (&*self.backend, &self.tags);
        let mark = tags.raise(backend, scope, severity)?;
        match scope {
            // Which tags a load has, nobody knows before it has ended.
            Scope::Tag(_) => {}
            Scope::All => self.flights.tell_all(),
        }
        tags.keep(backend, scope, severity, mark).await
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

impl TagEar for Shared {
    fn hear(&self, news: &Invalidated) {
        if self.tags.hear(news) {
            self.flights.tell_all();
        }
    }

    fn note_gap(&self, heard: LogMark) {
        self.tags.note_gap(heard);
    }

    fn note_heard(&self, heard: LogMark) {
        self.tags.note_heard(heard);
    }
}
