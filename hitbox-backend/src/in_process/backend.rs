use std::{borrow::Cow, cell::LazyCell, fmt, ops::ControlFlow, sync::Arc};

use async_trait::async_trait;
use hitbox_core::{BackendLabel, BoxContext, CacheKey, CacheValue, Namespace, Raw, clock::Moment};

use super::{
    Capacity, Held, Statistics, Store,
    entry::{self, Weigher},
    eviction::Evictions,
    held::Lives,
    sweeper::Sweeper,
};
use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities,
    DeleteStatus, Format, Operation, ReadAttempt, ReadOutcome, Rejection, Rejections,
    StoreSettings, WriteAttempt, note_outcome_at,
};

/// So many keys of a bulk read go by one reading of the clock: some microseconds' work. More may take
/// longer than a value lives on.
const BY_ONE_MOMENT: usize = 64;

/// A sweep asks after so many entries whether to go on: some microseconds' work.
const ASKED_EVERY: usize = 64;

/// A cache in the memory of this process, over the [`Store`] of an adapter.
///
/// Made by its [`builder`](Self::builder). A clone is another handle to the same cache; the entries go
/// when the last one is dropped. A handle [in another namespace](Self::in_namespace) has entries of its own.
///
/// No operation waits for anything, so a future that is polled at all is done, and one that is
/// dropped before has done nothing. The operations can be called from any thread, with or without
/// an async runtime.
///
/// # Errors
///
/// Only writes fail, and only with [`TooLarge`](BackendErrorKind::TooLarge): for an object or a payload over
/// [`largest_value`](super::InProcessBuilder::largest_value), and for an entry that is heavier than
/// [`max_bytes`](super::InProcessBuilder::max_bytes) allow, or than 4 GiB. The key is then absent.
pub struct InProcess<S: Store> {
    // Dropped first: its thread uses the entries.
    _sweeper: Option<Arc<Sweeper>>,
    shared: Arc<Shared<S>>,
    /// The namespace of this handle, as others are told it.
    key_format: CacheKeyFormat,
    /// What its keys are kept in. None if the handle has the cache's own namespace: then all keys are of it.
    kept_in: Namespace,
}

/// What the clones of a backend share.
pub(super) struct Shared<S> {
    pub(super) store: S,
    pub(super) lives: Arc<Lives>,
    pub(super) capacity: Capacity,
    pub(super) weighers: Vec<Weigher>,
    pub(super) heaviest_entry: Option<u64>,
    pub(super) label: BackendLabel,
    pub(super) settings: StoreSettings,
    /// `None` if nobody wants to know of them.
    pub(super) evictions: Option<Arc<Evictions>>,
    pub(super) rejections: Arc<Rejections>,
}

impl<S: Store> Shared<S> {
    /// Drops the entries that are over, as long as `go_on` says so.
    pub(super) fn sweep(&self, go_on: impl Fn() -> bool) {
        let Some(mut sweep) = self.lives.begin_sweep() else {
            return;
        };
        let mut number = 0_usize;
        let seen = self.store.visit(|key, held| {
            if number.is_multiple_of(ASKED_EVERY) && !go_on() {
                return ControlFlow::Break(());
            }
            number += 1;
            if sweep.is_over(held) {
                let is_over = |held: &Held| self.lives.is_over(held);
                self.store.remove_if(key, is_over);
            }
            ControlFlow::Continue(())
        });
        match seen {
            ControlFlow::Continue(()) => sweep.complete(),
            ControlFlow::Break(()) => sweep.stop(),
        }
    }

    /// Expiry is by the wall clock.
    fn find(&self, key: &CacheKey, moment: &Moment) -> Option<CacheValue<Raw>> {
        self.store
            .get(key)
            .filter(|held| !self.lives.is_cleared(held) && !held.value.is_expired_at(moment))
            .map(|held| held.value)
    }

    fn read(&self, key: &CacheKey, context: &mut BoxContext, moment: &Moment) -> ReadOutcome {
        let outcome = Ok(self.find(key, moment));
        note_outcome_at(context, &outcome, || self.label.clone(), moment);
        outcome
    }

    fn keep(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let value = value.map(Raw::without_bytes);
        let weight = match self.weigh(key, &value) {
            Ok(weight) => weight,
            Err(error) => {
                // The older value must not pose as the refused one.
                self.store.remove(key);
                return Err(error);
            }
        };
        if value.is_expired() {
            self.store.remove(key);
            return Ok(());
        }
        self.store.insert(key, self.lives.hold(value, weight));
        Ok(())
    }

    fn take(&self, key: &CacheKey) -> DeleteStatus {
        let removed = self.store.remove(key);
        let live = removed.filter(|held| !self.lives.is_cleared(held) && !held.value.is_expired());
        DeleteStatus::from(&live)
    }

    /// What the entry counts as, if it is let in.
    fn weigh(&self, key: &CacheKey, value: &CacheValue<Raw>) -> BackendResult<u32> {
        // At most once: it takes about as long as to encode the object.
        let memory = LazyCell::new(|| entry::memory_of(key, value.data(), &self.weighers));
        if let Some(largest) = self.settings.largest_value {
            let length = match value.data().payload() {
                Some(payload) => payload.len(),
                None => *memory,
            };
            if length > largest {
                return Err(self.too_large(format!(
                    "the value has {length} bytes, and largest_value is {largest}"
                )));
            }
        }
        let weight = match self.capacity {
            Capacity::Entries(_) => 1,
            Capacity::Bytes(_) => entry::weight::<S>(key, *memory),
        };
        if let Some(heaviest) = self.heaviest_entry.filter(|most| weight > *most) {
            return Err(self.too_large(format!(
                "the entry takes {weight} bytes of memory, and the cache takes entries of up to {heaviest}"
            )));
        }
        Ok(u32::try_from(weight).unwrap_or(u32::MAX))
    }

    fn too_large(&self, detail: String) -> BackendError {
        BackendError::new(
            BackendErrorKind::TooLarge,
            Operation::Write,
            self.label.clone(),
        )
        .with_detail(detail)
    }
}

impl<S: Store> InProcess<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, sweeper: Option<Arc<Sweeper>>) -> Self {
        Self {
            _sweeper: sweeper,
            key_format: shared.settings.key_format.clone(),
            kept_in: Namespace::NONE,
            shared,
        }
    }

    /// Another handle to the same cache, for a tenant: its entries are apart from those of all other
    /// namespaces, that of the [builder](super::InProcessBuilder::namespace) among them. They share the capacity, the
    /// statistics, and [`clear`](Self::clear).
    ///
    /// An empty name leads back to the builder's. A call by a handle in any other namespace makes a key, which
    /// takes about as long as the look-up.
    #[must_use]
    pub fn in_namespace(&self, name: &str) -> Self {
        let (own, named) = (
            &self.shared.settings.key_format,
            CacheKeyFormat::namespaced(name),
        );
        let (key_format, kept_in) = if name.is_empty() || named == *own {
            (own.clone(), Namespace::NONE)
        } else if *own == CacheKeyFormat::TEXT {
            (named, Namespace::new(name))
        } else {
            // The keys of the cache's own namespace are kept as they are, and may be in any other.
            (named, Namespace::new(name).beside())
        };
        Self {
            key_format,
            kept_in,
            ..self.clone()
        }
    }

    /// The key as it is kept.
    fn kept<'k>(&self, key: &'k CacheKey) -> Cow<'k, CacheKey> {
        if self.kept_in.is_none() {
            Cow::Borrowed(key)
        } else {
            Cow::Owned(key.in_namespace(&self.kept_in))
        }
    }

    /// How much there is in the cache, and what became of what is no longer there.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let shared = &*self.shared;
        let evicted = shared.evictions.as_ref();
        Statistics {
            entries: shared.store.entries(),
            bytes: match shared.capacity {
                Capacity::Entries(_) => None,
                Capacity::Bytes(_) => Some(shared.store.weight()),
            },
            evicted_expired: evicted.map(|evictions| evictions.expired()),
            evicted_by_bound: evicted.map(|evictions| evictions.by_bound()),
            rejections: Arc::clone(&shared.rejections),
        }
    }

    /// Does what has been put off: drops what has expired or was cleared, evicts down to the
    /// capacity, and brings the counts of [`statistics`](Self::statistics) up to date.
    ///
    /// A thread of the backend's own, and reads and writes in passing, do this by themselves. Runs on
    /// the calling thread, the longer the more entries there are.
    pub fn run_pending_tasks(&self) {
        self.shared.sweep(|| true);
        self.shared.store.run_pending_tasks();
    }

    /// Removes every entry.
    ///
    /// None of the entries written before is served once this returns. Their memory is given back
    /// by the next [sweep](super::InProcessBuilder::sweep_every), or by
    /// [`run_pending_tasks`](Self::run_pending_tasks). The eviction listener is not told.
    pub fn clear(&self) {
        self.shared.lives.clear();
    }
}

#[async_trait]
impl<S: Store> Backend for InProcess<S> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        Ok(self.shared.find(&self.kept(key), &Moment::default()))
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.shared.keep(&self.kept(key), value)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(self.shared.take(&self.kept(key)))
    }

    // This and the bulk forms: the provided ones allocate one more future for each key, which a
    // look-up in memory feels.
    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        self.shared
            .read(&self.kept(key), context, &Moment::default())
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        Attempt::Ready(self.shared.read(&self.kept(key), context, moment))
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        Attempt::Ready(self.shared.keep(&self.kept(key), value))
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BY_ONE_MOMENT) {
            let moment = Moment::default();
            let find = |key| Ok(self.shared.find(&self.kept(key), &moment));
            outcomes.extend(keys.iter().map(find));
        }
        outcomes
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let store = |(key, value)| self.shared.keep(&self.kept(&key), value);
        entries.into_iter().map(store).collect()
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        keys.iter()
            .map(|key| Ok(self.shared.take(&self.kept(key))))
            .collect()
    }

    fn label(&self) -> BackendLabel {
        self.shared.label.clone()
    }

    fn value_format(&self) -> &dyn Format {
        &*self.shared.settings.value_format
    }

    fn key_format(&self) -> &CacheKeyFormat {
        &self.key_format
    }

    fn capabilities(&self) -> Capabilities {
        // The defaults say the rest: exact to the millisecond, neither persistent nor shared.
        Capabilities {
            largest_value: self.shared.settings.largest_value,
            largest_decoded: self.shared.settings.largest_decoded,
            keeps_bytes: false,
            keeps_metadata: true,
            ..Capabilities::default()
        }
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.shared
            .rejections
            .note(&self.shared.label, key, rejection);
    }
}

/// Another handle to the same cache.
impl<S: Store> Clone for InProcess<S> {
    fn clone(&self) -> Self {
        Self {
            _sweeper: self._sweeper.clone(),
            shared: Arc::clone(&self.shared),
            key_format: self.key_format.clone(),
            kept_in: self.kept_in.clone(),
        }
    }
}

/// Shows settings and counts, no keys and no values.
impl<S: Store> fmt::Debug for InProcess<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("store", &S::NAME)
            .field("label", &self.shared.label.as_str())
            .field("capacity", &self.shared.capacity)
            .field("settings", &self.shared.settings)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
