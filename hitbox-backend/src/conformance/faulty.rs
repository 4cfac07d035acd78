use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw, clock::Moment};
use tokio::sync::watch;

use crate::{
    Attempt, Backend, BackendError, BackendErrorKind, BackendResult, Begun, Condition, Conditional,
    DeleteStatus, Operation, ReadAttempt, ReadOutcome, WriteAttempt,
    chaos::{Course, Gate},
    repeated::Answer,
    wrapper::forward_properties,
};

/// A backend whose operations fail and hang as a test says, and work otherwise.
///
/// For scenarios that decide each fault as they go; [`ChaosBackend`](crate::chaos::ChaosBackend) is
/// for faults by probability, and has more kinds of them.
///
/// [`Faults`] is the handle. Reads, writes and removes are scripted apart. A bulk operation is a
/// loop of single ones here, so that a script can make some of its keys fail.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hitbox_backend::{Backend, conformance::{Fault, FaultyBackend, MemoryBackend}};
/// use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
///
/// let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
/// let key = CacheKey::from_pair("id", "42");
/// let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
///
/// faults.writes().next(1, Fault::FailAfterEffect);
/// assert!(backend.write(&key, value.clone()).await.is_err());
/// assert_eq!(backend.read(&key).await.unwrap(), Some(value));
///
/// faults.reads().always(Fault::FailBeforeEffect);
/// assert!(backend.read(&key).await.is_err());
/// faults.reads().heal();
/// assert!(backend.read(&key).await.is_ok());
/// assert_eq!(faults.reads().calls(), 3);
/// # });
/// ```
#[derive(Debug)]
pub struct FaultyBackend<B> {
    inner: B,
    faults: Faults,
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with [`Unavailable`](BackendErrorKind::Unavailable) and does not reach the backend.
    FailBeforeEffect,
    /// It takes effect, and fails with [`Unavailable`](BackendErrorKind::Unavailable): the answer
    /// is lost.
    FailAfterEffect,
    /// It hangs until the switch is [healed](Switch::heal), and takes effect then.
    HangBeforeEffect,
    /// It takes effect, and its answer hangs until the switch is [healed](Switch::heal).
    HangAfterEffect,
    /// It takes effect at a second attempt, and says [so](BackendError::made_by_repeat): the first failed
    /// with [`Unavailable`](BackendErrorKind::Unavailable), and is in doubt. A read is answered.
    Repeat,
}

/// Controls a [`FaultyBackend`]. Clones control the same one.
#[derive(Clone, Debug)]
pub struct Faults {
    reads: Switch,
    writes: Switch,
    removes: Switch,
}

impl Faults {
    /// The switch of the reads.
    #[must_use]
    pub const fn reads(&self) -> &Switch {
        &self.reads
    }

    /// The switch of the writes.
    #[must_use]
    pub const fn writes(&self) -> &Switch {
        &self.writes
    }

    /// The switch of the removes.
    #[must_use]
    pub const fn removes(&self) -> &Switch {
        &self.removes
    }

    /// [Heals](Switch::heal) reads, writes and removes.
    pub fn heal(&self) {
        self.reads.heal();
        self.writes.heal();
        self.removes.heal();
    }
}

/// Controls the operations of one kind.
#[derive(Clone, Debug)]
pub struct Switch {
    state: watch::Sender<State>,
    gate: Gate,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    calls: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Script {
    #[default]
    Healthy,
    Next(usize, Fault),
    Always(Fault),
}

impl Script {
    /// How the next operation goes wrong.
    const fn fault(self) -> Option<Fault> {
        match self {
            Self::Healthy | Self::Next(0, _) => None,
            Self::Next(_, fault) | Self::Always(fault) => Some(fault),
        }
    }
}

/// How an operation goes that does not wait.
enum AtOnce {
    Works,
    FailsBeforeEffect,
    FailsAfterEffect,
    Repeats,
    /// Not at once.
    Hangs,
}

/// How an operation goes wrong that may wait.
enum Scripted {
    Fails(Course),
    Repeats,
}

impl Switch {
    fn new() -> Self {
        Self {
            state: watch::Sender::new(State::default()),
            gate: Gate::new(),
        }
    }

    /// The next `count` operations go wrong, those after them do not. Replaces what was set before;
    /// what hangs already keeps hanging.
    pub fn next(&self, count: usize, fault: Fault) {
        self.state
            .send_modify(|state| state.script = Script::Next(count, fault));
    }

    /// Every operation goes wrong until the switch is healed. Replaces what was set before; what
    /// hangs already keeps hanging.
    pub fn always(&self, fault: Fault) {
        self.state
            .send_modify(|state| state.script = Script::Always(fault));
    }

    /// Nothing goes wrong any more, and what hangs goes on.
    pub fn heal(&self) {
        // In this order: what was told to hang before the script changed is let go.
        self.state
            .send_modify(|state| state.script = Script::Healthy);
        self.gate.release();
    }

    /// How many operations there were, those that went wrong included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.borrow().calls
    }

    /// How many operations hang at this moment. One whose future was dropped no longer does.
    #[must_use]
    pub fn hanging(&self) -> usize {
        self.gate.hanging()
    }

    /// Waits until at least `count` operations hang.
    pub async fn wait_until_hanging(&self, count: usize) {
        self.gate.wait_until_hanging(count).await;
    }

    /// Waits until there have been at least `count` operations.
    pub async fn wait_until_called(&self, count: u64) {
        let mut state = self.state.subscribe();
        // Fails only when the sender is gone, and `self` is one.
        let _state = state.wait_for(|state| state.calls >= count).await;
    }

    fn is_healthy(&self) -> bool {
        self.state.borrow().script.fault().is_none()
    }

    /// Counts an operation that does not wait, unless it is to hang, and tells how it goes wrong.
    fn begin_at_once(&self) -> AtOnce {
        let mut course = AtOnce::Hangs;
        self.state.send_if_modified(|state| {
            course = match state.script.fault() {
                None => AtOnce::Works,
                Some(Fault::FailBeforeEffect) => AtOnce::FailsBeforeEffect,
                Some(Fault::FailAfterEffect) => AtOnce::FailsAfterEffect,
                Some(Fault::HangBeforeEffect | Fault::HangAfterEffect) => return false,
                Some(Fault::Repeat) => AtOnce::Repeats,
            };
            state.calls += 1;
            if let Script::Next(left, _) = &mut state.script {
                *left = left.saturating_sub(1);
            }
            true
        });
        course
    }

    /// Counts an operation, and tells how it goes wrong.
    fn begin(&self) -> Option<Scripted> {
        let mut course = None;
        self.state.send_modify(|state| {
            state.calls += 1;
            course = match state.script {
                Script::Healthy | Script::Next(0, _) => None,
                Script::Next(left, fault) => {
                    state.script = Script::Next(left - 1, fault);
                    Some(fault)
                }
                Script::Always(fault) => Some(fault),
            }
            .map(|fault| self.scripted(fault));
        });
        course
    }

    fn scripted(&self, fault: Fault) -> Scripted {
        Scripted::Fails(match fault {
            Fault::Repeat => return Scripted::Repeats,
            Fault::FailBeforeEffect => Course::FailBeforeEffect(BackendErrorKind::Unavailable),
            Fault::FailAfterEffect => Course::FailAfterEffect(BackendErrorKind::Unavailable),
            Fault::HangBeforeEffect => Course::HangBeforeEffect(self.gate.ticket()),
            Fault::HangAfterEffect => Course::HangAfterEffect(self.gate.ticket()),
        })
    }
}

impl<B: Backend> FaultyBackend<B> {
    /// `inner`, with nothing going wrong yet, and the handle that changes this.
    pub fn new(inner: B) -> (Self, Faults) {
        let faults = Faults {
            reads: Switch::new(),
            writes: Switch::new(),
            removes: Switch::new(),
        };
        let handle = faults.clone();
        (Self { inner, faults }, handle)
    }

    /// The backend within, which works whatever the script says.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Runs `effect` as `switch` says.
    async fn scripted<T: Answer>(
        &self,
        switch: &Switch,
        operation: Operation,
        effect: impl Future<Output = BackendResult<T>> + Send,
    ) -> BackendResult<T> {
        let error = |kind| self.failure(kind, operation);
        match switch.begin() {
            None => effect.await,
            Some(Scripted::Fails(course)) => course.run(&switch.gate, effect, error).await,
            Some(Scripted::Repeats) => self.repeated(operation, effect.await),
        }
    }

    /// What is answered to a change of which a second attempt had this outcome.
    fn repeated<T: Answer>(
        &self,
        operation: Operation,
        outcome: BackendResult<T>,
    ) -> BackendResult<T> {
        let answer = outcome?;
        match answer.change() {
            None => Ok(answer),
            Some(change) => {
                let first = self.failure(BackendErrorKind::Unavailable, operation);
                Err(first.made_by_repeat(change))
            }
        }
    }

    /// Runs a write as the script says, if that neither hangs nor has to be waited for.
    fn scripted_at_once<'a>(
        &'a self,
        value: CacheValue<Raw>,
        effect: impl FnOnce(CacheValue<Raw>) -> WriteAttempt<'a>,
    ) -> WriteAttempt<'a> {
        if !self.inner.is_non_blocking() {
            return Attempt::WouldBlock(value);
        }
        let failure = || Err(self.failure(BackendErrorKind::Unavailable, Operation::Write));
        match self.faults.writes.begin_at_once() {
            AtOnce::Hangs => Attempt::WouldBlock(value),
            AtOnce::Works => effect(value),
            AtOnce::FailsBeforeEffect => Attempt::Ready(failure()),
            AtOnce::Repeats => match effect(value) {
                Attempt::Ready(outcome) => Attempt::Ready(self.repeated(Operation::Write, outcome)),
                Attempt::Pending(rest) => Attempt::Pending(Box::pin(async move {
                    self.repeated(Operation::Write, rest.await)
                })),
                Attempt::WouldBlock(value) => Attempt::WouldBlock(value),
            },
            AtOnce::FailsAfterEffect => match effect(value) {
                Attempt::Ready(_) => Attempt::Ready(failure()),
                Attempt::Pending(rest) => Attempt::Pending(Box::pin(async move {
                    let _lost = rest.await;
                    failure()
                })),
                Attempt::WouldBlock(value) => Attempt::WouldBlock(value),
            },
        }
    }

    fn failure(&self, kind: BackendErrorKind, operation: Operation) -> BackendError {
        BackendError::new(kind, operation, self.label()).with_detail("a scripted fault")
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for FaultyBackend<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let effect = self.inner.read(key);
        self.scripted(&self.faults.reads, Operation::Read, effect)
            .await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let effect = self.inner.write(key, value);
        self.scripted(&self.faults.writes, Operation::Write, effect)
            .await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let effect = self.inner.refill(key, value);
        self.scripted(&self.faults.writes, Operation::Write, effect)
            .await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let effect = self.inner.remove(key);
        self.scripted(&self.faults.removes, Operation::Remove, effect)
            .await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        // A copy, since an answer that gets lost must leave no trace in the caller's.
        let mut noted = context.clone();
        let effect = self.inner.read_with(key, &mut noted);
        let outcome = self
            .scripted(&self.faults.reads, Operation::Read, effect)
            .await;
        match outcome {
            Ok(_) => *context = noted,
            Err(_) => context.set_status(CacheStatus::Miss),
        }
        outcome
    }

    /// A read that goes wrong takes its time: only the others are answered at once.
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        if !self.faults.reads.is_healthy() {
            return Attempt::WouldBlock(());
        }
        match self.inner.try_read(key, context, moment) {
            Attempt::Ready(outcome) => {
                let _healthy = self.faults.reads.begin();
                Attempt::Ready(outcome)
            }
            Attempt::Pending(_) | Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    /// A write that hangs takes its time: only the others are made at once.
    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.scripted_at_once(value, |value| self.inner.try_write(key, value))
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.scripted_at_once(value, |value| self.inner.try_refill(key, value))
    }

    fn is_non_blocking(&self) -> bool {
        self.inner.is_non_blocking()
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.read_many_with(keys, &mut []).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let mut outcomes = Vec::with_capacity(keys.len());
        let mut scratch = BoxContext::default();
        for (index, key) in keys.iter().enumerate() {
            let context = contexts.get_mut(index).unwrap_or(&mut scratch);
            outcomes.push(self.read_with(key, context).await);
        }
        outcomes
    }

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

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            outcomes.push(self.refill(&key, value).await);
        }
        outcomes
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for key in keys {
            outcomes.push(self.remove(key).await);
        }
        outcomes
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.inner.begin_load(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let effect = self.inner.write_if(key, value, condition);
        self.scripted(&self.faults.writes, Operation::Write, effect)
            .await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for (key, value, condition) in entries {
            outcomes.push(self.write_if(&key, value, condition).await);
        }
        outcomes
    }

    forward_properties!(inner);
}
