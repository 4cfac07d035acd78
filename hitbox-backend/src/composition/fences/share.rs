//! A write or remove under way.

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::{
    effect::Effect,
    entry::{Permits, TryPermit},
    key_state::Stamped,
    origin::{Origin, Refusal},
    permit::Permit,
    records::Fences,
};

/// A share of a write or remove under way, with the permits that it holds.
///
/// The write or remove is under way as long as there is a share of it: that of the call, and one for each layer
/// operation that waits for a permit or may outlive the call. A share that is dropped gives its permits back.
pub(in crate::composition) struct Share {
    fences: Arc<Fences>,
    key: CacheKey,
    id: u64,
    /// By layer: what has been done to it in the permit that this share holds. `None`: it holds none.
    effects: [Option<Effect>; 2],
}

impl Share {
    pub(in crate::composition) const fn holds(&self, layer: CompositionLayer) -> bool {
        self.effects[layer as usize].is_some()
    }

    /// Notes what has been done to `layer`, in the permit that this share holds. Before that is known it is
    /// [`Unknown`](Effect::Unknown): the layer may panic, or the operation be dropped.
    pub(in crate::composition) const fn note(&mut self, layer: CompositionLayer, effect: Effect) {
        if let Some(noted) = &mut self.effects[layer as usize] {
            *noted = effect;
        }
    }

    /// Takes the permit to touch `layer` if it is free.
    pub(in crate::composition) fn try_permit(&mut self, layer: CompositionLayer) -> TryPermit {
        if self.holds(layer) {
            return TryPermit::Held;
        }
        let permit = self
            .fences
            .shard(&self.key)
            .try_permit(&self.key, layer, self.id);
        if permit == TryPermit::Held {
            self.effects[layer as usize] = Some(Effect::None);
        }
        permit
    }

    /// Waits for the permit to touch `layer`. It is not held afterwards if something newer has been done to the
    /// key meanwhile, which leaves nothing to do.
    pub(in crate::composition) async fn permit(&mut self, layer: CompositionLayer) {
        if self.holds(layer) {
            return;
        }
        let permit = Permit::wait(&self.fences, &self.key, layer, self.id).await;
        if self.fences.shard(&self.key).is_newest(&self.key, self.id) {
            permit.take_over();
            self.effects[layer as usize] = Some(Effect::None);
        } else {
            permit.settle(Effect::None);
        }
    }

    /// Gives the permit of `layer` back, with what was done in it.
    pub(in crate::composition) fn give_back(&mut self, layer: CompositionLayer, effect: Effect) {
        if self.effects[layer as usize].take().is_some() {
            let (fences, key) = (Arc::clone(&self.fences), self.key.clone());
            Permit::new(fences, key, layer, self.id, None).settle(effect);
        }
    }

    /// Gives the permits back that are not `needed`, with what was done in them.
    pub(in crate::composition) fn give_back_but(
        &mut self,
        needed: impl Fn(CompositionLayer) -> bool,
    ) {
        for layer in CompositionLayer::BOTH {
            if let Some(effect) = self.effects[layer as usize]
                && !needed(layer)
            {
                self.give_back(layer, effect);
            }
        }
    }

    /// A share for an operation on `layer` by itself, with the permit if this one holds it.
    pub(in crate::composition) fn split(&mut self, layer: CompositionLayer) -> Self {
        self.fences.shard(&self.key).share(&self.key);
        let mut effects = [None; 2];
        effects[layer as usize] = self.effects[layer as usize].take();
        Self {
            fences: Arc::clone(&self.fences),
            key: self.key.clone(),
            id: self.id,
            effects,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let fences = &self.fences;
        let ends = fences.next_end();
        let next = {
            let mut shard = fences.shard(&self.key);
            fences.account(|delta| shard.settle(&self.key, self.id, self.effects, ends, delta))
        };
        for (layer, next) in CompositionLayer::BOTH.into_iter().zip(next) {
            fences.hand_on(&self.key, layer, next);
        }
        fences.see_to_repairs();
    }
}

impl Fences {
    /// Registers a write of a value created at `created`, and raises the fence.
    pub(in crate::composition) fn begin_write(
        self: &Arc<Self>,
        key: &CacheKey,
        created: Stamp,
        origin: Origin,
        permits: Permits,
    ) -> Result<Share, Refusal> {
        self.begin(key, Stamped::Write(created), origin, permits)
    }

    /// Registers a remove, and raises the fence.
    pub(in crate::composition) fn begin_remove(self: &Arc<Self>, key: &CacheKey) -> Share {
        loop {
            // A stamp made under no lock may be overtaken by another remove's before it is
            // registered; then a fresh one is due.
            let remove = Stamped::Remove(Stamp::now());
            if let Ok(share) = self.begin(key, remove, Origin::Load, Permits::IfFree) {
                return share;
            }
        }
    }

    fn begin(
        self: &Arc<Self>,
        key: &CacheKey,
        change: Stamped,
        origin: Origin,
        permits: Permits,
    ) -> Result<Share, Refusal> {
        let (id, held) = {
            let mut shard = self.shard(key);
            self.account(|delta| {
                shard.end_lapsed_doubts(delta);
                shard.begin(key, change, origin, permits, delta)
            })?
        };
        Ok(Share {
            fences: Arc::clone(self),
            key: key.clone(),
            id,
            effects: held.map(|held| held.then_some(Effect::None)),
        })
    }
}
