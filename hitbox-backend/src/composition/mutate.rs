//! One write or remove through a composition.

mod at_once;
mod l1_first;

use std::sync::Arc;

use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, Raw};

use super::{
    CompositionWritePolicy,
    admission::for_layer,
    background::Background,
    layers::LayerAccess,
    ledger::{Admission, Afterwards, Effect, Ledger, Mutation, Origin},
    policy::Rules,
};
use crate::{
    BackendError, BackendErrorKind, BackendResult, DeleteStatus, stamped::with_believable_stamp,
};

pub(super) use at_once::{AtOnce, Outcome};
pub(super) use l1_first::L1First;

/// What came of the write of each layer, where that has been made already.
pub(super) type Done = [Option<Ended>; 2];

/// A write of one layer that was made in an earlier turn.
pub(super) struct Ended {
    effect: Effect,
    outcome: BackendResult<()>,
    after: Afterwards,
}

/// What a write needs besides the layers.
pub(super) struct WritePath<'a, W, O> {
    pub(super) policy: &'a W,
    pub(super) background: &'a Background<'a, O>,
    pub(super) label: &'a BackendLabel,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) rules: Rules,
}

impl<W: CompositionWritePolicy, O: Offload<'static>> WritePath<'_, W, O> {
    pub(super) async fn write<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        origin: Origin,
        done: Done,
        (l1, l2): (A, B),
    ) -> BackendResult<()> {
        let value = with_believable_stamp(value);
        let mutation = match self.ledger.begin_write(key, value.created(), origin) {
            Admission::Accepted(mutation) => mutation,
            Admission::Superseded => {
                tracing::debug!(%key, "a write was older than what was done to the key since");
                return Ok(());
            }
            Admission::Unprovable => {
                tracing::debug!(%key, "a write may be older than a remove: taken as a remove");
                return remove(self.ledger, self.label, key, l1, l2).await.map(drop);
            }
        };
        let rules = self.rules;
        let [done_in_l1, done_in_l2] = done;
        let write_l1 = {
            let (layer, key, value) = (l1.clone(), key.clone(), value.clone());
            let mutation = Arc::clone(&mutation);
            move |_| write_in_turn(layer, key, value, mutation, rules, done_in_l1)
        };
        // From here on the operations on the layers keep the mutation going: it ends when the last
        // one does.
        let write_l2 = {
            let (layer, key) = (l2.clone(), key.clone());
            move |_| write_in_turn(layer, key, value, mutation, rules, done_in_l2)
        };
        let outcome = self
            .policy
            .execute_with(key.clone(), write_l1, write_l2, &self.background.of(key))
            .await;
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => self.fail(key, error, l1, l2).await,
        }
    }

    /// What is left to do for a write that has failed.
    pub(super) async fn fail<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        error: BackendError,
        l1: A,
        l2: B,
    ) -> BackendResult<()> {
        if error.kind() == BackendErrorKind::TooLarge {
            // By contract the key is absent then, also from the layer that had room for it.
            remove(self.ledger, self.label, key, l1, l2).await?;
        }
        Err(error.seen_through(self.label))
    }
}

/// The write of one layer as policies get to see it: in its turn, and only if still due.
///
/// The key that a policy passes on is not looked at: the turn is for this one.
async fn write_in_turn<A: LayerAccess>(
    layer: A,
    key: CacheKey,
    value: CacheValue<Raw>,
    mutation: Arc<Mutation>,
    rules: Rules,
    done: Option<Ended>,
) -> BackendResult<()> {
    let Some(turn) = mutation.turn(A::LAYER).await else {
        // Overtaken: as if it had been written and replaced at once.
        return Ok(());
    };
    let outcome = match done {
        Some(Ended {
            effect,
            outcome,
            after,
        }) => {
            turn.count(effect, after);
            outcome
        }
        None => {
            let value = for_layer(A::LAYER, value, rules);
            turn.run(layer.write(&key, value)).await
        }
    };
    outcome.map_err(|error| error.in_layer(A::LAYER))
}

/// Removes `key` from both layers at once.
pub(super) async fn remove<A: LayerAccess, B: LayerAccess>(
    ledger: &Arc<Ledger>,
    label: &BackendLabel,
    key: &CacheKey,
    l1: A,
    l2: B,
) -> BackendResult<DeleteStatus> {
    let mutation = ledger.begin_remove(key);
    let outcomes = futures::join!(
        remove_from(&mutation, key, &l1),
        remove_from(&mutation, key, &l2)
    );
    match outcomes {
        (Ok(one), Ok(two)) => Ok(one.combine(two)),
        (_, Err(error)) | (Err(error), Ok(_)) => Err(error.seen_through(label)),
    }
}

async fn remove_from<A: LayerAccess>(
    mutation: &Mutation,
    key: &CacheKey,
    layer: &A,
) -> BackendResult<DeleteStatus> {
    match mutation.turn(A::LAYER).await {
        Some(turn) => turn
            .run(layer.remove(key))
            .await
            .map_err(|error| error.in_layer(A::LAYER)),
        None => Ok(DeleteStatus::Missing),
    }
}
