//! A write in the hands of one call that does not wait: begun with the turns of both layers, and
//! ended with all that came of it, each under one lock.

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use super::{
    effect::Effect,
    key_state::Stamped,
    records::Ledger,
    shard::{Afterwards, Origin, Refusal, Turns},
    turn::Turn,
};

/// What becomes of a write that cannot wait.
pub(in crate::composition) enum AdmissionAtOnce<'a> {
    Accepted(WriteAtOnce<'a>),
    /// Something newer has been done to the key: there is nothing to do.
    Superseded,
    /// It has to wait for a turn, or to be taken as a remove. Nothing has been noted.
    Waits,
}

/// A write under way that has both turns. It ends, and gives them back, when it is dropped.
pub(in crate::composition) struct WriteAtOnce<'a> {
    ledger: &'a Arc<Ledger>,
    key: &'a CacheKey,
    id: u64,
    /// By layer; `None` where the turn has been given back.
    effects: [Option<Effect>; 2],
}

impl WriteAtOnce<'_> {
    /// Notes what the write has done to `layer`. Before that is known it is
    /// [`Unknown`](Effect::Unknown): the layer may panic.
    pub(in crate::composition) fn note(&mut self, layer: CompositionLayer, effect: Effect) {
        if let Some(noted) = &mut self.effects[layer as usize] {
            *noted = effect;
        }
    }

    /// Gives the turn of `layer` back before the write ends.
    pub(in crate::composition) fn give_back(&mut self, layer: CompositionLayer, effect: Effect) {
        if self.effects[layer as usize].take().is_some() {
            let (ledger, key) = (Arc::clone(self.ledger), self.key.clone());
            Turn::new(ledger, key, layer, self.id, None).settle(effect);
        }
    }

    /// Ends the write, and says how that leaves `layer`.
    pub(in crate::composition) fn end(self, layer: CompositionLayer) -> Afterwards {
        let (ledger, key) = (self.ledger, self.key);
        drop(self);
        // Whoever came between the two locks may have settled it, and then it is.
        ledger.shard(key).afterwards(key, layer)
    }
}

impl Drop for WriteAtOnce<'_> {
    fn drop(&mut self) {
        let (ledger, key) = (self.ledger, self.key);
        let ends = ledger.next_end();
        let next = {
            let mut shard = ledger.shard(key);
            ledger.account(|delta| shard.settle(key, self.id, self.effects, ends, delta))
        };
        for (layer, next) in CompositionLayer::BOTH.into_iter().zip(next) {
            ledger.hand_on(key, layer, next);
        }
        ledger.see_to_debts();
    }
}

impl Ledger {
    /// [`begin_write`](Self::begin_write) for one that does not wait.
    pub(in crate::composition) fn begin_write_at_once<'a>(
        self: &'a Arc<Self>,
        key: &'a CacheKey,
        created: Stamp,
        origin: Origin,
    ) -> AdmissionAtOnce<'a> {
        let mut shard = self.shard(key);
        if shard.is_busy(key) {
            return AdmissionAtOnce::Waits;
        }
        let change = Stamped::Write(created);
        match self.register(&mut shard, key, change, origin, Turns::OfBoth) {
            Ok(id) => AdmissionAtOnce::Accepted(WriteAtOnce {
                ledger: self,
                key,
                id,
                effects: [Some(Effect::None); 2],
            }),
            Err(Refusal::Superseded) => AdmissionAtOnce::Superseded,
            Err(Refusal::Unprovable) => AdmissionAtOnce::Waits,
        }
    }
}
