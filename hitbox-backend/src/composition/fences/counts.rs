//! Counts over all keys, and what changes of keys do to them.

use hitbox_core::CompositionLayer;

use super::key_state::KeyState;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How a change of keys changes the counts.
#[derive(Debug, Default)]
pub(super) struct CountDelta {
    /// Keys, and shards with forgotten ones, that reads must look at.
    pub(super) of_reads: isize,
    /// Keys with a fence, and no write or remove under way.
    pub(super) pending: isize,
    /// Per layer: keys that it can be repaired for.
    pub(super) repairable: [isize; 2],
    /// Layers of keys that are in doubt.
    pub(super) in_doubt: isize,
}

impl CountDelta {
    /// Adds what one key counts for.
    pub(super) fn add<T: Copy + Ord>(&mut self, state: &KeyState<T>) {
        self.count(state, 1);
    }

    /// Takes out what one key counted for.
    pub(super) fn subtract<T: Copy + Ord>(&mut self, state: &KeyState<T>) {
        self.count(state, -1);
    }

    fn count<T: Copy + Ord>(&mut self, state: &KeyState<T>, times: isize) {
        self.of_reads += times * isize::from(state.concerns_reads());
        self.pending += times * isize::from(state.is_pending());
        for layer in CompositionLayer::BOTH {
            self.repairable[layer as usize] += times * isize::from(state.is_repairable(layer));
            self.in_doubt += times * isize::from(state.is_in_doubt(layer));
        }
    }
}

/// A number of keys.
#[derive(Default)]
pub(super) struct Count(AtomicUsize);

impl Count {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn apply(&self, delta: isize) {
        match delta {
            0 => {}
            1.. => _ = self.0.fetch_add(delta.unsigned_abs(), Ordering::AcqRel),
            ..0 => _ = self.0.fetch_sub(delta.unsigned_abs(), Ordering::AcqRel),
        }
    }
}
