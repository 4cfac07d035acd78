//! A write or remove under way.

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::{
    effect::Effect,
    entry::{Origin, Refusal, TryTurn, Turns},
    key_state::Stamped,
    records::Ledger,
    turn::Turn,
};

/// What becomes of a write.
pub(in crate::composition) enum Admission {
    /// It may touch the layers.
    Accepted(Share),
    /// Something newer has been done to the key: there is nothing to do.
    Superseded,
    /// Too much has been removed since the value was created to know whether this key was among it.
    Unprovable,
}

/// A share of a write or remove under way, with the turns that it holds.
///
/// The write or remove is under way as long as there is a share of it: that of the call, and one for each layer
/// operation that waits for a turn or may outlive the call. A share that is dropped gives its turns back.
pub(in crate::composition) struct Share {
    ledger: Arc<Ledger>,
    key: CacheKey,
    id: u64,
    /// By layer: what has been done to it in the turn that this share holds. `None`: it holds none.
    effects: [Option<Effect>; 2],
}

impl Share {
    pub(in crate::composition) const fn holds(&self, layer: CompositionLayer) -> bool {
        self.effects[layer as usize].is_some()
    }

    /// Notes what has been done to `layer`, in the turn that this share holds. Before that is known it is
    /// [`Unknown`](Effect::Unknown): the layer may panic, or the operation be dropped.
    pub(in crate::composition) const fn note(&mut self, layer: CompositionLayer, effect: Effect) {
        if let Some(noted) = &mut self.effects[layer as usize] {
            *noted = effect;
        }
    }

    /// Takes the turn to touch `layer` if it is free.
    pub(in crate::composition) fn try_turn(&mut self, layer: CompositionLayer) -> TryTurn {
        if self.holds(layer) {
            return TryTurn::Held;
        }
        let turn = self
            .ledger
            .shard(&self.key)
            .try_turn(&self.key, layer, self.id);
        if turn == TryTurn::Held {
            self.effects[layer as usize] = Some(Effect::None);
        }
        turn
    }

    /// Waits for the turn to touch `layer`. It is not held afterwards if something newer has been done to the
    /// key meanwhile, which leaves nothing to do.
    pub(in crate::composition) async fn turn(&mut self, layer: CompositionLayer) {
        if self.holds(layer) {
            return;
        }
        let turn = Turn::wait(&self.ledger, &self.key, layer, self.id).await;
        if self.ledger.shard(&self.key).is_newest(&self.key, self.id) {
            turn.take_over();
            self.effects[layer as usize] = Some(Effect::None);
        } else {
            turn.settle(Effect::None);
        }
    }

    /// Gives the turn of `layer` back, with what was done in it.
    pub(in crate::composition) fn give_back(&mut self, layer: CompositionLayer, effect: Effect) {
        if self.effects[layer as usize].take().is_some() {
            let (ledger, key) = (Arc::clone(&self.ledger), self.key.clone());
            Turn::new(ledger, key, layer, self.id, None).settle(effect);
        }
    }

    /// Gives the turns back that are not `needed`, with what was done in them.
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

    /// A share for an operation on `layer` by itself, with the turn if this one holds it.
    pub(in crate::composition) fn split(&mut self, layer: CompositionLayer) -> Self {
        self.ledger.shard(&self.key).share(&self.key);
        let mut effects = [None; 2];
        effects[layer as usize] = self.effects[layer as usize].take();
        Self {
            ledger: Arc::clone(&self.ledger),
            key: self.key.clone(),
            id: self.id,
            effects,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let ledger = &self.ledger;
        let ends = ledger.next_end();
        let next = {
            let mut shard = ledger.shard(&self.key);
            ledger.account(|delta| shard.settle(&self.key, self.id, self.effects, ends, delta))
        };
        for (layer, next) in CompositionLayer::BOTH.into_iter().zip(next) {
            ledger.hand_on(&self.key, layer, next);
        }
        ledger.see_to_debts();
    }
}

impl Ledger {
    /// Registers a write of a value created at `created`, and raises the fence.
    pub(in crate::composition) fn begin_write(
        self: &Arc<Self>,
        key: &CacheKey,
        created: Stamp,
        origin: Origin,
        turns: Turns,
    ) -> Admission {
        match self.begin(key, Stamped::Write(created), origin, turns) {
            Ok(share) => Admission::Accepted(share),
            Err(Refusal::Superseded) => Admission::Superseded,
            Err(Refusal::Unprovable) => Admission::Unprovable,
        }
    }

    /// Registers a remove, and raises the fence.
    pub(in crate::composition) fn begin_remove(self: &Arc<Self>, key: &CacheKey) -> Share {
        loop {
            // A stamp made under no lock may be overtaken by another remove's before it is
            // registered; then a fresh one is due.
            let remove = Stamped::Remove(Stamp::now());
            if let Ok(share) = self.begin(key, remove, Origin::Load, Turns::IfFree) {
                return share;
            }
        }
    }

    fn begin(
        self: &Arc<Self>,
        key: &CacheKey,
        change: Stamped,
        origin: Origin,
        turns: Turns,
    ) -> Result<Share, Refusal> {
        let (id, held) = {
            let mut shard = self.shard(key);
            self.account(|delta| {
                shard.settle_lapsed(delta);
                shard.begin(key, change, origin, turns, delta)
            })?
        };
        Ok(Share {
            ledger: Arc::clone(self),
            key: key.clone(),
            id,
            effects: held.map(|held| held.then_some(Effect::None)),
        })
    }
}
