mod bulk;
mod config;
mod series;
mod single;

use std::{collections::HashSet, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{always_wait, forward_properties};
use crate::{
    Backend, BackendError, BackendResult, Begun, Condition, Conditional, DeleteStatus, Operation,
    ReadOutcome, note_outcome, repeated::Answer,
};
use bulk::Bulk;
use series::Series;
use single::Single;

pub use config::{RetryConfig, WriteRetry};

/// A backend that is asked again when it fails in a way that may pass. Made by
/// [`BackendExt::retry`](super::BackendExt::retry).
///
/// # What is repeated
///
/// Calls whose error is [retryable](crate::BackendError::is_retryable), up to
/// [`retries`](RetryConfig::retries) times. Not those that an open circuit refused: it stays open
/// for longer than the pauses last. Of a bulk call, only the keys that failed are asked again.
///
/// A write or refill is repeated only if its failure [is definite](crate::BackendError::is_definite),
/// unless [`WriteRetry::Always`] says otherwise; there it is explained why. Reads are free of that, and
/// so are removals, since one that comes late costs no more than a miss. Of two entries of a bulk
/// write with one key, the earlier is never repeated: the later may have been stored by then.
///
/// # Adapters that try twice
///
/// Some adapters send a request again by themselves: `hitbox-redis` when a connection breaks,
/// `hitbox-dynamodb` as often as its attempts allow. Each attempt of this wrapper is a call of theirs, so 2 retries around
/// an adapter that sends twice come to 6 requests, all within [`within`](RetryConfig::within). An adapter knows best
/// which connection is broken: around one that tries again, use this for what takes longer than its deadline, or
/// leave it away.
///
/// # What a call returns
///
/// The first answer, or the error of the last attempt. But if an earlier attempt at a write or
/// remove may have taken effect and the last one certainly did not, the earlier one's: the whole may
/// have taken effect.
///
/// If an earlier attempt at a write or remove may yet take effect, and a later one has succeeded, the
/// call does not return `Ok`, but the earlier one's error, marked as
/// [made by a repeated attempt](crate::BackendError::made_by_repeat): it is done, and in doubt. Typed
/// access takes it for done. A composition does, too, and holds up what arrives late. A repeated removal
/// whose first answer was lost finds nothing to remove, and says `Missing`.
///
/// The whole, all attempts and pauses, ends within [`within`](RetryConfig::within). An attempt that
/// is under way by then is dropped, and the call fails with
/// [`Timeout`](crate::BackendErrorKind::Timeout), which is not definite. A pause that would not end
/// in time is not begun.
///
/// # Order
///
/// While one call is being repeated, others go their way; an older write may then come after a newer
/// one. Within a composition that does not happen: it lets one change at a time at a key.
///
/// *Cancel safety*: that of the backend within. Once the future is dropped, nothing is repeated.
///
/// # Panics
///
/// Its calls, if they are made outside a tokio runtime with the time driver enabled, or if they go on, unanswered,
/// after the runtime that they were begun in has ended: tokio's timer panics then.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use hitbox_backend::{
///     Backend, BackendError, BackendExt, RetryConfig,
///     conformance::{Fault, FaultyBackend, MemoryBackend},
/// };
/// use hitbox_core::CacheKey;
///
/// let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
/// let backend = backend.retry(RetryConfig::new())?;
///
/// faults.reads().next(2, Fault::FailBeforeEffect);
/// assert_eq!(backend.read(&CacheKey::from_pair("id", "42")).await?, None);
/// assert_eq!(faults.reads().calls(), 3);
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Retry<B> {
    inner: B,
    config: RetryConfig,
}

impl<B: Backend> Retry<B> {
    /// `inner`, asked again when it fails.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if a setting cannot
    /// work; the message names it.
    pub fn new(inner: B, config: RetryConfig) -> BackendResult<Self> {
        match config.defect() {
            Some(defect) => Err(BackendError::invalid_configuration(inner.label(), defect)),
            None => Ok(Self { inner, config }),
        }
    }

    /// The backend within.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The backend within, without retries.
    pub fn into_inner(self) -> B {
        self.inner
    }

    fn series(&self, operation: Operation) -> Series<'_, B> {
        Series::begin(&self.inner, &self.config, operation)
    }

    /// Makes attempts until one says what the call returns.
    async fn one<T, F>(
        &self,
        operation: Operation,
        attempt: impl Fn() -> F + Send,
    ) -> BackendResult<T>
    where
        T: Answer + Send,
        F: Future<Output = BackendResult<T>> + Send,
    {
        let mut attempts = Single::new(self.series(operation));
        loop {
            let outcome = attempts.series.attempt(attempt()).await;
            if let Some(outcome) = attempts.settle(outcome).await {
                return outcome;
            }
        }
    }

    /// The same for many keys. `again` asks those that it is given.
    async fn many<T, F>(
        &self,
        operation: Operation,
        keys: &[CacheKey],
        first: impl Future<Output = Vec<BackendResult<T>>> + Send,
        again: impl Fn(Vec<CacheKey>) -> F + Send,
    ) -> Vec<BackendResult<T>>
    where
        T: Answer + Send,
        F: Future<Output = Vec<BackendResult<T>>> + Send,
    {
        let series = self.series(operation);
        let outcomes = series.attempt_many(keys.len(), first).await;
        let mut bulk = Bulk::new(series, outcomes);
        while let Some(asked) = bulk.next().await {
            let call = again(picked(keys, &asked));
            let answers = bulk.series.attempt_many(asked.len(), call).await;
            bulk.settle(&asked, answers);
        }
        bulk.into_outcomes()
    }

    /// Stores entries by `call`, which asks for those that it is given. `key` is that of an entry.
    async fn store<E, T, F>(
        &self,
        entries: Vec<E>,
        key: impl Fn(&E) -> &CacheKey + Send,
        call: impl Fn(Vec<E>) -> F + Send,
    ) -> Vec<BackendResult<T>>
    where
        E: Clone + Send + Sync,
        T: Answer + Send,
        F: Future<Output = Vec<BackendResult<T>>> + Send,
    {
        let series = self.series(Operation::Write);
        let first = call(entries.clone());
        let outcomes = series.attempt_many(entries.len(), first).await;
        let mut bulk = Bulk::new(series, outcomes);
        if bulk.has_open_keys() {
            let overtaken = overtaken(entries.iter().map(key));
            bulk.give_up_on(|index| overtaken.contains(&index));
        }
        while let Some(asked) = bulk.next().await {
            let again = call(picked(&entries, &asked));
            let answers = bulk.series.attempt_many(asked.len(), again).await;
            bulk.settle(&asked, answers);
        }
        bulk.into_outcomes()
    }
}

/// The entries that stand before another one with the same key.
fn overtaken<'k>(
    keys: impl DoubleEndedIterator<Item = &'k CacheKey> + ExactSizeIterator,
) -> HashSet<usize> {
    let mut seen = HashSet::with_capacity(keys.len());
    let from_the_end = keys.enumerate().rev();
    from_the_end
        .filter(|(_, key)| !seen.insert(key.as_text()))
        .map(|(index, _)| index)
        .collect()
}

fn picked<T: Clone>(all: &[T], indices: &[usize]) -> Vec<T> {
    indices.iter().map(|index| all[*index].clone()).collect()
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for Retry<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.one(Operation::Read, || self.inner.read(key)).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.one(Operation::Write, || self.inner.write(key, value.clone()))
            .await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.one(Operation::Remove, || self.inner.remove(key)).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let mut attempts = Single::new(self.series(Operation::Read));
        loop {
            let call = self.inner.read_with(key, context);
            let outcome = attempts.series.attempt(call).await;
            if let Some(outcome) = attempts.settle(outcome).await {
                if outcome.is_err() {
                    // A read that was cut off may have left half a note.
                    note_outcome(context, &outcome, || self.inner.label());
                }
                return outcome;
            }
        }
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.one(Operation::Write, || self.inner.refill(key, value.clone()))
            .await
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let again = |keys: Vec<CacheKey>| async move { self.inner.read_many(&keys).await };
        self.many(Operation::Read, keys, self.inner.read_many(keys), again)
            .await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let series = self.series(Operation::Read);
        let call = self.inner.read_many_with(keys, contexts);
        let first = series.attempt_many(keys.len(), call).await;
        let mut bulk = Bulk::new(series, first);
        while let Some(asked) = bulk.next().await {
            let again = picked(keys, &asked);
            // Those of keys beyond the end of `contexts` are nobody's.
            let mut noted: Vec<_> = asked
                .iter()
                .map(|index| contexts.get(*index).cloned().unwrap_or_default())
                .collect();
            let call = self.inner.read_many_with(&again, &mut noted);
            let answers = bulk.series.attempt_many(asked.len(), call).await;
            bulk.settle(&asked, answers);
            for (index, noted) in asked.iter().zip(noted) {
                if let Some(context) = contexts.get_mut(*index) {
                    *context = noted;
                }
            }
        }
        let outcomes = bulk.into_outcomes();
        for (context, outcome) in contexts.iter_mut().zip(&outcomes) {
            if outcome.is_err() {
                note_outcome(context, outcome, || self.inner.label());
            }
        }
        outcomes
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let call = |entries| self.inner.write_many(entries);
        self.store(entries, |(key, _)| key, call).await
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let call = |entries| self.inner.refill_many(entries);
        self.store(entries, |(key, _)| key, call).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let again = |keys: Vec<CacheKey>| async move { self.inner.remove_many(&keys).await };
        self.many(Operation::Remove, keys, self.inner.remove_many(keys), again)
            .await
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        if !self.inner.capabilities().gives_leases {
            // Nothing is asked of a store.
            return self.inner.begin_load(key).await;
        }
        self.one(Operation::Write, || self.inner.begin_load(key))
            .await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let call = || self.inner.write_if(key, value.clone(), condition.clone());
        self.one(Operation::Write, call).await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let call = |entries| self.inner.write_many_if(entries);
        self.store(entries, |(key, ..)| key, call).await
    }

    always_wait!();
    forward_properties!(inner);
}
