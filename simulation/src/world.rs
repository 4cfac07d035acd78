//! What a history happens to: the stores, the operations of layers that wait to get on, and what
//! has been handed to the background.

mod background;
mod gates;
mod late;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use hitbox_backend::CompositionLayer;
use hitbox_core::{CacheKey, Stamp};

use super::{
    place::Place,
    setting::Answers,
    step::{Fault, Faulted},
    store::Store,
};
use background::Deferred;
use gates::Waiting;
use late::LateEffect;

pub(super) use gates::Phase;

/// No call: the background.
pub(super) const NO_CALL: usize = usize::MAX;

/// How often a layer took what it was asked, and how often it failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) took: u32,
    pub(super) failed: u32,
    /// What it was asked anew counts as it ended: a write that was begun in place, and could not be ended
    /// there, is made again.
    pub(super) failed_last: bool,
}

/// What the answers of layers are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// The write of the value with this stamp, whoever carries it out.
    Write(Stamp),
    /// A read by this call.
    Read(usize),
    /// A remove by this call.
    Remove(usize),
}

#[derive(Default)]
struct State {
    next_gate: usize,
    /// In the order of arrival.
    waiting: Vec<Waiting>,
    opened: Vec<(usize, Option<Faulted>)>,
    /// Nobody waits anywhere, nothing fails.
    calm: bool,
    /// For each site: how everything fails there.
    broken: Vec<Option<Fault>>,
    /// What is dropped now may take effect later.
    drops_are_late: bool,
    late: Vec<LateEffect>,
    repeated: u64,
    background: Vec<BoxFuture<'static, ()>>,
    deferred: Vec<Deferred>,
    current_call: usize,
    /// How often a store could have written at once.
    at_once: usize,
    answers: HashMap<(usize, Cause), [Tally; 2]>,
    /// By key: how many reads of L2 have failed, whoever began them.
    failed_reads_of_l2: HashMap<usize, u32>,
    trace: Option<Vec<String>>,
    digest: u64,
}

/// A store, and where it stands.
pub(super) struct Site {
    pub(super) place: Place,
    pub(super) store: Store,
    pub(super) answers: Answers,
}

pub(super) struct World {
    pub(super) sites: Vec<Site>,
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
    pub(super) fn new(sites: Vec<Site>, keys: Vec<CacheKey>, telling: Telling) -> Self {
        let state = State {
            broken: vec![None; sites.len()],
            current_call: NO_CALL,
            trace: (telling == Telling::Traced).then(Vec::new),
            ..State::default()
        };
        Self {
            sites,
            keys,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether a store that could write at once does not: one that has said it would may, now and then.
    pub(super) fn hesitates(&self) -> bool {
        let mut state = self.state();
        state.at_once += 1;
        state.at_once.is_multiple_of(4)
    }

    pub(super) fn broken(&self, site: usize) -> Option<Fault> {
        self.state().broken[site]
    }

    pub(super) fn current_call(&self) -> usize {
        self.state().current_call
    }

    pub(super) fn count(&self, key: usize, cause: Cause, layer: CompositionLayer, failed: bool) {
        let mut state = self.state();
        if let (Cause::Read(_), CompositionLayer::L2, true) = (cause, layer, failed) {
            *state.failed_reads_of_l2.entry(key).or_default() += 1;
        }
        let tally = &mut state.answers.entry((key, cause)).or_default()[layer as usize];
        if failed {
            tally.failed += 1;
        } else {
            tally.took += 1;
        }
        tally.failed_last = failed;
    }

    /// How many reads of the key in L2 have failed so far. A read that began before one of them did may have joined it.
    pub(super) fn failed_reads_of_l2(&self, key: usize) -> u32 {
        let state = self.state();
        state
            .failed_reads_of_l2
            .get(&key)
            .copied()
            .unwrap_or_default()
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

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
