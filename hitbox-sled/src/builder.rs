use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities, Compressor,
    Format, Operation, StoreSettings, byte_store::Codec, stored_form,
};
use hitbox_core::BackendLabel;

use crate::{
    SledBackend,
    directory::Directory,
    inner::Inner,
    recovery::{self, OpenSettings},
    store::slot,
    sweep::Sweeper,
    threads,
};

/// The label of a backend that is given none.
const DEFAULT_LABEL: &str = "sled";

/// What the background work can be done at.
const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// sled panics where it has less.
const LEAST_CACHE_CAPACITY: u64 = 256;

/// The settings of a [`SledBackend`]. Only [`path`](Self::path) must be given.
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `build` or `open` is called"]
pub struct SledBackendBuilder {
    path: Option<PathBuf>,
    settings: StoreSettings,
    max_bytes: u64,
    cache_capacity: u64,
    flush_every: Option<Duration>,
    sweep_every: Option<Duration>,
    rebuild_above: Option<u64>,
}

impl SledBackend {
    /// A builder with the default settings.
    pub fn builder() -> SledBackendBuilder {
        SledBackendBuilder::new()
    }
}

impl SledBackendBuilder {
    /// The default of [`max_bytes`](Self::max_bytes): 1 GiB.
    pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;
    /// The default of [`cache_capacity`](Self::cache_capacity): 64 MiB.
    pub const DEFAULT_CACHE_CAPACITY: u64 = 64 << 20;
    /// The default of [`flush_every`](Self::flush_every): half a second.
    pub const DEFAULT_FLUSH_EVERY: Duration = Duration::from_millis(500);
    /// The default of [`sweep_every`](Self::sweep_every): ten seconds.
    pub const DEFAULT_SWEEP_EVERY: Duration = Duration::from_secs(10);

    pub(crate) fn new() -> Self {
        Self {
            path: None,
            settings: StoreSettings::new(),
            max_bytes: Self::DEFAULT_MAX_BYTES,
            cache_capacity: Self::DEFAULT_CACHE_CAPACITY,
            flush_every: Some(Self::DEFAULT_FLUSH_EVERY),
            sweep_every: Some(Self::DEFAULT_SWEEP_EVERY),
            rebuild_above: None,
        }
    }

    /// The directory to live in. It is created if it is not there, and belongs to one open backend
    /// at a time.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The settings that all adapters have, in place of those that were made so far. Each also has a
    /// setter here.
    pub fn settings(mut self, settings: StoreSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The name in source paths, errors and traces. Default: `sled`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.settings = self.settings.label(label);
        self
    }

    /// The namespace of all keys: see [`StoreSettings::namespace`]. Default: none.
    pub fn namespace(mut self, name: &str) -> Self {
        self.settings = self.settings.namespace(name);
        self
    }

    /// How keys become stored keys: see [`StoreSettings::key_format`].
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.settings = self.settings.key_format(key_format);
        self
    }

    /// The format that typed access encodes values in: see [`StoreSettings::value_format`]. Default:
    /// bincode.
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.settings = self.settings.value_format(format);
        self
    }

    /// What payloads are compressed with: see [`StoreSettings::compressor`]. Default: nothing.
    pub fn compressor(mut self, compressor: impl Compressor + 'static) -> Self {
        self.settings = self.settings.compressor(compressor);
        self
    }

    /// The largest payload to store, in bytes: see [`StoreSettings::largest_value`]. At most half of
    /// [`max_bytes`](Self::max_bytes), so that one value never displaces everything else. Default: as
    /// much as is decoded, or half of `max_bytes` if that is less.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.settings.largest_value = Some(bytes);
        self
    }

    /// The largest payload to decode, in bytes: see [`StoreSettings::largest_decoded`]. Default: 64 MiB.
    pub const fn largest_decoded(mut self, bytes: usize) -> Self {
        self.settings.largest_decoded = bytes;
        self
    }

    /// The bound on what is stored, in bytes. Default: 1 GiB.
    ///
    /// When a write takes the sum over the bound, it evicts what expires first, and after that, of
    /// what never expires, what was created first, until the bound is kept; only then does it
    /// return. So the sum is over the bound by no more than the writes that have not returned.
    ///
    /// An entry counts what it takes on disk in the mean. Key and stored form (the payload and 48
    /// bytes) of up to 4 KiB together stand in sled's log: half as much again as they and another
    /// copy of the key are long, and 536 bytes. What is longer stands in a file of its own, which
    /// counts its whole blocks of 4 KiB and about 1,200 bytes.
    ///
    /// *On disk* the backend takes at most three times this and 64 MiB: files of long values are
    /// deleted when they are no longer needed, and should sled's log grow too long, more is evicted.
    /// The log itself rarely shrinks but by a [rebuild](Self::rebuild_above).
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How much sled keeps in memory of what is on disk, in bytes. Default: 64 MiB.
    pub const fn cache_capacity(mut self, bytes: u64) -> Self {
        self.cache_capacity = bytes;
        self
    }

    /// How often what was written is forced to the disk, in the background. Default: every half
    /// second. `None`: when [`flush`](SledBackend::flush) is called and when the backend is closed.
    ///
    /// A crash of the process, `SIGKILL` among them, undoes what has not been flushed: with the
    /// default, the last half second and the time that a flush takes. What is there after it is whole.
    /// What was written for a new key is missing. Where a value of up to 4 KiB (key and stored form)
    /// was replaced or removed, the old value *is back*, and is a hit until it expires or the key is
    /// written or removed again. A longer one does not come back: the key is missing.
    ///
    /// If the machine crashes, longer values may be back, too. What was flushed before is on the disk
    /// then, but for the files of longer values, which are once the system has written them by itself,
    /// or after [`flush`](SledBackend::flush).
    pub const fn flush_every(mut self, interval: Option<Duration>) -> Self {
        self.flush_every = interval;
        self
    }

    /// How often expired entries are deleted, by a thread of the backend's own. Default: every ten
    /// seconds. `None`: only when [`sweep_now`](SledBackend::sweep_now) is called, or when room is
    /// needed.
    ///
    /// Expired entries are not returned whether they have been deleted or not.
    pub const fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Rebuilds sled's log at open if everything takes more than this on disk, in bytes; 0: always.
    /// Default: what [`max_bytes`](Self::max_bytes) allows, so that a directory of an earlier version,
    /// or of a cache that was larger, comes down to it.
    ///
    /// A rebuild copies the live entries into a fresh log that takes the place of the old one; while
    /// it runs, the disk holds both. A crash in the middle leaves the old one. It happens at open
    /// because the log cannot be replaced while it is in use.
    pub const fn rebuild_above(mut self, bytes: u64) -> Self {
        self.rebuild_above = Some(bytes);
        self
    }

    /// Opens the directory. *Blocks* on disk I/O: it reads everything that is stored, to count it
    /// and to find damage now rather than later, so it takes the longer the more there is. (Of values in
    /// files it checks the length; their content is checked when it is read.)
    /// In async code call [`open`](Self::open).
    ///
    /// Files that sled cannot use are set aside within the directory and the cache starts empty:
    /// see [`SledBackend::recovered_from`].
    ///
    /// # Errors
    ///
    /// - [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration) for settings that cannot
    ///   work, a directory that cannot be written among them; the message names the setting.
    /// - [`Unavailable`](BackendErrorKind::Unavailable) if another process, or another backend of
    ///   this one, still holds the directory after a second (a closed one does if its disk has failed,
    ///   until its process ends), if the system gives this process no
    ///   more threads (sled needs nine), and for a disk that fails.
    pub fn build(self) -> BackendResult<SledBackend> {
        let codec = self.codec()?;
        let label = codec.label();
        let path = self.checked_path(label)?;
        threads::check(label)?;
        let directory = Directory::lock(&path, label)?;
        let settings = OpenSettings {
            cache_capacity: self.cache_capacity,
            flush_every: self.flush_every,
            max_bytes: self.max_bytes,
            rebuild_above: self.rebuild_above,
        };
        let opened = recovery::open(&directory, &settings, label)?;
        let store = Arc::new(opened.store);
        let sweeper = Sweeper::start(Arc::clone(&store), self.sweep_every, label.clone());
        let sweeper = sweeper.map_err(|cause| {
            let failed = codec.error(BackendErrorKind::Unavailable, Operation::Open);
            let failed = failed.with_detail("the sweep thread could not be started");
            failed.with_source(cause)
        })?;
        Ok(SledBackend::from(Inner {
            _sweeper: sweeper,
            store,
            codec,
            set_aside: opened.set_aside,
            directory,
        }))
    }

    /// [`build`](Self::build), off the async threads. Outside of a tokio runtime it blocks.
    ///
    /// Dropping the future does not stop the opening; the backend is closed again when it is done.
    ///
    /// # Errors
    ///
    /// What [`build`](Self::build) returns.
    pub async fn open(self) -> BackendResult<SledBackend> {
        let label = self.settings.label_or(DEFAULT_LABEL);
        crate::offload::run(move || self.build(), Operation::Open, &label).await?
    }

    fn checked_path(&self, label: &BackendLabel) -> BackendResult<PathBuf> {
        let refuse = |detail: &str| Err(BackendError::invalid_configuration(label.clone(), detail));
        let Some(path) = self
            .path
            .clone()
            .filter(|path| !path.as_os_str().is_empty())
        else {
            return refuse("`path` is missing: name a directory for the cache's files");
        };
        let least = slot::cost_of(b"", stored_form::HEADER_LENGTH);
        if self.max_bytes < least {
            return refuse(&format!(
                "`max_bytes` is {}: the smallest entry takes {least}; raise it",
                self.max_bytes
            ));
        }
        if self
            .settings
            .largest_value
            .is_some_and(|largest| largest > self.half_of_max_bytes())
        {
            return refuse(
                "`largest_value` is more than half of `max_bytes`: lower it, or raise `max_bytes`",
            );
        }
        if self.cache_capacity < LEAST_CACHE_CAPACITY {
            return refuse("`cache_capacity` is less than 256 bytes, which sled needs; raise it");
        }
        for (name, interval) in [
            ("flush_every", self.flush_every),
            ("sweep_every", self.sweep_every),
        ] {
            if interval.is_some_and(|interval| !INTERVALS.contains(&interval)) {
                return refuse(&format!(
                    "`{name}` is {:?}: give 1 ms to 24 hours, or None for never",
                    interval.unwrap_or_default()
                ));
            }
        }
        Ok(path)
    }

    fn half_of_max_bytes(&self) -> usize {
        usize::try_from(self.max_bytes / 2).unwrap_or(usize::MAX)
    }

    fn codec(&self) -> BackendResult<Codec> {
        let largest_decoded = self.settings.largest_decoded;
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(largest_decoded.min(self.half_of_max_bytes()));
        capabilities.persistent = true;
        Codec::new(self.settings.clone(), DEFAULT_LABEL, capabilities)
    }
}
