//! What repairs ask of a shard.

use hitbox_core::{CacheKey, CompositionLayer, Stamp};
use tokio::time::Instant;

use super::{super::key_state::Asked, Shard};

/// A key that a layer can be repaired for.
pub(in super::super) struct Repairable {
    pub(in super::super) key: CacheKey,
    attempts: u32,
    newest: (Stamp, u64),
}

impl Repairable {
    /// The smaller the sooner.
    pub(in super::super) fn turn(&self) -> (u32, (Stamp, u64)) {
        (self.attempts, self.newest)
    }
}

impl Shard {
    /// What `layer` should hold of `key`, if it owes that and nobody is about to change it.
    pub(in super::super) fn repairable(
        &self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Asked> {
        let entry = self.entries.get(key)?;
        if entry.waiters.is_busy_in(layer) {
            return None;
        }
        entry.state.asked(layer)
    }

    /// The same for a repair that sets out now, unless another has.
    pub(in super::super) fn begin_look(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Asked> {
        let entry = self.entries.get_mut(key)?;
        if entry.waiters.is_busy_in(layer) {
            return None;
        }
        entry.state.begin_verifying(layer)
    }

    pub(in super::super) fn end_look(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(state) = self.state_mut(key) {
            state.end_verifying(layer);
        }
    }

    pub(in super::super) fn list_repairable(
        &self,
        layer: CompositionLayer,
        list: &mut Vec<Repairable>,
    ) {
        let entries = self.entries.iter();
        let repairable = entries.filter(|(_, entry)| entry.state.is_repairable(layer));
        list.extend(repairable.map(|(key, entry)| Repairable {
            key: key.clone(),
            attempts: entry.state.attempts(layer),
            // Not the fence: that is the same for a remove and for a write that came right after it.
            newest: (entry.state.newest_stamp(), entry.state.newest()),
        }));
    }

    pub(in super::super) fn note_attempt(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(state) = self.state_mut(key) {
            state.note_attempt(layer);
        }
    }

    /// When a layer is next to be looked at because nothing can arrive there late any more.
    pub(in super::super) fn next_lapse(&self) -> Option<Instant> {
        self.lapses.front().map(|(until, _, _)| *until)
    }
}
