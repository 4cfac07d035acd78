use std::{future::Future, time::Duration};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};
use tokio::time::timeout;

use super::{always_wait, forward_properties};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Begun, Condition, Conditional,
    DeleteStatus, Operation, ReadOutcome, note_outcome,
};

/// A backend whose calls end in time. Made by [`BackendExt::deadline`](super::BackendExt::deadline).
///
/// A call that has no answer when its time is over is dropped and fails with
/// [`Timeout`](BackendErrorKind::Timeout). That is retryable, and not
/// [definite](BackendError::is_definite): a write or remove may have taken effect, or may yet. A
/// composition therefore does not trust what the layer holds under that key.
///
/// A bulk call has the same time for all of its keys. If that is over, all of them fail, since the
/// answers come together.
///
/// Only a call that waits can be dropped: one that blocks its thread takes as long as it takes.
///
/// *Cancel safety*: that of the backend within, which is used with dropped futures in any case.
///
/// # Panics
///
/// Its calls, if they are made outside a tokio runtime with the time driver enabled, or if they go on, unanswered,
/// after the runtime that they were begun in has ended: tokio's timer panics then.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use std::time::Duration;
///
/// use hitbox_backend::{
///     Backend, BackendError, BackendErrorKind, BackendExt,
///     conformance::{Fault, FaultyBackend, MemoryBackend},
/// };
/// use hitbox_core::CacheKey;
///
/// let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
/// let backend = backend.deadline(Duration::from_millis(50))?;
///
/// faults.reads().always(Fault::HangBeforeEffect);
/// let error = backend.read(&CacheKey::from_pair("id", "42")).await.unwrap_err();
/// assert_eq!(error.kind(), BackendErrorKind::Timeout);
/// assert_eq!(error.to_string(), "memory: read: timeout: no answer within 50ms");
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Deadline<B> {
    inner: B,
    reads: Duration,
    changes: Duration,
}

impl<B: Backend> Deadline<B> {
    /// `inner`, each call of which ends within this time.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration) if it is zero.
    pub fn new(inner: B, within: Duration) -> BackendResult<Self> {
        if within.is_zero() {
            return Err(BackendError::invalid_configuration(
                inner.label(),
                "the deadline is 0, nothing would ever be done in time: use a millisecond or more",
            ));
        }
        Ok(Self {
            inner,
            reads: within,
            changes: within,
        })
    }

    /// The same, with another deadline for writes, refills and removes.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration) if it is zero.
    pub fn changes_within(mut self, within: Duration) -> BackendResult<Self> {
        if within.is_zero() {
            return Err(BackendError::invalid_configuration(
                self.inner.label(),
                "the deadline of changes is 0, nothing would ever be written in time: use a millisecond or more",
            ));
        }
        self.changes = within;
        Ok(self)
    }

    /// The backend within.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The backend within, without the deadline.
    pub fn into_inner(self) -> B {
        self.inner
    }

    fn limit(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Read => self.reads,
            Operation::Open | Operation::Write | Operation::Remove | Operation::Maintain => {
                self.changes
            }
        }
    }

    async fn one<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        match timeout(self.limit(operation), call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.too_late(operation)),
        }
    }

    async fn many<T>(
        &self,
        operation: Operation,
        keys: usize,
        call: impl Future<Output = Vec<BackendResult<T>>> + Send,
    ) -> Vec<BackendResult<T>> {
        match timeout(self.limit(operation), call).await {
            Ok(outcomes) => outcomes,
            Err(_) => (0..keys).map(|_| Err(self.too_late(operation))).collect(),
        }
    }

    fn too_late(&self, operation: Operation) -> BackendError {
        BackendError::new(BackendErrorKind::Timeout, operation, self.inner.label())
            .with_detail(format!("no answer within {:?}", self.limit(operation)))
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for Deadline<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.one(Operation::Read, self.inner.read(key)).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.one(Operation::Write, self.inner.write(key, value))
            .await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.one(Operation::Remove, self.inner.remove(key)).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let call = self.inner.read_with(key, context);
        let outcome = self.one(Operation::Read, call).await;
        if outcome.is_err() {
            // A read that was cut off may have left half a note.
            note_outcome(context, &outcome, || self.inner.label());
        }
        outcome
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.one(Operation::Write, self.inner.refill(key, value))
            .await
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.many(Operation::Read, keys.len(), self.inner.read_many(keys))
            .await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let call = self.inner.read_many_with(keys, contexts);
        let outcomes = self.many(Operation::Read, keys.len(), call).await;
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
        let keys = entries.len();
        self.many(Operation::Write, keys, self.inner.write_many(entries))
            .await
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = entries.len();
        self.many(Operation::Write, keys, self.inner.refill_many(entries))
            .await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.many(Operation::Remove, keys.len(), self.inner.remove_many(keys))
            .await
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        if !self.inner.capabilities().gives_leases {
            // Nothing is asked of a store.
            return self.inner.begin_load(key).await;
        }
        self.one(Operation::Write, self.inner.begin_load(key)).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let call = self.inner.write_if(key, value, condition);
        self.one(Operation::Write, call).await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let keys = entries.len();
        self.many(Operation::Write, keys, self.inner.write_many_if(entries))
            .await
    }

    always_wait!();
    forward_properties!(inner);
}
