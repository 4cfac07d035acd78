//! What a history happens to: two stores, the operations of layers that wait to get on, and what
//! has been handed to the background.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use futures::future::BoxFuture;
use hitbox_backend::CompositionLayer;
use hitbox_core::{CacheKey, Stamp};
use tokio::time::Instant;

use super::{
    layer::Request,
    step::{Fault, Faulted},
    store::Store,
};

/// What a failed operation may still do to a layer, it does within this time. Fences hold longer.
const LATE_AT_MOST: Duration = Duration::from_secs(59);

/// No call: the background.
pub(super) const NO_CALL: usize = usize::MAX;

/// Where an operation of a layer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    BeforeEffect,
    BeforeAnswer,
}

struct Waiting {
    gate: usize,
    layer: CompositionLayer,
    phase: Phase,
    since: Instant,
    waker: Waker,
}

struct LateEffect {
    layer: CompositionLayer,
    request: Request,
    until: Instant,
}

/// How often a layer took what it was asked, and how often it failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) took: u32,
    pub(super) failed: u32,
}

/// What the answers of layers are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// The write of the value with this stamp, whoever carries it out.
    Write(Stamp),
    /// A read or remove by this call.
    Call(usize),
}

#[derive(Default)]
struct State {
    next_gate: usize,
    /// In the order of arrival.
    waiting: Vec<Waiting>,
    opened: Vec<(usize, Option<Faulted>)>,
    /// Nobody waits anywhere, nothing fails.
    calm: bool,
    broken: [bool; 2],
    /// What is dropped now may take effect later.
    drops_are_late: bool,
    late: Vec<LateEffect>,
    background: Vec<BoxFuture<'static, ()>>,
    current_call: usize,
    answers: HashMap<(usize, Cause), [Tally; 2]>,
    trace: Option<Vec<String>>,
    digest: u64,
}

pub(super) struct World {
    pub(super) stores: [Store; 2],
    pub(super) keys: Vec<CacheKey>,
    state: Mutex<State>,
}

/// Whether a history is told as it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Silent,
    Traced,
}

impl World {
    pub(super) fn new(stores: [Store; 2], keys: Vec<CacheKey>, telling: Telling) -> Self {
        let state = State {
            current_call: NO_CALL,
            trace: (telling == Telling::Traced).then(Vec::new),
            ..State::default()
        };
        Self {
            stores,
            keys,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn store(&self, layer: CompositionLayer) -> &Store {
        &self.stores[layer as usize]
    }

    /// The number of a key; there is no operation on any other.
    pub(super) fn number_of(&self, key: &CacheKey) -> usize {
        let known = self.keys.iter().position(|known| known == key);
        known.unwrap_or(self.keys.len())
    }

    /// Adds a line to the trace. Something must tell histories apart also when nobody reads them:
    /// `distinct`.
    pub(super) fn tell(&self, distinct: u64, line: impl FnOnce() -> String) {
        let mut state = self.state();
        state.digest = (state.digest ^ distinct)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(17);
        if let Some(trace) = &mut state.trace {
            trace.push(line());
        }
    }

    pub(super) fn take_trace(&self) -> (Vec<String>, u64) {
        let mut state = self.state();
        (state.trace.take().unwrap_or_default(), state.digest)
    }

    pub(super) fn set_current_call(&self, call: usize) {
        self.state().current_call = call;
    }

    pub(super) fn current_call(&self) -> usize {
        self.state().current_call
    }

    pub(super) fn count(&self, key: usize, cause: Cause, layer: CompositionLayer, failed: bool) {
        let mut state = self.state();
        let tally = &mut state.answers.entry((key, cause)).or_default()[layer as usize];
        if failed {
            tally.failed += 1;
        } else {
            tally.took += 1;
        }
    }

    pub(super) fn answers(&self, key: usize, cause: Cause) -> [Tally; 2] {
        let state = self.state();
        state
            .answers
            .get(&(key, cause))
            .copied()
            .unwrap_or_default()
    }
}

/// Gates.
impl World {
    /// Waits until the operation may get on. Returns what goes wrong with it.
    pub(super) async fn pass(
        &self,
        layer: CompositionLayer,
        phase: Phase,
        requests: &[Request],
    ) -> Option<Faulted> {
        let gate = {
            let mut state = self.state();
            if state.calm {
                return None;
            }
            state.next_gate += 1;
            state.next_gate
        };
        let since = Instant::now();
        let mut passing = Passing {
            world: self,
            gate,
            layer,
            undelivered: match phase {
                Phase::BeforeEffect => requests,
                Phase::BeforeAnswer => &[],
            },
        };
        let fault = poll_fn(|context| {
            let mut state = self.state();
            state.waiting.retain(|waiting| waiting.gate != gate);
            if let Some(at) = state.opened.iter().position(|(opened, _)| *opened == gate) {
                return Poll::Ready(state.opened.swap_remove(at).1);
            }
            let waker = context.waker().clone();
            let at = state.waiting.partition_point(|waiting| waiting.gate < gate);
            let waiting = Waiting {
                gate,
                layer,
                phase,
                since,
                waker,
            };
            state.waiting.insert(at, waiting);
            Poll::Pending
        })
        .await;
        passing.undelivered = &[];
        fault
    }

    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Opens a gate, by its place in the order of arrival.
    pub(super) fn open(&self, at: usize, fault: Option<Faulted>) {
        let mut state = self.state();
        let Waiting {
            gate, layer, waker, ..
        } = state.waiting.remove(at);
        let fault = if state.broken[layer as usize] {
            // To all keys.
            Some(Faulted {
                fault: Fault::Unavailable,
                keys: u8::MAX,
            })
        } else {
            fault
        };
        state.opened.push((gate, fault));
        drop(state);
        waker.wake();
    }

    /// Lets an operation on that would take effect too late once `time` has passed. False if there is
    /// none.
    pub(super) fn open_overdue(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let overdue = |waiting: &Waiting| {
            waiting.phase == Phase::BeforeEffect && waiting.since + LATE_AT_MOST <= end
        };
        let at = self.state().waiting.iter().position(overdue);
        if let Some(at) = at {
            self.open(at, None);
        }
        at.is_some()
    }

    pub(super) fn set_broken(&self, layer: CompositionLayer, broken: bool) {
        self.state().broken[layer as usize] = broken;
    }

    /// From now on nobody waits and nothing fails.
    pub(super) fn calm_down(&self) {
        let wakers: Vec<_> = {
            let mut state = self.state();
            state.calm = true;
            state.broken = [false; 2];
            let waiting = mem::take(&mut state.waiting);
            let open = |waiting: Waiting| {
                state.opened.push((waiting.gate, None));
                waiting.waker
            };
            waiting.into_iter().map(open).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn stir_up(&self) {
        self.state().calm = false;
    }
}

/// Late effects.
impl World {
    pub(super) fn delay(&self, layer: CompositionLayer, request: Request) {
        let until = Instant::now() + LATE_AT_MOST;
        self.state().late.push(LateEffect {
            layer,
            request,
            until,
        });
    }

    /// Runs `drop` such that what a layer has been asked for may take effect later.
    pub(super) fn with_late_drops(&self, drop: impl FnOnce()) {
        self.state().drops_are_late = true;
        drop();
        self.state().drops_are_late = false;
    }

    /// One effect arrives, if any is due to.
    pub(super) fn arrive(&self, pick: usize) {
        let effect = {
            let mut state = self.state();
            match state.late.len() {
                0 => return,
                count => state.late.remove(pick % count),
            }
        };
        self.take_effect(effect);
    }

    /// Everything arrives that would be too late after `time`.
    pub(super) fn arrive_before(&self, time: Duration) {
        let now = Instant::now();
        loop {
            let effect = {
                let mut state = self.state();
                let due = |effect: &LateEffect| effect.until <= now + time;
                match state.late.iter().position(due) {
                    Some(at) => state.late.remove(at),
                    None => return,
                }
            };
            self.take_effect(effect);
        }
    }

    fn take_effect(&self, effect: LateEffect) {
        let LateEffect { layer, request, .. } = effect;
        self.tell(7, || {
            format!("      late: {layer} {}", self.name_of(&request))
        });
        // Nobody is there to be told of a failure.
        drop(request.apply(self.store(layer)));
    }
}

/// The background.
impl World {
    pub(super) fn hand_over(&self, work: BoxFuture<'static, ()>) {
        self.state().background.push(work);
    }

    pub(super) fn take_background(&self) -> Vec<BoxFuture<'static, ()>> {
        mem::take(&mut self.state().background)
    }
}

/// One that waits at a gate. Dropped there, it stops waiting.
struct Passing<'w> {
    world: &'w World,
    gate: usize,
    layer: CompositionLayer,
    undelivered: &'w [Request],
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.waiting.retain(|waiting| waiting.gate != self.gate);
        let late = state.drops_are_late;
        drop(state);
        let changes = self.undelivered.iter().filter(|request| request.changes());
        if late {
            changes.for_each(|request| self.world.delay(self.layer, request.clone()));
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
