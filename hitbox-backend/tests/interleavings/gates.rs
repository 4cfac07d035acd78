//! Layers whose every step waits for permission.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome,
    conformance::MemoryBackend,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, OffloadKey, Raw};

/// What opening a gate lets the operation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    /// At the gate before the effect: fail without it. At the gate after: the answer is lost.
    Fail,
}

#[derive(Default)]
struct State {
    next_gate: usize,
    /// Gates that somebody waits at, in the order of arrival.
    waiting: Vec<(usize, Waker)>,
    opened: Vec<(usize, Verdict)>,
    background: Vec<BoxFuture<'static, ()>>,
}

/// The gates of one run, and what has been handed to the background.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<State>>);

impl Gates {
    pub(crate) async fn pass(&self) -> Verdict {
        let gate = {
            let mut state = self.0.lock().unwrap();
            state.next_gate += 1;
            state.next_gate
        };
        let gates = self.clone();
        let leave = Leave { gates: self, gate };
        let verdict = poll_fn(move |context| {
            let mut state = gates.0.lock().unwrap();
            state.waiting.retain(|(waiting, _)| *waiting != gate);
            if let Some(at) = state.opened.iter().position(|(opened, _)| *opened == gate) {
                return Poll::Ready(state.opened.swap_remove(at).1);
            }
            state.waiting.push((gate, context.waker().clone()));
            state.waiting.sort_by_key(|(gate, _)| *gate);
            Poll::Pending
        })
        .await;
        drop(leave);
        verdict
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// Opens the gate at this place in the order of arrival.
    pub(crate) fn open(&self, at: usize, verdict: Verdict) {
        let mut state = self.0.lock().unwrap();
        let (gate, waker) = state.waiting.remove(at);
        state.opened.push((gate, verdict));
        drop(state);
        waker.wake();
    }

    pub(crate) fn take_background(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap().background)
    }
}

/// A future dropped at a gate stops waiting there.
struct Leave<'g> {
    gates: &'g Gates,
    gate: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut state = self.gates.0.lock().unwrap();
        state.waiting.retain(|(gate, _)| *gate != self.gate);
    }
}

impl Offload<'static> for Gates {
    fn register<K, F>(&self, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.lock().unwrap().background.push(Box::pin(future));
    }
}

/// An in-memory layer behind gates.
pub(crate) struct GatedLayer {
    pub(crate) memory: Arc<MemoryBackend>,
    gates: Gates,
    label: &'static str,
}

impl GatedLayer {
    pub(crate) fn new(gates: &Gates, label: &'static str) -> Self {
        Self {
            memory: Arc::new(MemoryBackend::new()),
            gates: gates.clone(),
            label,
        }
    }

    async fn gated<T>(
        &self,
        operation: Operation,
        effect: impl Future<Output = BackendResult<T>>,
    ) -> BackendResult<T> {
        let failure = || BackendError::new(BackendErrorKind::Unavailable, operation, self.label());
        if self.gates.pass().await == Verdict::Fail {
            return Err(failure());
        }
        let outcome = effect.await;
        if self.gates.pass().await == Verdict::Fail {
            return Err(failure());
        }
        outcome
    }
}

#[async_trait]
impl Backend for GatedLayer {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.gated(Operation::Read, self.memory.read(key)).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.gated(Operation::Write, self.memory.write(key, value))
            .await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.gated(Operation::Remove, self.memory.remove(key)).await
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static(self.label)
    }
}
