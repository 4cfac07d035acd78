mod circuit;
mod config;
mod lines;
mod machine;
mod state;
mod verdict;
mod window;

use std::{fmt, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{always_wait, forward_properties};
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Begun, Condition, Conditional,
    DeleteStatus, Operation, ReadOutcome, note_outcome,
};
use circuit::Circuit;
use verdict::Verdict;

pub use config::{CircuitBreakerConfig, FailureRate};
pub use state::{Calls, CircuitBreakerStatistics, CircuitOpen, CircuitState};

/// A backend that is left alone while it keeps failing. Made by
/// [`BackendExt::circuit_breaker`](super::BackendExt::circuit_breaker).
///
/// # States
///
/// *Closed*: calls go through. After enough failures, consecutive ones or a part of the last calls
/// (see [`CircuitBreakerConfig`]), the circuit opens.
///
/// *Open*: every call fails at once with [`Unavailable`](BackendErrorKind::Unavailable) and
/// [`CircuitOpen`] as its source, without having been sent: the error
/// [is definite](BackendError::is_definite). This lasts a second by default, more or less at random.
///
/// *Half-open*: the first call after that goes through as a probe, and until it has ended all others
/// are still refused. An answer closes the circuit, a failure opens it anew. A probe whose future is
/// dropped says nothing, and the next call is the probe.
///
/// Reads have a circuit of their own, and so have [changes](Calls::Changes): a store that takes no writes
/// goes on to be read, and reads that are answered do not keep the circuit of changes closed.
///
/// A circuit that opens is traced at WARN, and at INFO when it closes; the probes between, at DEBUG. One
/// that opens again and again gets a line now and then. Refused calls are only
/// [counted](Self::statistics).
///
/// # What counts
///
/// Failures are [`Unavailable`](BackendErrorKind::Unavailable),
/// [`Timeout`](BackendErrorKind::Timeout) and [`Throttled`](BackendErrorKind::Throttled).
/// A layer that answers [`Denied`](BackendErrorKind::Denied) or [`Full`](BackendErrorKind::Full) is
/// there, like one that does what it is asked. The other kinds are no fault of the layer, or may
/// not be, and count as neither. A bulk call counts once: as answered if it was for any key, else as
/// failed if it was for any. Calls that were sent before the circuit last changed do not count.
///
/// A call that never ends does not count either: put a deadline around the backend first, see the
/// [module](super).
///
/// # What it costs
///
/// A call through a closed circuit costs two atomic loads. A lock is taken, for a moment and never
/// across an await, where there was a failure or a failure rate is looked at.
///
/// *Cancel safety*: that of the backend within.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use std::{sync::Arc, time::Duration};
///
/// use hitbox_backend::{
///     Backend, BackendError, BackendExt, CircuitBreakerConfig,
///     conformance::{Fault, FaultyBackend, MemoryBackend}, wrapper::{Calls, CircuitState},
/// };
/// use hitbox_core::CacheKey;
///
/// let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
/// // Shared, to look at its state while it is in use.
/// let backend = Arc::new(backend.circuit_breaker(CircuitBreakerConfig::new())?);
/// let key = CacheKey::from_pair("id", "42");
///
/// faults.reads().always(Fault::FailBeforeEffect);
/// for _ in 0..7 {
///     assert!(backend.read(&key).await.is_err());
/// }
/// assert!(matches!(backend.state(Calls::Reads), CircuitState::Open { .. }));
/// assert_eq!((faults.reads().calls(), backend.statistics(Calls::Reads).refused), (5, 2));
/// // Reads that fail say nothing about writes.
/// assert_eq!(backend.state(Calls::Changes), CircuitState::Closed);
///
/// faults.heal();
/// tokio::time::sleep(Duration::from_millis(1_200)).await;
/// assert!(backend.read(&key).await.is_ok());
/// assert_eq!(backend.state(Calls::Reads), CircuitState::Closed);
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
pub struct CircuitBreaker<B> {
    inner: B,
    reads: Circuit,
    changes: Circuit,
}

impl<B: Backend> CircuitBreaker<B> {
    /// `inner` behind closed circuits.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration) if a setting cannot work;
    /// the message names it.
    pub fn new(inner: B, config: CircuitBreakerConfig) -> BackendResult<Self> {
        if let Some(defect) = config.defect() {
            return Err(BackendError::invalid_configuration(inner.label(), defect));
        }
        let label = inner.label();
        Ok(Self {
            reads: Circuit::new(label.clone(), Calls::Reads, config.clone()),
            changes: Circuit::new(label, Calls::Changes, config),
            inner,
        })
    }

    /// The backend within, which can be asked whatever the circuits' state.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The backend within, without the circuits.
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// Whether such calls are let through at this moment.
    #[must_use]
    pub fn state(&self, calls: Calls) -> CircuitState {
        self.circuit(calls).state()
    }

    /// What it has done so far of such calls.
    #[must_use]
    pub fn statistics(&self, calls: Calls) -> CircuitBreakerStatistics {
        self.circuit(calls).statistics()
    }

    const fn circuit(&self, calls: Calls) -> &Circuit {
        match calls {
            Calls::Reads => &self.reads,
            Calls::Changes => &self.changes,
        }
    }

    async fn one<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        match self.circuit(Calls::of(operation)).enter() {
            Ok(pass) => {
                let outcome = call.await;
                pass.conclude(Verdict::on(&outcome));
                outcome
            }
            Err(open) => Err(self.refusal(operation, open)),
        }
    }

    async fn many<T>(
        &self,
        operation: Operation,
        keys: usize,
        call: impl Future<Output = Vec<BackendResult<T>>> + Send,
    ) -> Vec<BackendResult<T>> {
        match self.circuit(Calls::of(operation)).enter() {
            Ok(pass) => {
                let outcomes = call.await;
                pass.conclude(Verdict::on_all(&outcomes));
                outcomes
            }
            Err(open) => (0..keys)
                .map(|_| Err(self.refusal(operation, open)))
                .collect(),
        }
    }

    fn refusal(&self, operation: Operation, open: CircuitOpen) -> BackendError {
        BackendError::new(BackendErrorKind::Unavailable, operation, self.inner.label())
            .with_detail("the circuit is open")
            .with_source(open)
            .without_effect()
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for CircuitBreaker<B> {
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
            // One that was refused has left the caller's context as it was.
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

impl<B: fmt::Debug> fmt::Debug for CircuitBreaker<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("reads", &self.reads.state())
            .field("changes", &self.changes.state())
            .finish_non_exhaustive()
    }
}
