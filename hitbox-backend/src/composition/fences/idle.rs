//! Keys that are idle, and what is left of those that are forgotten.

use std::collections::VecDeque;

use hitbox_core::{CacheKey, Stamp};

use super::{forgotten::Forgotten, key_state::KeyState};
use crate::Invalidations;

/// The idle keys of a shard.
pub(super) struct Idle {
    /// The longest idle first, each with its count of ends when it came here.
    queue: VecDeque<(CacheKey, u64)>,
    capacity: usize,
    /// The newest remove, and the last end, among the keys that are forgotten.
    forgotten_remove: Stamp,
    forgotten_end: u64,
    /// The newest expiry among those that were expired, and not written since: of these keys, values at or below it
    /// are stale.
    forgotten_expiry: Stamp,
    expired: Forgotten,
}

impl Idle {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity,
            forgotten_remove: Stamp::ZERO,
            forgotten_end: 0,
            forgotten_expiry: Stamp::ZERO,
            expired: Forgotten::new(capacity),
        }
    }

    pub(super) fn push(&mut self, key: CacheKey, ended: u64) {
        self.queue.push_back((key, ended));
    }

    /// Takes out the key that is idle for longest, if there are more than are remembered.
    pub(super) fn pop_surplus(&mut self) -> Option<(CacheKey, u64)> {
        if self.queue.len() <= self.capacity {
            return None;
        }
        self.queue.pop_front()
    }

    /// Keeps of a key that is forgotten what nobody else knows then.
    pub(super) fn forget<T>(&mut self, key: &CacheKey, state: &KeyState<T>) {
        self.forgotten_remove = self.forgotten_remove.max(state.removed());
        self.forgotten_end = self.forgotten_end.max(state.ended());
        let soft = state.known_soft_expiry();
        if soft > Stamp::ZERO {
            self.forgotten_expiry = self.forgotten_expiry.max(soft);
            self.expired.insert(key);
        }
    }

    /// What may have been done to a key that is not remembered.
    pub(super) fn forgotten(&self, key: &CacheKey) -> Invalidations {
        Invalidations {
            hard: self.forgotten_remove,
            soft: if self.expired.may_contain(key) {
                self.forgotten_expiry
            } else {
                Stamp::ZERO
            },
        }
    }

    /// Whether reads have to look whether a key is among those that are forgotten.
    pub(super) fn concerns_reads(&self) -> bool {
        self.forgotten_expiry > Stamp::ZERO
    }

    /// Whether a key that is not remembered is untouched since there were this many ends.
    pub(super) const fn is_untouched_since(&self, ends: u64) -> bool {
        self.forgotten_end <= ends
    }
}
