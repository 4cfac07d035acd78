//! One write or remove through a composition.

use std::sync::Arc;

use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, Raw, Stamp};

use super::{
    CompositionWritePolicy,
    layer::CompositionLayer,
    layers::LayerAccess,
    ledger::{Admission, Ledger, Mutation},
    policy::Rules,
    read::for_layer,
};
use crate::{BackendResult, DeleteStatus};

/// What a write needs besides the layers.
pub(super) struct WritePath<'a, W, O> {
    pub(super) policy: &'a W,
    pub(super) offload: &'a O,
    pub(super) label: &'a BackendLabel,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) rules: Rules,
}

impl<W: CompositionWritePolicy, O: Offload<'static>> WritePath<'_, W, O> {
    pub(super) async fn write<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        l1: A,
        l2: B,
    ) -> BackendResult<()> {
        let value = believable(value);
        let mutation = match self.ledger.begin_write(key, value.created()) {
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
        let write_l1 = in_turn(l1, value.clone(), Arc::clone(&mutation), self.rules);
        let write_l2 = in_turn(l2, value, mutation, self.rules);
        self.policy
            .execute_with(key.clone(), write_l1, write_l2, self.offload)
            .await
            .map_err(|error| error.seen_through(self.label))
    }
}

/// The value with a stamp that later operations can overtake.
fn believable(value: CacheValue<Raw>) -> CacheValue<Raw> {
    if value.created().is_plausible() {
        value.created().observe();
        value
    } else {
        value.created_at(Stamp::now())
    }
}

/// The write of one layer as policies get to see it: in its turn, and only if still due.
fn in_turn<A: LayerAccess>(
    layer: A,
    value: CacheValue<Raw>,
    mutation: Arc<Mutation>,
    rules: Rules,
) -> impl FnOnce(CacheKey) -> LayerWrite + Send {
    move |key| {
        Box::pin(async move {
            match mutation.turn(A::LAYER).await {
                Some(turn) => {
                    let value = for_layer(A::LAYER, value, rules);
                    turn.run(layer.write(&key, value)).await
                }
                // Overtaken: as if it had been written and replaced at once.
                None => Ok(()),
            }
        })
    }
}

type LayerWrite = std::pin::Pin<Box<dyn Future<Output = BackendResult<()>> + Send + 'static>>;

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
        (Err(l1_error), Err(l2_error)) => {
            tracing::warn!(%key, layer = %CompositionLayer::L1, error = %l1_error, "a layer failed to remove");
            Err(l2_error.seen_through(label))
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error.seen_through(label)),
    }
}

async fn remove_from<A: LayerAccess>(
    mutation: &Mutation,
    key: &CacheKey,
    layer: &A,
) -> BackendResult<DeleteStatus> {
    match mutation.turn(A::LAYER).await {
        Some(turn) => turn.run(layer.remove(key)).await,
        None => Ok(DeleteStatus::Missing),
    }
}
