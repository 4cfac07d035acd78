use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities,
    DeleteStatus, Format, Operation, ReadOutcome, Reading, Rejection, Rejections, Writing,
    note_outcome_at,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheKeyHash, CacheValue, Namespace, Raw, clock::Moment,
};
use moka::sync::Cache;

use crate::{
    Capacity, CapacityUnset, MokaBackendBuilder, MokaStatistics, backlog::Backlog,
    capacity::entry_weight, eviction::Evictions, maintenance::Maintenance,
};

/// So many keys of a bulk read go by one reading of the clock: some microseconds' work. More may take
/// longer than a value lives on.
const BY_ONE_MOMENT: usize = 64;

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
/// [`largest_value`](MokaBackendBuilder::largest_value), and for an entry that is heavier than the
/// whole of [`max_bytes`](MokaBackendBuilder::max_bytes), or than 4 GiB. The key is then absent.
#[derive(Clone)]
pub struct MokaBackend {
    shared: Arc<Shared>,
    /// The namespace of this handle, as others are told it.
    key_format: CacheKeyFormat,
    /// What its keys are kept in. None if the handle has the cache's own namespace: then all keys are of it.
    kept_in: Namespace,
    /// Beside the entries, not among them: the task reaches those through a weak reference.
    _maintenance: Option<Arc<Maintenance>>,
}

/// What the clones of a backend share.
pub(crate) struct Shared {
    pub(crate) cache: Cache<CacheKey, CacheValue<Raw>, CacheKeyHash>,
    pub(crate) capacity: Capacity,
    pub(crate) backlog: Option<Backlog>,
    pub(crate) largest_value: Option<usize>,
    pub(crate) label: BackendLabel,
    pub(crate) value_format: Box<dyn Format>,
    /// `None` if nobody wants to know of them.
    pub(crate) evictions: Option<Arc<Evictions>>,
    pub(crate) rejections: Rejections,
    /// The namespace of the builder.
    pub(crate) key_format: CacheKeyFormat,
}

impl Shared {
    pub(crate) fn run_pending_tasks(&self) {
        self.cache.run_pending_tasks();
    }

    /// moka hides what has expired by its own, monotonic clock. Expiry is by the wall clock, and
    /// the two part when that is set, or the machine sleeps.
    fn find(&self, key: &CacheKey, moment: &Moment) -> Option<CacheValue<Raw>> {
        self.cache
            .get(key)
            .filter(|value| !value.is_expired_at(moment))
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
        self.cache.insert(key.clone(), value);
        if self
            .backlog
            .as_ref()
            .is_some_and(|backlog| backlog.add(weight))
        {
            self.run_pending_tasks();
        }
        Ok(())
    }

    fn take(&self, key: &CacheKey) -> DeleteStatus {
        // After clear(), moka hides the old entries from look-ups at once, but hands them out from
        // remove() until its maintenance has dropped them.
        let visible = self.cache.contains_key(key);
        let removed = self.cache.remove(key);
        DeleteStatus::from(&removed.filter(|value| visible && !value.is_expired()))
    }

    fn check_size(&self, value: &CacheValue<Raw>, weight: u64) -> BackendResult<()> {
        let length = value.data().payload().len();
        if let Some(largest) = self.largest_value.filter(|largest| length > *largest) {
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
    /// Settings for a new cache. A capacity must be chosen, by
    /// [`max_entries`](MokaBackendBuilder::max_entries) or
    /// [`max_bytes`](MokaBackendBuilder::max_bytes), before it can be built.
    #[must_use]
    pub fn builder() -> MokaBackendBuilder<CapacityUnset> {
        MokaBackendBuilder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>, maintenance: Option<Arc<Maintenance>>) -> Self {
        Self {
            key_format: shared.key_format.clone(),
            kept_in: Namespace::NONE,
            shared,
            _maintenance: maintenance,
        }
    }

    /// Another handle to the same cache, for a tenant: its entries are apart from those of all other
    /// namespaces, that of the [builder](MokaBackendBuilder::namespace) among them. They share the capacity, the
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
        let (own, named) = (&self.shared.key_format, CacheKeyFormat::namespaced(name));
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
    pub fn statistics(&self) -> MokaStatistics {
        let shared = &*self.shared;
        MokaStatistics {
            entries: shared.cache.entry_count(),
            bytes: match shared.capacity {
                Capacity::Entries(_) => None,
                Capacity::Bytes(_) => Some(shared.cache.weighted_size()),
            },
            evictions: shared
                .evictions
                .as_ref()
                .map(|evictions| evictions.counts()),
            rejections: shared.rejections.total(),
        }
    }

    /// How many values typed access found and could not serve, by reason.
    #[must_use]
    pub fn rejections(&self) -> &Rejections {
        &self.shared.rejections
    }

    /// Does what moka has put off: evicts down to the capacity, drops what has expired or was
    /// cleared, and brings the counts of [`statistics`](Self::statistics) up to date.
    ///
    /// Reads and writes do this in passing, so there is no need to call it while there is traffic;
    /// see also [`maintenance`](MokaBackendBuilder::maintenance). The memory of an expired entry is
    /// given back in the first call that comes more than about a second after its expiry. Runs on
    /// the calling thread, the longer the more entries there are to drop; a call may leave something
    /// for the next one.
    pub fn run_pending_tasks(&self) {
        self.shared.run_pending_tasks();
    }

    /// Removes every entry.
    ///
    /// None of the entries written before is served once this returns. Their memory is given back
    /// by and by, or by [`run_pending_tasks`](Self::run_pending_tasks). The eviction listener is
    /// not told.
    pub fn clear(&self) {
        self.shared.cache.invalidate_all();
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

    fn begin_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Reading<'a> {
        Reading::Answered(self.shared.read(&self.kept(key), context, moment))
    }

    fn begin_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> Writing<'a> {
        Writing::Answered(self.shared.store(&self.kept(key), value))
    }

    fn writes_at_once(&self) -> bool {
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
        &*self.shared.value_format
    }

    fn key_format(&self) -> &CacheKeyFormat {
        &self.key_format
    }

    fn capabilities(&self) -> Capabilities {
        // The defaults say the rest: exact to the millisecond, neither persistent nor shared.
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = self.shared.largest_value;
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
            .field("largest_value", &self.shared.largest_value)
            .field("value_format", &self.shared.value_format)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
