use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities,
    DeleteStatus, Format, Operation, ReadAttempt, ReadOutcome, Rejection, Rejections,
    StoreSettings, WriteAttempt, note_outcome_at,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheKeyHash, CacheValue, Namespace, Raw, clock::Moment,
};
use moka::sync::Cache;

use crate::{
    Capacity, Statistics,
    backlog::Backlog,
    capacity::entry_weight,
    eviction::Evictions,
    held::{Held, Lives},
    sweeper::Sweeper,
};

/// So many keys of a bulk read go by one reading of the clock: some microseconds' work. More may take
/// longer than a value lives on.
const BY_ONE_MOMENT: usize = 64;

/// A sweep asks after so many entries whether to go on: some microseconds' work.
const ASKED_EVERY: usize = 64;

/// A cache in the memory of this process.
///
/// Made by [`MokaBackend::builder`]. A clone is another handle to the same cache; the entries go
/// when the last one is dropped. A handle [in another namespace](Self::in_namespace) has entries of its own.
///
/// No operation waits for anything, so a future that is polled at all is done, and one that is
/// dropped before has done nothing. The operations can be called from any thread, with or without
/// an async runtime.
///
/// # Errors
///
/// Only writes fail, and only with [`TooLarge`](BackendErrorKind::TooLarge): for a payload over
/// [`largest_value`](crate::MokaBackendBuilder::largest_value), and for an entry that is heavier than the
/// whole of [`max_bytes`](crate::MokaBackendBuilder::max_bytes), or than 4 GiB. The key is then absent.
#[derive(Clone)]
pub struct MokaBackend {
    // Dropped first: its thread uses the entries.
    _sweeper: Option<Arc<Sweeper>>,
    shared: Arc<Shared>,
    /// The namespace of this handle, as others are told it.
    key_format: CacheKeyFormat,
    /// What its keys are kept in. None if the handle has the cache's own namespace: then all keys are of it.
    kept_in: Namespace,
}

/// What the clones of a backend share.
pub(crate) struct Shared {
    pub(crate) cache: Cache<CacheKey, Held, CacheKeyHash>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) capacity: Capacity,
    pub(crate) backlog: Option<Backlog>,
    pub(crate) label: BackendLabel,
    pub(crate) settings: StoreSettings,
    /// `None` if nobody wants to know of them.
    pub(crate) evictions: Option<Arc<Evictions>>,
    pub(crate) rejections: Arc<Rejections>,
}

impl Shared {
    /// Drops the entries that are over, as long as `go_on` says so.
    pub(crate) fn sweep(&self, go_on: impl Fn() -> bool) {
        let Some(mut sweep) = self.lives.begin_sweep() else {
            return;
        };
        for (number, (key, held)) in self.cache.iter().enumerate() {
            if number.is_multiple_of(ASKED_EVERY) && !go_on() {
                return sweep.stop();
            }
            if sweep.is_over(&held) {
                self.drop_if_over(&key);
            }
        }
        sweep.complete();
    }

    fn drop_if_over(&self, key: &CacheKey) {
        let _serialized = self.lives.lock(key);
        let found = self.cache.get(key);
        if found.is_some_and(|held| self.lives.is_over(&held)) {
            self.cache.invalidate(key);
        }
    }

    /// Expiry is by the wall clock.
    fn find(&self, key: &CacheKey, moment: &Moment) -> Option<CacheValue<Raw>> {
        self.cache
            .get(key)
            .filter(|held| !self.lives.is_cleared(held) && !held.value.is_expired_at(moment))
            .map(|held| held.value)
    }

    fn read(&self, key: &CacheKey, context: &mut BoxContext, moment: &Moment) -> ReadOutcome {
        let outcome = Ok(self.find(key, moment));
        note_outcome_at(context, &outcome, || self.label.clone(), moment);
        outcome
    }

    fn store(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let weight = entry_weight(key, &value);
        if let Err(error) = self.check_size(&value, weight) {
            // moka would serve the oversized entry until its next maintenance, and the older value
            // must not pose as the refused one.
            self.cache.invalidate(key);
            return Err(error);
        }
        if value.is_expired() {
            self.cache.invalidate(key);
            return Ok(());
        }
        let held = self.lives.hold(value);
        {
            let _serialized = self.lives.lock(key);
            self.cache.insert(key.clone(), held);
        }
        if self
            .backlog
            .as_ref()
            .is_some_and(|backlog| backlog.add(weight))
        {
            self.cache.run_pending_tasks();
        }
        Ok(())
    }

    fn take(&self, key: &CacheKey) -> DeleteStatus {
        let removed = self.cache.remove(key);
        let live = removed.filter(|held| !self.lives.is_cleared(held) && !held.value.is_expired());
        DeleteStatus::from(&live)
    }

    fn check_size(&self, value: &CacheValue<Raw>, weight: u64) -> BackendResult<()> {
        let encoded = value.data().encoded();
        let length = encoded.map_or(0, |encoded| encoded.payload().len());
        let largest = self.settings.largest_value;
        if let Some(largest) = largest.filter(|largest| length > *largest) {
            return Err(self.too_large(format!(
                "the payload has {length} bytes, and largest_value is {largest}"
            )));
        }
        if let Some(heaviest) = self.capacity.heaviest_entry().filter(|most| weight > *most) {
            return Err(self.too_large(format!(
                "the entry takes {weight} bytes of memory, and the cache holds {heaviest}"
            )));
        }
        Ok(())
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

impl MokaBackend {
    pub(crate) fn new(shared: Arc<Shared>, sweeper: Option<Arc<Sweeper>>) -> Self {
        Self {
            _sweeper: sweeper,
            key_format: shared.settings.key_format.clone(),
            kept_in: Namespace::NONE,
            shared,
        }
    }

    /// Another handle to the same cache, for a tenant: its entries are apart from those of all other
    /// namespaces, that of the [builder](crate::MokaBackendBuilder::namespace) among them. They share the capacity, the
    /// statistics, and [`clear`](Self::clear).
    ///
    /// An empty name leads back to the builder's. A call by a handle in any other namespace makes a key, which
    /// takes about as long as the look-up.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use hitbox_backend::{Backend, CacheKey, CacheValue, Raw, Stamp};
    /// use hitbox_moka::MokaBackend;
    ///
    /// let cache = MokaBackend::builder().max_bytes(64 << 20).build()?;
    /// let (a, b) = (cache.in_namespace("tenant-a"), cache.in_namespace("tenant-b"));
    /// let key = CacheKey::from_pair("id", "42");
    /// a.write(&key, CacheValue::loaded(Raw::from(vec![1]), Stamp::now())).await?;
    /// assert!(a.read(&key).await?.is_some());
    /// assert!(b.read(&key).await?.is_none());
    /// # Ok::<(), hitbox_backend::BackendError>(())
    /// # }).unwrap();
    /// ```
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
            entries: shared.cache.entry_count(),
            bytes: match shared.capacity {
                Capacity::Entries(_) => None,
                Capacity::Bytes(_) => Some(shared.cache.weighted_size()),
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
        self.shared.cache.run_pending_tasks();
    }

    /// Removes every entry.
    ///
    /// None of the entries written before is served once this returns. Their memory is given back
    /// by the next [sweep](crate::MokaBackendBuilder::sweep_every), or by
    /// [`run_pending_tasks`](Self::run_pending_tasks). The eviction listener is not told.
    pub fn clear(&self) {
        self.shared.lives.clear();
    }
}

#[async_trait]
impl Backend for MokaBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        Ok(self.shared.find(&self.kept(key), &Moment::default()))
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.shared.store(&self.kept(key), value)
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
        Attempt::Ready(self.shared.store(&self.kept(key), value))
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
        let store = |(key, value)| self.shared.store(&self.kept(&key), value);
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
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = self.shared.settings.largest_value;
        capabilities.largest_decoded = self.shared.settings.largest_decoded;
        capabilities
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.shared
            .rejections
            .note(&self.shared.label, key, rejection);
    }
}

/// Shows settings and counts, no keys and no values.
impl fmt::Debug for MokaBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MokaBackend")
            .field("label", &self.shared.label.as_str())
            .field("capacity", &self.shared.capacity)
            .field("settings", &self.shared.settings)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
