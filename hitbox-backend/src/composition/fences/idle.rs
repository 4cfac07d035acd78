//! Keys that are idle, and what is left of those that are forgotten.

use std::collections::VecDeque;

use hitbox_core::{CacheKey, Stamp};

use super::key_state::KeyState;

/// The idle keys of a shard.
pub(super) struct Idle {
    /// The longest idle first, each with its count of ends when it came here.
    queue: VecDeque<(CacheKey, u64)>,
    capacity: usize,
    /// The newest remove, and the last end, among the keys that are forgotten.
    forgotten_remove: Stamp,
    forgotten_end: u64,
}

impl Idle {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity,
            forgotten_remove: Stamp::ZERO,
            forgotten_end: 0,
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
    pub(super) fn forget<T>(&mut self, state: &KeyState<T>) {
        self.forgotten_remove = self.forgotten_remove.max(state.removed());
        self.forgotten_end = self.forgotten_end.max(state.ended());
    }

    /// Whether a key that is not remembered may have been removed after a value of it was created.
    pub(super) fn may_be_removed_since(&self, created: Stamp) -> bool {
        created <= self.forgotten_remove
    }

    /// Whether a key that is not remembered is untouched since there were this many ends.
    pub(super) const fn is_untouched_since(&self, ends: u64) -> bool {
        self.forgotten_end <= ends
    }
}
