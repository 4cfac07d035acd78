//! Keys that a layer can be repaired for, in order.

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::key_state::KeyState;

/// A key that a layer can be repaired for.
pub(super) struct Repairable {
    pub(super) key: CacheKey,
    attempts: u32,
    newest: (Stamp, u64),
}

impl Repairable {
    /// The key, if the layer can be repaired for it.
    pub(super) fn of<T: Copy + Ord>(
        key: &CacheKey,
        state: &KeyState<T>,
        layer: CompositionLayer,
    ) -> Option<Self> {
        state.is_repairable(layer).then(|| Self {
            key: key.clone(),
            attempts: state.attempts(layer),
            // Not the fence: that is the same for a remove and for a write that came right after it.
            newest: (state.newest_stamp(), state.newest()),
        })
    }

    /// The smaller the sooner.
    pub(super) fn order(&self) -> (u32, (Stamp, u64)) {
        (self.attempts, self.newest)
    }
}
