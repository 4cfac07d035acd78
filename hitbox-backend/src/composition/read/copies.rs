//! Copies of many values, given to a layer together.

use std::sync::Arc;

use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    Backend,
    composition::{
        CompositionLayer,
        fences::{Effect, FenceSnapshot, Permit},
        layers::{First, Handle, Layers, Second},
        refill::{self, Lacking},
    },
};

/// Copies of values that a layer is to be given together.
#[derive(Default)]
pub(super) struct Copies {
    permits: Vec<Permit>,
    /// One for each permit.
    entries: Vec<(CacheKey, CacheValue<Raw>)>,
}

impl Copies {
    /// The copies that layers are to have of what they lack.
    fn claim<L1: Backend, L2: Backend>(
        layers: &Layers<L1, L2>,
        repairs: Vec<(CacheKey, FenceSnapshot, Lacking)>,
    ) -> Self {
        let mut copies = Self::default();
        for (key, snapshot, lacking) in repairs {
            if let Some((permit, copy)) = refill::claim_repair(layers, &key, &snapshot, lacking) {
                copies.push(permit, &key, copy);
            }
        }
        copies
    }

    pub(super) fn push(&mut self, permit: Permit, key: &CacheKey, copy: CacheValue<Raw>) {
        self.permits.push(permit);
        self.entries.push((key.clone(), copy));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.permits.is_empty()
    }

    pub(super) fn keys(&self) -> Vec<CacheKey> {
        self.entries.iter().map(|(key, _)| key.clone()).collect()
    }
}

/// Gives a layer copies of values that the other one has.
pub(super) async fn give<H: Handle>(layer: H, copies: Copies) {
    if copies.is_empty() {
        return;
    }
    // Should this be dropped, or the layer answer for fewer, the others may yet take effect.
    let permits: Vec<_> = copies.permits.into_iter().map(Permit::touching).collect();
    let outcomes = layer.member().refill_many(copies.entries).await;
    for (permit, outcome) in permits.into_iter().zip(outcomes) {
        let (effect, _of_no_consequence) = Effect::of(outcome);
        permit.settle(effect);
    }
}

/// Gives layers the values that they lack.
pub(super) async fn copy_to_lacking<L1: Backend + 'static, L2: Backend + 'static>(
    layers: Arc<Layers<L1, L2>>,
    repairs: Vec<(CacheKey, FenceSnapshot, Lacking)>,
) {
    let (of_l1, of_l2): (Vec<_>, Vec<_>) = repairs
        .into_iter()
        .partition(|(_, _, lacking)| lacking.0 == CompositionLayer::L1);
    // Only now, and a layer at a time: work that waits must not hold permits that it does not use.
    let copies = Copies::claim(&layers, of_l1);
    give(First(Arc::clone(&layers)), copies).await;
    let copies = Copies::claim(&layers, of_l2);
    give(Second(layers), copies).await;
}
