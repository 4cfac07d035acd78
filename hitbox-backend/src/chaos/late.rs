use std::{collections::VecDeque, fmt, num::NonZeroU32};

use hitbox_core::{CacheKey, CacheValue, Raw};
use tokio::time::Instant;

use super::Late;
use crate::Condition;

/// Writes and removes whose callers have been told that they timed out, to be carried out later.
///
/// They wait here as data and are carried out by the calls that come after them: no task is left
/// behind, and their order does not depend on a scheduler.
#[derive(Debug, Default)]
pub(super) struct LateEffects {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    key: CacheKey,
    effect: Effect,
    due: Due,
}

/// What a write or remove does.
#[derive(Clone)]
pub(super) enum Effect {
    Put(Put, CacheValue<Raw>),
    Remove,
}

/// The ways to store a value.
#[derive(Clone, Debug)]
pub(super) enum Put {
    Write,
    Refill,
    If(Condition),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put, _value) => write!(f, "{put:?}"),
            Self::Remove => f.write_str("Remove"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Now,
    AfterCalls(NonZeroU32),
    At(Instant),
}

impl LateEffects {
    pub(super) fn add(&mut self, key: CacheKey, effect: Effect, late: Late) {
        let due = match late {
            Late::AfterCalls(calls) => Due::AfterCalls(calls),
            // What overflows the clock is never due.
            Late::After(time) => match Instant::now().checked_add(time) {
                Some(at) => Due::At(at),
                None => return,
            },
        };
        self.waiting.push_back(Waiting { key, effect, due });
    }

    /// Counts the end of a call on `key`.
    pub(super) fn note_call(&mut self, key: &CacheKey) {
        for waiting in self.waiting.iter_mut().filter(|one| one.key == *key) {
            if let Due::AfterCalls(calls) = waiting.due {
                waiting.due = NonZeroU32::new(calls.get() - 1).map_or(Due::Now, Due::AfterCalls);
            }
        }
    }

    pub(super) fn all_are_due(&mut self) {
        for waiting in &mut self.waiting {
            waiting.due = Due::Now;
        }
    }

    /// Takes the oldest one that is due. One at a time: what a dropped future has not taken is
    /// carried out by the next call.
    pub(super) fn take_due(&mut self) -> Option<(CacheKey, Effect)> {
        if self.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        let due = self.waiting.iter().position(|waiting| match waiting.due {
            Due::Now => true,
            Due::AfterCalls(_) => false,
            Due::At(at) => at <= now,
        })?;
        let Waiting {
            key,
            effect,
            due: _,
        } = self.waiting.remove(due)?;
        Some((key, effect))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
