//! A look at the layers that a repair takes.

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::{key_state::Asked, permit::Permit, records::Fences, snapshot::FenceSnapshot};

/// A pending repair, as it is when a repair begins. As long as this is held, no other repair of the key in the
/// layer begins: reads that repair would else pile up on a layer that hangs.
pub(in crate::composition) struct Verifying {
    pub(in crate::composition) asked: Asked,
    pub(in crate::composition) snapshot: FenceSnapshot,
    fences: Arc<Fences>,
    key: CacheKey,
    layer: CompositionLayer,
}

impl Verifying {
    /// What `layer` should hold of `key`; `None` if it needs no repair, or if something is under way that may
    /// yet do it.
    pub(in crate::composition) fn begin(
        fences: &Arc<Fences>,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Self> {
        let snapshot = fences.snapshot(key);
        // After the fences: whatever ends in between counts as having ended since.
        let asked = fences.shard(key).begin_verifying(key, layer)?;
        Some(Self {
            asked,
            snapshot,
            fences: Arc::clone(fences),
            key: key.clone(),
            layer,
        })
    }

    /// The permit to repair the key in the layer, under the terms of a refill. `refilled` is the stamp of the value
    /// that the layer is given, if it is given one.
    pub(in crate::composition) fn permit(&self, refilled: Option<Stamp>) -> Option<Permit> {
        let (key, layer) = (&self.key, self.layer);
        let newest = {
            let mut shard = self.fences.shard(key);
            shard.repairable(key, layer)?;
            shard.begin_refill(key, layer, self.snapshot.ends)?
        };
        let fences = Arc::clone(&self.fences);
        Some(Permit::new(fences, key.clone(), layer, newest, refilled))
    }
}

impl Drop for Verifying {
    fn drop(&mut self) {
        self.fences
            .shard(&self.key)
            .end_verifying(&self.key, self.layer);
    }
}
