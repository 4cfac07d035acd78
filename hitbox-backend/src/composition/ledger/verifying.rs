//! A look at the layers that a repair takes.

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::{key_state::Asked, records::Ledger, trust::Trust, turn::Turn};

/// A pending repair, as it is when a repair begins. As long as this is held, no other repair of the key in the
/// layer begins: reads that repair would else pile up on a layer that hangs.
pub(in crate::composition) struct Verifying {
    pub(in crate::composition) asked: Asked,
    pub(in crate::composition) trust: Trust,
    ledger: Arc<Ledger>,
    key: CacheKey,
    layer: CompositionLayer,
}

impl Verifying {
    /// What `layer` should hold of `key`; `None` if it needs no repair, or if something is under way that may
    /// yet do it.
    pub(in crate::composition) fn begin(
        ledger: &Arc<Ledger>,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Self> {
        let trust = ledger.trust(key);
        // After the fences: whatever ends in between counts as having ended since.
        let asked = ledger.shard(key).begin_look(key, layer)?;
        Some(Self {
            asked,
            trust,
            ledger: Arc::clone(ledger),
            key: key.clone(),
            layer,
        })
    }

    /// The turn to repair the key in the layer, under the terms of a refill. `refilled` is the stamp of the value
    /// that the layer is given, if it is given one.
    pub(in crate::composition) fn turn(&self, refilled: Option<Stamp>) -> Option<Turn> {
        let (key, layer) = (&self.key, self.layer);
        let newest = {
            let mut shard = self.ledger.shard(key);
            shard.repairable(key, layer)?;
            shard.begin_refill(key, layer, self.trust.ends)?
        };
        let ledger = Arc::clone(&self.ledger);
        Some(Turn::new(ledger, key.clone(), layer, newest, refilled))
    }
}

impl Drop for Verifying {
    fn drop(&mut self) {
        self.ledger.shard(&self.key).end_look(&self.key, self.layer);
    }
}
