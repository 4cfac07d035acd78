use std::{convert, fmt, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheStatus, CacheValue, CompressorId, FormatId, Raw,
    ResponseSource, clock::Moment,
};

use crate::{
    BackendError, BackendErrorKind, BackendResult, Begun, CacheKeyFormat, Capabilities, Condition,
    Conditional, DeleteStatus, Fencing, Invalidations, Lease, Leftovers, Operation, Rejection,
    coherence::Announces,
    compression::{self, Compressor, NoCompression},
    format::{self, BincodeFormat, Format},
    rejection,
    tags::SharedTags,
};

/// The answer to a read: a live value, or `None` for a miss.
pub type ReadOutcome = BackendResult<Option<CacheValue<Raw>>>;

/// How far an operation got without waiting.
///
/// `T` is what it answers, `P` what the rest of it answers once that has been waited for, and `B` what the
/// caller is given back where nothing has been done.
pub enum Attempt<'a, T, P = T, B = ()> {
    /// To the end: nothing had to be waited for.
    Ready(T),
    /// Part of the way; the future does the rest.
    Pending(BoxFuture<'a, P>),
    /// Nowhere, and nothing has been done or noted. The caller uses the form that waits.
    WouldBlock(B),
}

/// How far [`Backend::try_read`] got.
///
/// A ready read has noted in the caller's context how it was answered. A pending one took a copy of the
/// context along, and gives it back with the outcome. Dropping a pending read is safe.
pub type ReadAttempt<'a> = Attempt<'a, ReadOutcome, (ReadOutcome, BoxContext)>;

/// How far [`Backend::try_write`] got; one that would block gives the value back, for [`Backend::write`].
///
/// Dropping a pending write leaves the old value or the new one. It is to be polled to its end, or dropped:
/// until then, that of a composition keeps other changes of the key waiting.
pub type WriteAttempt<'a> = Attempt<'a, BackendResult<()>, BackendResult<()>, CacheValue<Raw>>;

/// A write that has begun.
pub(crate) type BegunWrite<'a> =
    Attempt<'a, BackendResult<()>, BackendResult<()>, convert::Infallible>;

impl<'a> BegunWrite<'a> {
    /// Waits for what is left.
    pub(crate) async fn finish(self) -> BackendResult<()> {
        match self {
            Self::Ready(outcome) => outcome,
            Self::Pending(rest) => rest.await,
            Self::WouldBlock(never) => match never {},
        }
    }
}

impl<'a> From<BegunWrite<'a>> for WriteAttempt<'a> {
    fn from(begun: BegunWrite<'a>) -> Self {
        match begun {
            Attempt::Ready(outcome) => Self::Ready(outcome),
            Attempt::Pending(rest) => Self::Pending(rest),
            Attempt::WouldBlock(never) => match never {},
        }
    }
}

/// Shows no values.
impl<T, P, B> fmt::Debug for Attempt<'_, T, P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::Pending(_) => "Pending",
            Self::WouldBlock(_) => "WouldBlock",
        })
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
    /// Wrappers and compositions override this one, so that the source path is true at any depth, and pass
    /// `context` or a copy of it on: it says what the reader [wants](BoxContext::wants).
    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let outcome = self.read(key).await;
        note_outcome(context, &outcome, || self.label());
        outcome
    }

    /// [`read_with`](Self::read_with) as far as it goes without waiting.
    ///
    /// `moment` is the time at which expiry is checked. It is read from the clock on first use, after the value
    /// has been fetched. Callers pass a fresh one, or one that was read just now. A backend that may take long
    /// to fetch a value answers [`WouldBlock`](Attempt::WouldBlock) if
    /// [the clock has been read](Moment::has_been_read).
    ///
    /// A read that is [`Ready`](Attempt::Ready) has noted in `context` how it was answered. One that is
    /// [`Pending`](Attempt::Pending) takes a copy of `context` along, and gives it back with the outcome: its
    /// future borrows nothing of the caller's frame, so a composition can keep it and end it.
    ///
    /// Typed access and compositions call this first. A backend that keeps values in process, or reads them in
    /// place from a local disk, answers without a future; a future costs about as much as a look-up in memory.
    /// Default: [`WouldBlock`](Attempt::WouldBlock), for backends that have to wait.
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let _ = (key, context, moment);
        Attempt::WouldBlock(())
    }

    /// [`write`](Self::write) as far as it goes without waiting.
    ///
    /// Typed access and compositions call this first. A backend that overrides it overrides
    /// [`is_non_blocking`](Self::is_non_blocking) too. A write that is [`Pending`](Attempt::Pending) has begun: a
    /// composition keeps it and ends it. Default: [`WouldBlock`](Attempt::WouldBlock), for backends that have to wait.
    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        let _ = key;
        Attempt::WouldBlock(value)
    }

    /// [`refill`](Self::refill) as far as it goes without waiting.
    ///
    /// A reader waits for a [`Pending`](Attempt::Pending) refill. If it might take long, return
    /// [`WouldBlock`](Attempt::WouldBlock); the refill then runs in the background. Default:
    /// [`try_write`](Self::try_write); a backend that overrides [`refill`](Self::refill) overrides this too.
    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.try_write(key, value)
    }

    /// Whether [`try_write`](Self::try_write) can be expected to be ready. Default: no.
    ///
    /// A composition says so if both layers do. It copies to its first layer without waiting if that one says so.
    /// In a race whose loser goes to the background, a layer that does not say so is written by a future that may
    /// outlive the call.
    fn is_non_blocking(&self) -> bool {
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

    /// Whether the backend keeps fences, which the four methods of loads that follow need. Default: no.
    ///
    /// Compositions do. [`BackendExt::fenced`](crate::BackendExt::fenced) gives them to a backend that does not.
    fn fencing(&self) -> Fencing {
        Fencing::Unfenced
    }

    /// Takes the right to load `key`, before the load begins and its stamp is made. See [`load`](crate::load).
    ///
    /// As long as the [`Lease`] lives, a backend that keeps fences remembers what is done to the key. Without one,
    /// it may have to take the write of a value that was loaded for long for a remove. Default: a lease that pins
    /// nothing.
    ///
    /// # Errors
    ///
    /// None where nothing is shared with other processes.
    ///
    /// *Cancel safety*: a call that is dropped has no effect.
    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        let _ = key;
        Ok(Begun::Lead(Lease::default()))
    }

    /// [`write`](Self::write), if the condition holds. See [`Conditional`].
    ///
    /// A composition stores a fill by its write policy. It is [`Refused`](Conditional::Refused) where something
    /// newer has been done to the key, and also where too much has been forgotten to know, which does not happen
    /// to a value whose lease was taken before its stamp: then it removes the key, as
    /// [`write`](Self::write) does. Default: a plain write.
    ///
    /// # Errors
    ///
    /// What [`write`](Self::write) returns.
    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        // Held until the write has ended.
        let _condition = condition;
        self.write(key, value).await.map(|()| Conditional::Written)
    }

    /// [`write_if`](Self::write_if) for many entries: one outcome per entry, in the order given. Default: a plain
    /// [`write_many`](Self::write_many).
    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let (entries, _conditions): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .map(|(key, value, condition)| ((key, value), condition))
            .unzip();
        let outcomes = self.write_many(entries).await.into_iter();
        outcomes
            .map(|outcome| outcome.map(|()| Conditional::Written))
            .collect()
    }

    /// The newest invalidations of `key` that are known here; of a key that is not remembered, the newest that may
    /// have been. Takes a lock for a moment at the most. Default: none.
    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        let _ = key;
        Invalidations::default()
    }

    /// Makes every value of `key` stale that has been created by now, without touching it: *soft invalidation*.
    ///
    /// From the moment that this returns, such a value is [stale](hitbox_core::CacheStatus::Stale), in whichever
    /// layer it is found, and whatever its own stale time. It is still there for who wants a stale one. This ends
    /// when a newer value is written, or the key is removed. Nothing is written for it: it is known to this process
    /// alone, and until it ends.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](BackendErrorKind::Unsupported) by default: a backend without [fences](Self::fencing) knows
    /// no stamps of keys.
    ///
    /// *Cancel safety*: a call that is dropped has taken effect or has not.
    async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
        let _ = key;
        let error = BackendError::new(
            BackendErrorKind::Unsupported,
            Operation::Remove,
            self.label(),
        );
        Err(error.with_detail("it keeps no fences: use it `fenced()`"))
    }

    /// Ends what the backend does in the background, and has what it was told written to where it survives: the last thing
    /// that a process does with it. Takes about `within` at the most.
    ///
    /// A composition [closes](hitbox_core::Offload::close) its offload, to which it gives half of that time, and then its layers.
    /// A disk is flushed. Reads, writes and removes go on as before; what a composition leaves to the background is done while
    /// the caller waits, or not at all. Calling it again is fine. Default: nothing is to be done.
    ///
    /// *Cancel safety*: dropped, it leaves the rest undone; another call does that.
    async fn close(&self, within: Duration) -> Leftovers {
        let _ = within;
        Leftovers::default()
    }

    /// Where and as whom it announces what it changes, if it does: before a change is acknowledged, and whatever becomes of
    /// the caller. Default: it does not. A composition does if it is [coherent](crate::CompositionBackend::coherent).
    fn announces(&self) -> Option<Announces> {
        None
    }

    /// The tags that it shares with other processes, which hear what is invalidated; `None`: none. They are asked past any
    /// copies in process. Does no I/O.
    fn shared_tags(&self) -> Option<SharedTags> {
        None
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
    /// into hitbox. What a backend answers with is decoded by what it finds here. A composition, which decodes
    /// for a reader who wants an object, asks its layers for those who decode by themselves.
    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        let own = self.value_format();
        if own.id() == id || id == FormatId::OPAQUE {
            return Some(own);
        }
        format::built_in(id)
    }

    /// The compressor with this id, as far as this backend knows it: its own, or one that is
    /// compiled into hitbox. See [`find_format`](Self::find_format).
    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        let own = self.compressor();
        if own.id() == id {
            return Some(own);
        }
        compression::built_in(id)
    }

    /// Takes note that bytes found under `key` were not served: they were no stored form, or a reader could not
    /// decode them. A composition tells the layer that held them, and no other. Default: an event at DEBUG. Adapters keep
    /// [`Rejections`](crate::Rejections), which count them and tell of them at WARN, a line a second at the
    /// most.
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        rejection::trace_rejection(&self.label(), key, rejection);
    }
}

/// What writes answer where nobody asks whether they were refused.
pub(crate) fn without_condition(
    outcomes: Vec<BackendResult<Conditional>>,
) -> Vec<BackendResult<()>> {
    let outcomes = outcomes.into_iter();
    outcomes.map(|outcome| outcome.map(drop)).collect()
}

/// Reads by [`Backend::try_read`], and waits for what that leaves to do.
pub(crate) async fn read_through<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
) -> ReadOutcome {
    let attempt = backend.try_read(key, context, &Moment::default());
    end_read(backend, key, context, attempt).await
}

/// Ends a read that [`Backend::try_read`] has begun.
#[inline]
pub(crate) async fn end_read<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    attempt: ReadAttempt<'_>,
) -> ReadOutcome {
    let rest = match attempt {
        Attempt::Ready(outcome) => return outcome,
        Attempt::Pending(rest) => rest,
        Attempt::WouldBlock(()) => return backend.read_with(key, context).await,
    };
    let (outcome, noted) = rest.await;
    *context = noted;
    outcome
}

/// Writes by [`Backend::try_write`], and waits for what that leaves to do.
pub(crate) async fn write_through<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    value: CacheValue<Raw>,
) -> BackendResult<()> {
    match backend.try_write(key, value) {
        Attempt::Ready(outcome) => outcome,
        Attempt::Pending(rest) => rest.await,
        Attempt::WouldBlock(value) => backend.write(key, value).await,
    }
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

/// [`note_outcome`] at a moment, for adapters that implement [`Backend::try_read`].
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
