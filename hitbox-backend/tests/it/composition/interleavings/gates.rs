//! Layers whose every step waits for permission.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome,
    conformance::MemoryBackend,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, OffloadKey, Raw};

/// The shortest pause between rounds of repairs: what is due after it may come whenever a gate opens.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// What opening a gate lets the operation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    /// At the gate before the effect: fail without it, though nobody can tell. At the gate after: the
    /// answer is lost.
    Fail,
    /// At the gate before the effect: fail without it, and say so. At the gate after: too late.
    Refuse,
}

/// How an operation of a layer fails that a script makes fail, without passing any gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Without effect, and says so.
    Refused,
    /// Without effect, but nobody can tell.
    Lost,
    /// With effect, and nobody can tell.
    AnswerLost,
}

/// Where a read waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReadGates {
    #[default]
    BeforeAndAfter,
    /// Its answer is given at once: where every value is held up by something else anyway, the second
    /// gate only multiplies the schedules.
    Before,
}

#[derive(Default)]
struct State {
    next_gate: usize,
    /// Gates that somebody waits at, in the order of arrival.
    waiting: Vec<(usize, Waker)>,
    opened: Vec<(usize, Verdict)>,
    background: Vec<BoxFuture<'static, ()>>,
    /// The layers whose next operation of a kind fails, and how.
    script: Vec<(&'static str, Operation, Failure)>,
    /// How much more deferred work is taken; beyond that it is dropped, as an `Offload` may.
    deferrals_left: usize,
    reads: ReadGates,
    /// Deferred work that is not let go to its gate yet.
    deferred: Vec<BoxFuture<'static, ()>>,
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
        mem::take(&mut self.0.lock().unwrap().background)
    }

    /// The next operation of this kind fails in the layer.
    pub(crate) fn fail_next(&self, layer: &'static str, operation: Operation, failure: Failure) {
        let script = &mut self.0.lock().unwrap().script;
        script.push((layer, operation, failure));
    }

    pub(crate) fn set_read_gates(&self, reads: ReadGates) {
        self.0.lock().unwrap().reads = reads;
    }

    fn answers_at_once(&self, operation: Operation) -> bool {
        operation == Operation::Read && self.0.lock().unwrap().reads == ReadGates::Before
    }

    fn scripted(&self, layer: &'static str, operation: Operation) -> Option<Failure> {
        let script = &mut self.0.lock().unwrap().script;
        let is_next = |one: &(&str, Operation, Failure)| (one.0, one.1) == (layer, operation);
        let at = script.iter().position(is_next)?;
        Some(script.remove(at).2)
    }

    /// What nobody has asked for is forgotten.
    pub(crate) fn clear_script(&self) {
        self.0.lock().unwrap().script.clear();
    }

    /// Takes this much more deferred work.
    pub(crate) fn allow_deferrals(&self, count: usize) {
        self.0.lock().unwrap().deferrals_left = count;
    }

    /// Lets deferred work go to its gate: when that opens is when it is due.
    pub(crate) fn release_deferred(&self) {
        let mut state = self.0.lock().unwrap();
        let deferred = mem::take(&mut state.deferred);
        state.background.extend(deferred);
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

    fn register_after<K, F>(&self, delay: Duration, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        let gates = self.clone();
        let mut state = self.0.lock().unwrap();
        // No time passes in a run, but for the shortest pause there is.
        if state.deferrals_left == 0 || delay > SHORTEST_PAUSE {
            drop(state);
            drop(future);
            return;
        }
        state.deferrals_left -= 1;
        state.deferred.push(Box::pin(async move {
            gates.pass().await;
            future.await;
        }));
    }

    fn has_clock(&self) -> bool {
        true
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
        let refusal = || BackendError::new(BackendErrorKind::Throttled, operation, self.label());
        match self.gates.scripted(self.label, operation) {
            Some(Failure::Refused) => return Err(refusal()),
            Some(Failure::Lost) => return Err(failure()),
            Some(Failure::AnswerLost) => {
                effect.await?;
                return Err(failure());
            }
            None => {}
        }
        match self.gates.pass().await {
            Verdict::Proceed => {}
            Verdict::Fail => return Err(failure()),
            Verdict::Refuse => return Err(refusal()),
        }
        let outcome = effect.await;
        if self.gates.answers_at_once(operation) {
            return outcome;
        }
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
