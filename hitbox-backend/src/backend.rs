use std::fmt;

use async_trait::async_trait;
use futures::future::BoxFuture;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, CompressorId, FormatId, Raw,
    ResponseSource, clock::Moment,
};

use crate::{
    BackendResult, CacheKeyFormat, Capabilities, DeleteStatus, Rejection,
    compression::{self, Compressor, NoCompression},
    format::{self, BincodeFormat, Format},
    rejection,
};

/// The answer to a read: a live value, or `None` for a miss.
pub type ReadOutcome = BackendResult<Option<CacheValue<Raw>>>;

/// How far [`Backend::begin_read`] got.
pub enum Reading<'a> {
    /// To the end: nothing had to be waited for.
    Answered(ReadOutcome),
    /// Part of the way; the future does the rest. Dropping it is safe: compositions do, and read anew by
    /// [`Backend::read_with`].
    Begun(BoxFuture<'a, ReadOutcome>),
    /// Nowhere, and nothing has been done or noted: [`Backend::read_with`] is to be called.
    NotBegun,
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(outcome) => f.debug_tuple("Answered").field(outcome).finish(),
            Self::Begun(_) => f.write_str("Begun"),
            Self::NotBegun => f.write_str("NotBegun"),
        }
    }
}

/// How far [`Backend::begin_write`] got.
pub enum Writing<'a> {
    /// To the end: nothing had to be waited for.
    Answered(BackendResult<()>),
    /// Part of the way; the future does the rest. Dropping it leaves the old value or the new one.
    ///
    /// It is to be polled to its end, or dropped: until then, that of a composition keeps other changes
    /// of the key waiting.
    Begun(BoxFuture<'a, BackendResult<()>>),
    /// Nowhere, and nothing has been done: this is the value, for [`Backend::write`].
    NotBegun(CacheValue<Raw>),
}

/// Shows no values.
impl fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(outcome) => f.debug_tuple("Answered").field(outcome).finish(),
            Self::Begun(_) => f.write_str("Begun"),
            Self::NotBegun(_) => f.write_str("NotBegun"),
        }
    }
}

/// A place where cached values are kept.
///
/// [`read`](Self::read), [`write`](Self::write), [`remove`](Self::remove) and
/// [`label`](Self::label) are all that an adapter must provide. The trait is object-safe and
/// implemented for `&B`, `Box<B>` and `Arc<B>`, sized or not.
///
/// Applications use it through [`CacheBackend`](crate::CacheBackend), which adds typed access.
///
/// # Contract
///
/// What every implementation upholds, and the `conformance` suite checks:
///
/// - A read returns the value last written under an equal key, with its payload, encoding, expire,
///   stale and created unchanged, or nothing: a cache may forget.
/// - A value whose expiry has been reached is not returned, to
///   [`expiry_granularity`](Capabilities::expiry_granularity). A value that is expired when it is
///   written leaves the key absent.
/// - A write replaces payload and life times together, atomically for readers.
/// - After a remove the key is absent. Removing an absent key is `Ok(Missing)`, not an error.
/// - A payload over [`largest_value`](Capabilities::largest_value) is refused with
///   [`TooLarge`](crate::BackendErrorKind::TooLarge), and the key is left absent: an older value
///   must not pose as the one that was refused.
/// - Keys of any content and length work, and two different keys never share an entry.
/// - Stored bytes that are not a valid stored form are a miss, reported through
///   [`reject`](Self::reject); never an error or a panic.
/// - The bulk forms return one outcome per key, in the order asked, duplicates included; one key's
///   failure does not fail the others.
/// - *Cancel safety*: a future dropped at any await leaves each key with its old value or the new
///   one.
///
/// # A minimal backend
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
///
/// use async_trait::async_trait;
/// use hitbox_backend::{Backend, BackendResult, DeleteStatus};
/// use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
///
/// #[derive(Default)]
/// struct MapBackend(Mutex<HashMap<CacheKey, CacheValue<Raw>>>);
///
/// #[async_trait]
/// impl Backend for MapBackend {
///     async fn read(&self, key: &CacheKey) -> BackendResult<Option<CacheValue<Raw>>> {
///         let found = self.0.lock().unwrap().get(key).cloned();
///         Ok(found.filter(|value| !value.is_expired()))
///     }
///
///     async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
///         self.0.lock().unwrap().insert(key.clone(), value);
///         Ok(())
///     }
///
///     async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
///         Ok(DeleteStatus::from(&self.0.lock().unwrap().remove(key)))
///     }
///
///     fn label(&self) -> BackendLabel {
///         BackendLabel::new_static("map")
///     }
/// }
/// ```
#[async_trait]
pub trait Backend: Send + Sync {
    /// The live value under `key`, or `None`.
    async fn read(&self, key: &CacheKey) -> ReadOutcome;

    /// Stores `value` under `key`, in place of what was there.
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()>;

    /// Removes what is stored under `key`.
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus>;

    /// [`read`](Self::read), noting in `context` how it was answered and from where.
    ///
    /// Wrappers and compositions override this one, so that the source path is true at any depth.
    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let outcome = self.read(key).await;
        note_outcome(context, &outcome, || self.label());
        outcome
    }

    /// [`read_with`](Self::read_with) as far as it goes without waiting, with the same notes in
    /// `context`. `moment` is the time that life times are measured against; callers bring one that has
    /// not been read, or was read just now.
    ///
    /// A value is held against `moment` once it has been fetched, so that the clock is not read before.
    /// If [it has been read](Moment::has_been_read) and fetching may take long, the right answer is
    /// [`NotBegun`](Reading::NotBegun).
    ///
    /// Typed access and compositions ask this first, so a backend that keeps values in process can
    /// answer without a future, which would cost about as much as looking the value up; and one that
    /// reads in place what is on a local disk. Default: [`NotBegun`](Reading::NotBegun), the right
    /// one for all others.
    fn begin_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Reading<'a> {
        let _ = (key, context, moment);
        Reading::NotBegun
    }

    /// [`write`](Self::write) as far as it goes without waiting.
    ///
    /// Typed access and compositions ask this first, as they do with
    /// [`begin_read`](Self::begin_read). Default: [`NotBegun`](Writing::NotBegun), the right one for
    /// all backends that have to wait. Others override [`writes_at_once`](Self::writes_at_once)
    /// too. [`Begun`](Writing::Begun) is for the rare write that turns out to have to wait: a
    /// composition ends it before it touches the other layer, whatever its write policy.
    fn begin_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> Writing<'a> {
        let _ = key;
        Writing::NotBegun(value)
    }

    /// [`refill`](Self::refill) as far as it goes without waiting. Default:
    /// [`begin_write`](Self::begin_write); a backend that overrides `refill` overrides this too. What is
    /// [`Begun`](Writing::Begun) makes a reader wait for a copy that is not his concern: answer, or do
    /// not begin.
    fn begin_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> Writing<'a> {
        self.begin_write(key, value)
    }

    /// Whether [`begin_write`](Self::begin_write) can be expected to answer. Default: no.
    ///
    /// A composition decides a write without waiting only if both layers say so. If only its first does, that
    /// is written without waiting, and then the other, where the policy says beforehand when it asks that. It
    /// copies to its first layer without waiting if that one says so.
    fn writes_at_once(&self) -> bool {
        false
    }

    /// Stores a value that another backend holds already: what a composition does to its first
    /// layer when the second has answered. Default: [`write`](Self::write).
    ///
    /// Compositions override this one: a value that is known to be current needs no proof that it
    /// was not loaded before the key was last removed.
    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.write(key, value).await
    }

    /// Reads many keys: one outcome per key, in the order asked.
    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for key in keys {
            outcomes.push(self.read(key).await);
        }
        outcomes
    }

    /// [`read_many`](Self::read_many), noting in the context of each key how it was answered.
    /// `contexts` holds one per key, in the same order; keys beyond its end are read without one.
    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let outcomes = self.read_many(keys).await;
        for (context, outcome) in contexts.iter_mut().zip(&outcomes) {
            note_outcome(context, outcome, || self.label());
        }
        outcomes
    }

    /// Writes many entries: one outcome per entry, in the order given. Of two entries with one
    /// key, the later wins.
    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            outcomes.push(self.write(&key, value).await);
        }
        outcomes
    }

    /// [`refill`](Self::refill) for many entries: one outcome per entry, in the order given.
    /// Default: [`write_many`](Self::write_many).
    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.write_many(entries).await
    }

    /// Removes many keys: one outcome per key, in the order given.
    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for key in keys {
            outcomes.push(self.remove(key).await);
        }
        outcomes
    }

    /// The name of this backend in source paths, errors and traces.
    fn label(&self) -> BackendLabel;

    /// The format that typed access encodes values in. Default: bincode.
    fn value_format(&self) -> &dyn Format {
        &BincodeFormat
    }

    /// How keys become stored keys. Default: the canonical text form.
    fn key_format(&self) -> &CacheKeyFormat {
        &CacheKeyFormat::TEXT
    }

    /// What the backend compresses payloads with as it stores them. Default: nothing.
    fn compressor(&self) -> &dyn Compressor {
        &NoCompression
    }

    /// What the backend can do.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The format with this id, as far as this backend knows it: its own, or one that is compiled
    /// into hitbox. Compositions ask their layers.
    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        let own = self.value_format();
        if own.id() == id || id == FormatId::OPAQUE {
            return Some(own);
        }
        format::built_in(id)
    }

    /// The compressor with this id, as far as this backend knows it: its own, or one that is
    /// compiled into hitbox. Compositions ask their layers.
    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        let own = self.compressor();
        if own.id() == id {
            return Some(own);
        }
        compression::built_in(id)
    }

    /// Takes note that bytes found under `key` were not served. Default: an event at DEBUG. Adapters keep
    /// [`Rejections`](crate::Rejections), which count them and tell of them at WARN, a line a second at the
    /// most.
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        rejection::trace_rejection(&self.label(), key, rejection);
    }
}

/// Reads by [`Backend::begin_read`] and what that leaves to do.
pub(crate) async fn read_through<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
) -> ReadOutcome {
    match backend.begin_read(key, context, &Moment::default()) {
        Reading::Answered(outcome) => return outcome,
        Reading::Begun(rest) => return rest.await,
        Reading::NotBegun => {}
    }
    backend.read_with(key, context).await
}

/// Writes by [`Backend::begin_write`] and what that leaves to do.
pub(crate) async fn write_through<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    value: CacheValue<Raw>,
) -> BackendResult<()> {
    let value = match backend.begin_write(key, value) {
        Writing::Answered(outcome) => return outcome,
        Writing::Begun(rest) => return rest.await,
        Writing::NotBegun(value) => value,
    };
    backend.write(key, value).await
}

/// Notes status and source of an outcome in a context, for adapters that override
/// [`Backend::read_with`]. After a miss or an error the source is
/// [`Upstream`](ResponseSource::Upstream): nobody answered. `label` is asked only when somebody did.
pub fn note_outcome(
    context: &mut BoxContext,
    outcome: &ReadOutcome,
    label: impl FnOnce() -> BackendLabel,
) {
    note_outcome_at(context, outcome, label, &Moment::default());
}

/// [`note_outcome`] at a moment, for adapters that implement [`Backend::begin_read`].
#[inline]
pub fn note_outcome_at(
    context: &mut BoxContext,
    outcome: &ReadOutcome,
    label: impl FnOnce() -> BackendLabel,
    moment: &Moment,
) {
    let status = match outcome {
        Ok(Some(value)) if value.is_stale_at(moment) => CacheStatus::Stale,
        Ok(Some(_)) => CacheStatus::Hit,
        Ok(None) | Err(_) => CacheStatus::Miss,
    };
    context.set_status(status);
    context.set_source(match status {
        CacheStatus::Hit | CacheStatus::Stale => ResponseSource::Backend(label()),
        CacheStatus::Miss => ResponseSource::Upstream,
    });
}
