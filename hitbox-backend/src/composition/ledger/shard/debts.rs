//! What repairs ask of a shard.

use hitbox_core::{CacheKey, Stamp};
use tokio::time::Instant;

use super::{
    super::{debts::Asked, record::Change},
    Shard,
};
use crate::composition::CompositionLayer;

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
        let record = self.records.get(key)?;
        let state = &record.layers[layer as usize];
        if !record.is_repairable(layer) || state.busy {
            return None;
        }
        record.newest_change().map(|newest| match newest {
            Change::Write(_) => Asked::Value,
            Change::Remove(_) => Asked::Nothing,
        })
    }

    /// The same for a repair that sets out now, unless another has.
    pub(in super::super) fn begin_look(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Asked> {
        let asked = self.repairable(key, layer)?;
        let state = &mut self.records.get_mut(key)?.layers[layer as usize];
        if state.looked_at {
            return None;
        }
        state.looked_at = true;
        Some(asked)
    }

    pub(in super::super) fn end_look(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(record) = self.records.get_mut(key) {
            record.layers[layer as usize].looked_at = false;
        }
    }

    pub(in super::super) fn list_repairable(
        &self,
        layer: CompositionLayer,
        list: &mut Vec<Repairable>,
    ) {
        let records = self.records.iter();
        let repairable = records.filter(|(_, record)| record.is_repairable(layer));
        list.extend(repairable.map(|(key, record)| Repairable {
            key: key.clone(),
            attempts: record.layers[layer as usize].attempts,
            // Not the fence: that is the same for a remove and for a write that came right after it.
            newest: (record.written.max(record.removed), record.newest),
        }));
    }

    pub(in super::super) fn note_attempt(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(record) = self.records.get_mut(key) {
            let attempts = &mut record.layers[layer as usize].attempts;
            *attempts = attempts.saturating_add(1);
        }
    }

    /// When a layer is next to be looked at because nothing can arrive there late any more.
    pub(in super::super) fn next_lapse(&self) -> Option<Instant> {
        self.lapses.front().map(|(until, _, _)| *until)
    }
}
