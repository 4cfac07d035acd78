//! What is known of a history, and which answers are right.
//!
//! A value says which load, or which insert, it is of. Of a load it is known when its loader was called, which is after
//! its stamp was made, and what has been invalidated by then.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use hitbox::{LoadError, LoadErrorKind, Status, Why};
use hitbox_core::{CacheValue, Raw, Stamp, clock};

use super::{
    plan::{BRIEF, CacheRules, End},
    source::LoadFailed,
};
use crate::{data::name_of, reference::Violation};

/// How many loads of a key run at a time: one, and one that it has overtaken.
const MOST_RUNNING: usize = 2;

pub(super) struct Ledger {
    rules: CacheRules,
    memory: Expiries,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<KeyLedger>,
    loads: Vec<Load>,
    inserts: HashMap<usize, Insert>,
    /// Orders begins and ends.
    moments: u64,
    /// When the clock was set back the last time.
    set_back: u64,
    answers: u64,
    violation: Option<Violation>,
}

#[derive(Clone, Debug, Default)]
struct KeyLedger {
    /// What began to load before these is older than a remove or an insert, or an expiry, that has returned.
    hard: Stamp,
    soft: Stamp,
    /// How many invalidations have begun, refreshes among them.
    invalidations: u64,
    /// The newest of an expiry that has begun.
    expiring: Option<Stamp>,
}

struct Load {
    keys: Vec<Asked>,
    called: Stamp,
    ended: Option<Ended>,
}

#[derive(Clone, Copy)]
struct Ended {
    moment: u64,
    at: DateTime<Utc>,
    /// `None`: it was dropped.
    end: Option<End>,
}

#[derive(Clone, Copy)]
struct Insert {
    key: usize,
    stamp: Stamp,
    at: DateTime<Utc>,
}

/// Whether a load waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turns {
    Waits,
    /// One of many keys would hold the others while it waits for its turn at one.
    Never,
}

/// A key, as the call asked for it whose loader is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) key: usize,
    /// How much had been invalidated of it when the call began: the load has begun later.
    invalidations: u64,
    turns: Turns,
}

/// What a value is of.
#[derive(Clone, Copy)]
struct Origin {
    /// What it is of began before this.
    began: Stamp,
    at: DateTime<Utc>,
    fresh: Duration,
    is_kept: bool,
}

/// What compositions remember of keys that were expired by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiries {
    OfEachKey,
    /// Of some that they are among these: what is older than the newest of them may be stale by hand.
    Forgotten,
}

/// What had been invalidated when a call began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    hard: Stamp,
    soft: Stamp,
    moment: u64,
}

/// Whether a call was polled whenever it could go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    Always,
    /// What it was given may have been over when it looked.
    NotAlways,
}

impl Load {
    fn is_of(&self, key: usize) -> bool {
        self.keys.iter().any(|asked| asked.key == key)
    }
}

impl Ledger {
    pub(super) fn new(keys: usize, rules: CacheRules, memory: Expiries) -> Self {
        Self {
            rules,
            memory,
            state: Mutex::new(State {
                keys: vec![KeyLedger::default(); keys],
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_violation(&self) -> Option<Violation> {
        self.state().violation.take()
    }

    pub(super) fn violation(&self, violation: Violation) {
        self.state().violation.get_or_insert(violation);
    }

    pub(super) fn loads(&self) -> u64 {
        self.state().loads.len() as u64
    }

    pub(super) fn answers(&self) -> u64 {
        self.state().answers
    }
}

/// Loads.
impl Ledger {
    /// A call begins that may load the key.
    pub(super) fn asks(&self, key: usize, turns: Turns) -> Asked {
        Asked {
            key,
            invalidations: self.state().keys[key].invalidations,
            turns,
        }
    }

    /// A loader is called for these keys. G12: of each at most one load is under way that nothing has overtaken, and at
    /// most two in all.
    pub(super) fn load_begins(&self, keys: &[Asked]) -> usize {
        let mut state = self.state();
        let load = state.loads.len();
        for asked in keys {
            let key = &asked.key;
            let invalidations = state.keys[*key].invalidations;
            let running = state.loads.iter().filter(|load| load.ended.is_none());
            let of_key = running.flat_map(|load| &load.keys);
            let of_key = of_key.filter(|asked| asked.key == *key);
            let others: Vec<u64> = of_key.map(|asked| asked.invalidations).collect();
            let broken = if others.len() >= MOST_RUNNING && asked.turns == Turns::Waits {
                format!(
                    "load {load} of k{key} begins beside {} others",
                    others.len()
                )
            } else if others
                .iter()
                .any(|other| asked.invalidations.min(*other) == invalidations)
            {
                // One that was overtaken before its loader was called may begin beside the newer one, too.
                format!("load {load} of k{key} begins beside one that nothing has overtaken")
            } else {
                continue;
            };
            state.violation.get_or_insert(broken);
        }
        state.loads.push(Load {
            keys: keys.to_vec(),
            called: Stamp::now(),
            ended: None,
        });
        load
    }

    /// With this, or since it was dropped.
    pub(super) fn load_ends(&self, load: usize, end: Option<End>) {
        let mut state = self.state();
        state.moments += 1;
        let moment = state.moments;
        state.loads[load].ended = Some(Ended {
            moment,
            at: clock::now(),
            end,
        });
    }
}

/// Invalidations.
impl Ledger {
    /// Something begins that overtakes loads of the key. Returns a stamp from before it.
    pub(super) fn invalidation_begins(&self, key: usize) -> Stamp {
        self.state().keys[key].invalidations += 1;
        Stamp::now()
    }

    pub(super) fn expiry_begins(&self, key: usize) -> Stamp {
        let stamp = self.invalidation_begins(key);
        self.state().keys[key].expiring = Some(stamp);
        stamp
    }

    pub(super) fn insert_begins(&self, call: usize, key: usize) -> Stamp {
        let stamp = self.invalidation_begins(key);
        let at = clock::now();
        self.state().inserts.insert(call, Insert { key, stamp, at });
        stamp
    }

    /// A remove or an insert has returned that began with this stamp.
    pub(super) fn has_replaced(&self, key: usize, stamp: Stamp) {
        let known = &mut self.state().keys[key].hard;
        *known = stamp.max(*known);
    }

    /// The clock is set back.
    pub(super) fn note_set_back(&self) {
        let mut state = self.state();
        state.moments += 1;
        state.set_back = state.moments;
        state.keys.iter_mut().for_each(|key| key.soft = Stamp::ZERO);
    }

    pub(super) fn has_expired(&self, key: usize, stamp: Stamp) {
        let known = &mut self.state().keys[key].soft;
        *known = stamp.max(*known);
    }
}

/// Answers.
impl Ledger {
    pub(super) fn call_begins(&self, key: usize) -> Begun {
        let mut state = self.state();
        state.moments += 1;
        let KeyLedger { hard, soft, .. } = state.keys[key];
        Begun {
            hard,
            soft,
            moment: state.moments,
        }
    }

    /// G11, and what the status says, if one is told.
    pub(super) fn check_value(
        &self,
        key: usize,
        text: &str,
        status: Option<Status>,
        begun: Begun,
        polled: Polled,
    ) -> Result<(), Violation> {
        let mut state = self.state();
        state.answers += 1;
        let wrong = |what: &str| {
            Err(format!(
                "k{key} is answered with {text}, {status:?}: {what}"
            ))
        };
        let Some(origin) = self.origin(&state, key, text) else {
            return wrong("nobody has loaded or inserted that");
        };
        if origin.began < begun.hard {
            return wrong("it is from before a remove or an insert that had returned");
        }
        let Some(status) = status else {
            return Ok(());
        };
        // What was expired by hand is stale since a time of the clock, for copies of it: one that was set back shows
        // them as fresh again.
        let was_expired = origin.began < begun.soft && state.set_back < begun.moment;
        let (is_fallback, window) = match status {
            Status::Hit | Status::Loaded | Status::Joined => (false, Duration::ZERO),
            Status::Stale(Why::Refreshing | Why::NotRefreshed) => {
                (false, self.rules.stale_while_revalidate)
            }
            Status::Stale(Why::Throttled) => (true, self.longer_window()),
            Status::Stale(_) => (true, self.rules.stale_if_error),
            _ => return wrong("no such status is known"),
        };
        if was_expired && !is_fallback {
            return wrong("it is from before an expiry that had returned");
        }
        if polled == Polled::NotAlways {
            return Ok(());
        }
        let now = clock::now();
        let fresh_until = origin.at + origin.fresh;
        let may_have_been_expired = self.may_have_been_expired(&state, key, origin.began);
        match status {
            Status::Loaded | Status::Joined => Ok(()),
            Status::Hit if !origin.is_kept => wrong("it is not to be kept"),
            Status::Hit if now >= fresh_until => wrong("it is not fresh"),
            Status::Hit => Ok(()),
            _ if now >= fresh_until + window => wrong("it is beyond its window"),
            // The clock may have been set back since a fallback was read.
            _ if !is_fallback && now < fresh_until && !may_have_been_expired => {
                wrong("it is fresh")
            }
            Status::Stale(_) | _ => Ok(()),
        }
    }

    /// G14: a failure is that of a load that the caller has waited for.
    pub(super) fn check_error(
        &self,
        key: usize,
        error: &LoadError,
        begun: Begun,
        waited: Duration,
    ) -> Result<(), Violation> {
        let mut state = self.state();
        state.answers += 1;
        let wrong = |what: &str| Err(format!("the call for k{key} ends with {error:?}: {what}"));
        let ended_since = |end: fn(&Option<End>) -> bool| {
            let of_key = |load: &&Load| load.is_of(key);
            let mut loads = state.loads.iter().filter(of_key);
            loads.any(|load| {
                load.ended
                    .is_some_and(|ended| ended.moment > begun.moment && end(&ended.end))
            })
        };
        let is_right = match error.kind() {
            LoadErrorKind::Loader => {
                let Some(LoadFailed(load)) = error.downcast_ref::<LoadFailed>() else {
                    return wrong("no loader has said that");
                };
                let load = &state.loads[*load];
                load.is_of(key) && load.ended.is_some_and(|ended| ended.moment > begun.moment)
            }
            LoadErrorKind::Panicked => ended_since(|end| *end == Some(End::Panics)),
            // Of the load, it may have passed before its loader was called.
            LoadErrorKind::Timeout => {
                self.is_out_of_time(waited) || !error.to_string().contains("hard_timeout")
            }
            LoadErrorKind::Overloaded => true,
            LoadErrorKind::Absent => self.may_be_absent(&state, key, begun),
            LoadErrorKind::Recursive
            | LoadErrorKind::KeyConflict
            | LoadErrorKind::Closed
            | LoadErrorKind::Backend
            | LoadErrorKind::NoRuntime
            | _ => false,
        };
        match is_right {
            true => Ok(()),
            false => wrong("nothing of the kind has happened since it began"),
        }
    }

    fn may_have_been_expired(&self, state: &State, key: usize, created: Stamp) -> bool {
        self.memory == Expiries::Forgotten || state.keys[key].expiring >= Some(created)
    }

    fn longer_window(&self) -> Duration {
        let CacheRules {
            stale_while_revalidate,
            stale_if_error,
            ..
        } = self.rules;
        stale_while_revalidate.max(stale_if_error)
    }

    fn is_out_of_time(&self, waited: Duration) -> bool {
        self.rules.hard_timeout.is_some_and(|limit| waited >= limit)
    }

    /// Some load that nothing has invalidated has found that there is no such thing.
    fn may_be_absent(&self, state: &State, key: usize, begun: Begun) -> bool {
        state.loads.iter().any(|load| {
            let absent = load
                .ended
                .is_some_and(|ended| ended.end == Some(End::Absent));
            let of_key = load.is_of(key);
            absent && of_key && load.called >= begun.hard.max(begun.soft)
        })
    }

    fn origin(&self, state: &State, key: usize, text: &str) -> Option<Origin> {
        let (kind, numbers) = text.split_at_checked(1)?;
        let (number, of) = numbers.split_once('k')?;
        let number: usize = number.parse().ok()?;
        if of.parse() != Ok(key) {
            return None;
        }
        if kind == "i" {
            let Insert { key: of, stamp, at } = *state.inserts.get(&number)?;
            return (of == key).then_some(Origin {
                began: stamp,
                at,
                fresh: self.rules.ttl,
                is_kept: true,
            });
        }
        let load = state.loads.get(number).filter(|load| load.is_of(key))?;
        let Ended { at, end, .. } = load.ended?;
        let (fresh, is_kept) = match end? {
            End::Value => (self.rules.ttl, true),
            End::Brief => (BRIEF, true),
            End::Uncached => (self.rules.ttl, false),
            End::Absent | End::Fails | End::Panics => return None,
        };
        Some(Origin {
            began: load.called,
            at,
            fresh,
            is_kept,
        })
    }
}

/// What stores hold.
impl Ledger {
    /// G15: what a store holds has the times that it was loaded with, and a stamp from before its loader was called.
    /// Where L1 caps lives, it may expire earlier.
    pub(super) fn check_held(
        &self,
        key: usize,
        value: &CacheValue<Raw>,
        may_be_capped: bool,
    ) -> Result<(), Violation> {
        if value.data().is_absent() {
            return Ok(());
        }
        let name = name_of(value);
        let wrong = |what: &str| Err(format!("k{key} is held as {name}, {what}: {value:?}"));
        let state = self.state();
        let Some(origin) = self.origin(&state, key, &name).filter(|one| one.is_kept) else {
            return wrong("which nobody has loaded or inserted to be kept");
        };
        let is_load = name.starts_with('l');
        if is_load && value.created() >= origin.began {
            return wrong("with a stamp from after its loader was called");
        }
        if !is_load && value.created() < origin.began {
            return wrong("with a stamp from before it was inserted");
        }
        let window = self.longer_window();
        let fresh_until = origin.at + origin.fresh;
        let expire = fresh_until + window;
        let stale = (!window.is_zero()).then_some(fresh_until);
        // What was expired by hand is copied as stale since then.
        let was_expired = self.may_have_been_expired(&state, key, value.created());
        let became_stale_earlier = was_expired && value.stale() <= Some(fresh_until);
        if value.stale() != stale && !became_stale_earlier {
            return wrong(&format!("where it is fresh until {fresh_until}"));
        }
        let expires_right = match value.expire() {
            Some(held) if may_be_capped => held <= expire,
            held => held == Some(expire),
        };
        match expires_right {
            true => Ok(()),
            false => wrong(&format!("where it expires at {expire}")),
        }
    }

    /// What is older than this must not be found in a store, but where the composition knows better.
    pub(super) fn floor(&self, key: usize) -> Stamp {
        self.state().keys[key].hard
    }
}
