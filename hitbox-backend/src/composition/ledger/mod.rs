//! What a composition knows about what its layers hold: the mechanism behind G3 and G4.
//!
//! Every write and remove of a key raises the key's *fence* to its own stamp before it touches a
//! layer. From then on a value of that key found in a layer is trusted only if its `created` stamp
//! is above the fence, unless the layer has *confirmed*: unless the newest operation on the key has
//! succeeded there. So whatever arrives late (a refill in flight, a race's loser, a write that timed
//! out and was applied after all) and whatever a failed layer still holds is not served. A layer
//! that has not confirmed is both bypassed and on record as owing.
//!
//! Operations on one key and layer take *turns*, and one that has been overtaken passes, so each
//! layer ends at the newest. `docs/fences.md` has the argument in full.

mod at_once;
mod counts;
mod effect;
mod forgotten;
mod help;
mod idle;
mod key_state;
mod layer_fence;
mod pending;
mod records;
mod repairable;
mod shard;
mod trust;
mod turn;
mod verifying;
mod waiters;

use std::sync::Arc;

use hitbox_core::{CacheKey, CompositionLayer, Stamp};

use key_state::Stamped;
use shard::{Refusal, Turns};

pub(super) use at_once::{AdmissionAtOnce, WriteAtOnce};
pub(super) use effect::Effect;
pub(super) use key_state::Asked;
pub(super) use layer_fence::CannotLift;
pub(super) use pending::{Job, JobLease};
pub(super) use records::Ledger;
pub(super) use shard::{Afterwards, Origin};
pub(super) use trust::Trust;
pub(super) use turn::Turn;
pub(super) use verifying::Verifying;

/// What becomes of a write or remove.
pub(super) enum Admission {
    /// It may touch the layers.
    Accepted(Arc<Mutation>),
    /// Something newer has been done to the key: there is nothing to do.
    Superseded,
    /// Too much has been removed since the value was created to know whether this key was among
    /// it.
    Unprovable,
}

impl Ledger {
    /// Registers a write of a value created at `created`, and raises the fence.
    pub(super) fn begin_write(
        self: &Arc<Self>,
        key: &CacheKey,
        created: Stamp,
        origin: Origin,
    ) -> Admission {
        self.begin(key, Stamped::Write(created), origin)
    }

    /// Registers a remove, and raises the fence.
    pub(super) fn begin_remove(self: &Arc<Self>, key: &CacheKey) -> Arc<Mutation> {
        loop {
            // A stamp made under no lock may be overtaken by another remove's before it is
            // registered; then a fresh one is due.
            let remove = Stamped::Remove(Stamp::now());
            if let Admission::Accepted(mutation) = self.begin(key, remove, Origin::Load) {
                return mutation;
            }
        }
    }

    fn begin(self: &Arc<Self>, key: &CacheKey, change: Stamped, origin: Origin) -> Admission {
        match self.register(&mut self.shard(key), key, change, origin, Turns::Later) {
            Ok(id) => Admission::Accepted(Arc::new(Mutation {
                ledger: Arc::clone(self),
                key: key.clone(),
                id,
            })),
            Err(Refusal::Superseded) => Admission::Superseded,
            Err(Refusal::Unprovable) => Admission::Unprovable,
        }
    }
}

/// A write or remove under way. It ends when its last holder lets go: the call itself, and whatever
/// layer operation of it has been handed to the background.
pub(super) struct Mutation {
    ledger: Arc<Ledger>,
    key: CacheKey,
    id: u64,
}

impl Mutation {
    /// Waits for the turn to touch `layer`; `None` if something newer has been done to the key
    /// meanwhile, which leaves nothing to do.
    pub(super) async fn turn(&self, layer: CompositionLayer) -> Option<Turn> {
        let turn = Turn::wait(&self.ledger, &self.key, layer, self.id).await;
        if self.ledger.shard(&self.key).is_newest(&self.key, self.id) {
            return Some(turn);
        }
        turn.settle(Effect::None);
        None
    }
}

impl Drop for Mutation {
    fn drop(&mut self) {
        let ends = self.ledger.next_end();
        {
            let mut shard = self.ledger.shard(&self.key);
            self.ledger
                .account(|delta| shard.end(&self.key, ends, delta));
        }
        self.ledger.see_to_debts();
    }
}
