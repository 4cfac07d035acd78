use std::{fmt, marker::PhantomData, ops::RangeInclusive, sync::Arc, time::Duration};

use hitbox_core::{BackendLabel, CacheKey};

use super::{
    Capacity, EvictionCause, InProcess, Store,
    backend::Shared,
    entry::{self, Weigher, least_weight},
    eviction::{EvictionListener, Evictions},
    held::Lives,
    sweeper::Sweeper,
};
use crate::{
    BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Format, Operation, StoreSettings,
};

const DEFAULT_SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What the background work can be done at.
const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// Stands in an [`InProcessBuilder`] until a capacity is chosen. There is no default: what a
/// process can spare only its author knows.
#[derive(Clone, Copy, Debug)]
pub struct CapacityUnset;

/// The settings of an [`InProcess`] backend.
///
/// [`build`](Self::build) is there once one of [`max_entries`](Self::max_entries) and
/// [`max_bytes`](Self::max_bytes) was called, and these are there until then, so exactly one is.
pub struct InProcessBuilder<S, C> {
    capacity: C,
    evictions: WatchedEvictions,
    weighers: Vec<Weigher>,
    settings: StoreSettings,
    sweep_every: Option<Duration>,
    store: PhantomData<fn() -> S>,
}

/// What is made of evictions. Some stores pay for being told of them: so only on request.
enum WatchedEvictions {
    None,
    Counted,
    Told(EvictionListener),
}

impl<S: Store> InProcess<S> {
    /// Settings for a new cache. A capacity must be chosen, by
    /// [`max_entries`](InProcessBuilder::max_entries) or
    /// [`max_bytes`](InProcessBuilder::max_bytes), before it can be built.
    #[must_use]
    pub fn builder() -> InProcessBuilder<S, CapacityUnset> {
        InProcessBuilder {
            capacity: CapacityUnset,
            evictions: WatchedEvictions::None,
            weighers: Vec::new(),
            settings: StoreSettings::new(),
            sweep_every: Some(DEFAULT_SWEEP_EVERY),
            store: PhantomData,
        }
    }
}

impl<S: Store> InProcessBuilder<S, CapacityUnset> {
    /// Keeps up to this many entries, whatever their size.
    ///
    /// Memory is bounded only together with [`largest_value`](Self::largest_value).
    #[must_use]
    pub fn max_entries(self, max_entries: u64) -> InProcessBuilder<S, Capacity> {
        self.with_capacity(Capacity::Entries(max_entries))
    }

    /// Keeps as many entries as fit into this many bytes of memory.
    ///
    /// An entry weighs what it takes: its key, the object by what serde shows of it (see
    /// [`weight_of`](super::weight_of)) or the payload, and the bookkeeping of the store
    /// ([`Store::ENTRY_OVERHEAD`]). With a [`weigher`](Self::weigher) for the type of the object, what that says
    /// stands in place of payload and object.
    #[must_use]
    pub fn max_bytes(self, max_bytes: u64) -> InProcessBuilder<S, Capacity> {
        self.with_capacity(Capacity::Bytes(max_bytes))
    }

    fn with_capacity(self, capacity: Capacity) -> InProcessBuilder<S, Capacity> {
        InProcessBuilder {
            capacity,
            evictions: self.evictions,
            weighers: self.weighers,
            settings: self.settings,
            sweep_every: self.sweep_every,
            store: PhantomData,
        }
    }
}

impl<S: Store, C> InProcessBuilder<S, C> {
    /// Calls `listener` for every entry that is dropped because it expired or to make room. Entries
    /// that the application overwrites, removes or clears are not reported, unless they had already
    /// expired.
    ///
    /// The call may come some time after the fact, from a thread that reads or writes another entry, and that thread
    /// waits for it: keep it short. It must not use this backend, which may hold locks then and could deadlock; let
    /// it send the key to a channel instead. If it panics, the panic is caught and logged, and the next eviction is
    /// reported as usual (in a program built with `panic = "abort"`, the program ends).
    ///
    /// See [`count_evictions`](Self::count_evictions) for what it costs.
    #[must_use]
    pub fn eviction_listener(
        mut self,
        listener: impl Fn(&CacheKey, EvictionCause) + Send + Sync + 'static,
    ) -> Self {
        self.evictions = WatchedEvictions::Told(Box::new(listener));
        self
    }

    /// Counts evictions by cause, for [`Statistics`](super::Statistics). With an
    /// [eviction listener](Self::eviction_listener) they are counted in any case.
    ///
    /// Not the default, because with moka every write pays for it: to be told of evictions, it locks the key.
    /// Reads are as fast as without.
    #[must_use]
    pub fn count_evictions(mut self) -> Self {
        if let WatchedEvictions::None = self.evictions {
            self.evictions = WatchedEvictions::Counted;
        }
        self
    }

    /// Weighs objects of type `T`, under a capacity in bytes, by what `weigher` says that they take, in bytes: for those that
    /// have reserved more than they hold, that share parts with others, or that serde does not show. The key and the bookkeeping
    /// are counted beside it. Called once for each write; keep it short. One for each type; the first one counts.
    #[must_use]
    pub fn weigher<T: Send + Sync + 'static>(
        mut self,
        weigher: impl Fn(&CacheKey, &T) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.weighers.push(Box::new(move |key, raw| {
            raw.object_of::<T>().map(|object| weigher(key, &object))
        }));
        self
    }

    /// The settings that all adapters have, in place of those that were made so far. Each also has a
    /// setter here, but for the compressor: nothing is compressed.
    #[must_use]
    pub fn settings(mut self, settings: StoreSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The name in source paths, errors and traces. Default: the [name](Store::NAME) of the store.
    #[must_use]
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.settings = self.settings.label(label);
        self
    }

    /// The namespace of the keys: that of the layer behind this one, if it has one. Compositions then hand keys
    /// over as they are, where they would else make one in that namespace for every call, for a cache that
    /// others may share. See also [`in_namespace`](InProcess::in_namespace). An empty
    /// name is no namespace. Default: none.
    ///
    /// It keeps nothing apart in the layer behind: give that one the namespace, or both of them.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.settings = self.settings.namespace(name);
        self
    }

    /// The same by the format of the layer behind, whatever its namespace is.
    #[must_use]
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.settings = self.settings.key_format(key_format);
        self
    }

    /// Refuses objects that weigh more than this many bytes, as [`max_bytes`](Self::max_bytes) has it, and payloads
    /// that are longer. Default:
    /// what the capacity allows.
    #[must_use]
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.settings.largest_value = Some(bytes);
        self
    }

    /// The format that typed access encodes values in. Default: bincode.
    ///
    /// This cache keeps objects, and encodes none. In front of a layer that keeps bytes, a value is encoded when it
    /// is set, in the format of the composition.
    #[must_use]
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.settings = self.settings.value_format(format);
        self
    }

    /// The largest payload to decode, in bytes: see [`StoreSettings::largest_decoded`]. Default: 64 MiB.
    #[must_use]
    pub const fn largest_decoded(mut self, bytes: usize) -> Self {
        self.settings.largest_decoded = bytes;
        self
    }

    /// How often the memory of entries that have expired, or were cleared, is given back, by a thread
    /// of the backend's own. Default: every second. `None`: only by
    /// [`run_pending_tasks`](InProcess::run_pending_tasks), or when room is needed.
    ///
    /// Expired entries are not returned whether their memory has been given back or not. The thread
    /// looks at every entry if one is due, and then rests for 19 times as long as that took. It ends
    /// when the last clone of the backend is dropped.
    #[must_use]
    pub const fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }
}

impl<S: Store> InProcessBuilder<S, Capacity> {
    /// The backend.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration), naming the setting, for a
    /// capacity that is zero or too small for a single entry, a `largest_value` that
    /// does not fit into the capacity, a `sweep_every` that is not 1 ms to 24 hours, and what
    /// [`StoreSettings::check`] refuses;
    /// [`Unavailable`](BackendErrorKind::Unavailable) if the system gives this process no thread
    /// for the sweep.
    pub fn build(self) -> BackendResult<InProcess<S>> {
        self.check()?;
        let label = self.label_in_force();
        let Self {
            capacity,
            evictions,
            weighers,
            settings,
            sweep_every,
            store: _,
        } = self;
        let lives = Arc::new(Lives::new());
        let watched = |listener| {
            let lives = Arc::clone(&lives);
            Some(Arc::new(Evictions::new(listener, lives, label.clone())))
        };
        let evictions = match evictions {
            WatchedEvictions::None => None,
            WatchedEvictions::Counted => watched(None),
            WatchedEvictions::Told(listener) => watched(Some(listener)),
        };
        let largest = settings.largest_value.map_or(0, least_weight::<S>);
        let shared = Arc::new(Shared {
            store: S::open(capacity, largest, evictions.clone()),
            lives,
            capacity,
            weighers,
            heaviest_entry: entry::heaviest::<S>(capacity, largest),
            label,
            settings,
            evictions,
            rejections: Arc::default(),
        });
        let start = |every| {
            let shared = Arc::clone(&shared);
            let label = shared.label.clone();
            Sweeper::start(label, every, move |go_on| shared.sweep(go_on)).map(Arc::new)
        };
        let sweeper = sweep_every.map(start).transpose().map_err(|cause| {
            let (kind, label) = (BackendErrorKind::Unavailable, shared.label.clone());
            BackendError::new(kind, Operation::Open, label)
                .with_detail("the sweep thread could not be started")
                .with_source(cause)
        })?;
        Ok(InProcess::new(shared, sweeper))
    }

    fn check(&self) -> BackendResult<()> {
        self.settings.check(S::NAME)?;
        if let Some(every) = self.sweep_every
            && !INTERVALS.contains(&every)
        {
            return Err(self.refuse(format!(
                "sweep_every is {every:?}: give 1 ms to 24 hours, or None for never"
            )));
        }
        let max_bytes = match self.capacity {
            Capacity::Entries(0) => {
                return Err(self.refuse(
                    "max_entries is 0: give the number of entries to keep; a service that is to \
                     run without this cache leaves the backend out"
                        .into(),
                ));
            }
            Capacity::Entries(_) => return Ok(()),
            Capacity::Bytes(max_bytes) => max_bytes,
        };
        let smallest = S::least_capacity(least_weight::<S>(0));
        if max_bytes < smallest {
            return Err(self.refuse(format!(
                "max_bytes is {max_bytes}: give at least {smallest}, which a single empty value \
                 takes"
            )));
        }
        let largest_value = self.settings.largest_value.unwrap_or(0);
        let largest = S::least_capacity(least_weight::<S>(largest_value));
        if max_bytes < largest {
            return Err(self.refuse(format!(
                "largest_value does not fit: such a value wants a max_bytes of {largest}, and it is \
                 {max_bytes}; raise max_bytes or lower largest_value"
            )));
        }
        Ok(())
    }

    fn refuse(&self, detail: String) -> BackendError {
        BackendError::invalid_configuration(self.label_in_force(), detail)
    }

    fn label_in_force(&self) -> BackendLabel {
        self.settings.label_or(S::NAME)
    }
}

impl fmt::Debug for WatchedEvictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "not watched",
            Self::Counted => "counted",
            Self::Told(_) => "told to a listener",
        })
    }
}

impl<S: Store, C: fmt::Debug> fmt::Debug for InProcessBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessBuilder")
            .field("store", &S::NAME)
            .field("capacity", &self.capacity)
            .field("evictions", &self.evictions)
            .field("settings", &self.settings)
            .field("sweep_every", &self.sweep_every)
            .finish()
    }
}
