use std::sync::Arc;

use futures::FutureExt;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{Ledger, drive::Handoff, effect::Effect};
use crate::{Attempt, BackendError, WriteAttempt, composition::CompositionLayer, repeated::Answer};

/// What a layer was like after an operation on it had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Afterwards {
    /// It held what it had confirmed, if anything.
    Settled,
    /// Something older could still take effect, or had perhaps done so.
    Unsettled,
}

/// The right to change one key in one layer: nobody else does until it is given back, by
/// [`settle`](Self::settle) or by dropping it.
pub(in crate::composition) struct Turn {
    ledger: Arc<Ledger>,
    key: CacheKey,
    layer: CompositionLayer,
    /// The mutation's. A refill's is that of the newest mutation when it began: if another has
    /// begun since, the refill says nothing about that one.
    id: u64,
    /// The stamp of the value, if this is a refill's.
    refilled: Option<Stamp>,
    /// What a drop means: nothing before the layer is touched, anything after.
    if_dropped: Effect,
}

impl Turn {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        key: CacheKey,
        layer: CompositionLayer,
        id: u64,
        refilled: Option<Stamp>,
    ) -> Self {
        Self {
            ledger,
            key,
            layer,
            id,
            refilled,
            if_dropped: Effect::None,
        }
    }

    /// Runs `operation` on the layer and settles by its outcome. Dropped midway, the operation
    /// counts as one that may yet take effect.
    pub(in crate::composition) async fn run<T: Answer>(
        mut self,
        operation: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        self.touch();
        let (effect, outcome) = Effect::of(operation.await);
        self.settle(effect);
        outcome
    }

    /// Settles by the effect of an operation that was carried out in an earlier turn.
    ///
    /// Where something older could still come in late `after` that turn, its success is not taken for
    /// what the layer holds now: between the turns, nobody has looked.
    pub(in crate::composition) fn count(self, effect: Effect, after: Afterwards) {
        match after {
            Afterwards::Unsettled => {
                let mut shard = self.ledger.shard(&self.key);
                self.ledger
                    .account(|standing| shard.note_hearsay(&self.key, self.layer, standing));
            }
            Afterwards::Settled => {}
        }
        self.settle(effect);
    }

    /// Tries an `operation` with `value` on the layer, and settles by its outcome. The turn and the value come
    /// back where nothing has been done.
    pub(in crate::composition) fn attempt<'a>(
        mut self,
        value: CacheValue<Raw>,
        operation: impl FnOnce(CacheValue<Raw>) -> WriteAttempt<'a>,
    ) -> Attempt<'a, (), (), (Self, CacheValue<Raw>)> {
        self.touch();
        match operation(value) {
            Attempt::Ready(outcome) => {
                let (effect, _of_no_consequence) = Effect::of(outcome);
                self.settle(effect);
                Attempt::Ready(())
            }
            Attempt::WouldBlock(value) => {
                self.if_dropped = Effect::None;
                Attempt::WouldBlock((self, value))
            }
            Attempt::Pending(rest) => Attempt::Pending(Box::pin(self.run(rest).map(drop))),
        }
    }

    /// For an operation that is one of many: from now on the layer may have been touched, until
    /// [`settle`](Self::settle) says what came of it.
    pub(in crate::composition) fn touching(mut self) -> Self {
        self.touch();
        self
    }

    fn touch(&mut self) {
        self.if_dropped = Effect::Unknown;
    }

    /// Gives the turn back.
    pub(in crate::composition) fn settle(mut self, effect: Effect) {
        // The drop does the rest.
        self.if_dropped = effect;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut shard = self.ledger.shard(&self.key);
            self.ledger.account(|standing| {
                let (key, layer) = (&self.key, self.layer);
                if self.if_dropped.leaves_doubt() {
                    shard.note_unsettled(key, layer, standing);
                }
                match (self.if_dropped.confirms(), self.refilled) {
                    (true, None) => shard.note_confirmed(key, layer, self.id, standing),
                    (true, Some(created)) => {
                        shard.note_refilled(key, layer, self.id, created, standing);
                    }
                    (false, _) => {}
                }
                shard.release(key, layer, standing)
            })
        };
        if let Some((id, waiter)) = next {
            let ledger = Arc::clone(&self.ledger);
            let turn = Self::new(ledger, self.key.clone(), self.layer, id, None);
            // Outside the lock: a waiter that has gone this very moment gives the turn back, and
            // that drop takes the lock again.
            drop(waiter.send(Handoff::Turn(turn)));
        }
        // A refill that failed may have left something owed.
        self.ledger.see_to_debts();
    }
}
