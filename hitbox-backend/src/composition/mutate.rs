//! One write or remove through a composition.

use std::sync::Arc;

use hitbox_core::{BackendLabel, CacheKey, CacheValue, Offload, Raw, Stamp};

use super::{
    CompositionWritePolicy,
    background::Background,
    layer::CompositionLayer,
    layers::LayerAccess,
    ledger::{Admission, Ledger, Mutation, Origin},
    policy::Rules,
    read::for_layer,
};
use crate::{BackendErrorKind, BackendResult, DeleteStatus};

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
        l1: A,
        l2: B,
    ) -> BackendResult<()> {
        let value = believable(value);
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
        let write_l1 = in_turn(l1.clone(), key, value.clone(), &mutation, self.rules);
        let write_l2 = in_turn(l2.clone(), key, value, &mutation, self.rules);
        // From here on the operations on the layers keep it going: it ends when the last one does.
        drop(mutation);
        let outcome = self
            .policy
            .execute_with(key.clone(), write_l1, write_l2, &self.background.of(key))
            .await;
        if let Err(error) = &outcome
            && error.kind() == BackendErrorKind::TooLarge
        {
            // By contract the key is absent then, also from the layer that had room for it.
            remove(self.ledger, self.label, key, l1, l2).await?;
        }
        outcome.map_err(|error| error.seen_through(self.label))
    }
}

/// The value with a stamp that later operations can overtake.
fn believable(value: CacheValue<Raw>) -> CacheValue<Raw> {
    if value.created() > Stamp::ZERO && value.created().is_plausible() {
        value.created().observe();
        value
    } else {
        value.created_at(Stamp::now())
    }
}

/// The write of one layer as policies get to see it: in its turn, and only if still due.
///
/// The key that a policy passes on is not looked at: the turn is for this one.
fn in_turn<A: LayerAccess>(
    layer: A,
    key: &CacheKey,
    value: CacheValue<Raw>,
    mutation: &Arc<Mutation>,
    rules: Rules,
) -> impl FnOnce(CacheKey) -> LayerWrite + Send + use<A> {
    let (key, mutation) = (key.clone(), Arc::clone(mutation));
    move |_| {
        Box::pin(async move {
            match mutation.turn(A::LAYER).await {
                Some(turn) => {
                    let value = for_layer(A::LAYER, value, rules);
                    turn.run(layer.write(&key, value))
                        .await
                        .map_err(|error| error.in_layer(A::LAYER))
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
        Some(turn) => turn
            .run(layer.remove(key))
            .await
            .map_err(|error| error.in_layer(A::LAYER)),
        None => Ok(DeleteStatus::Missing),
    }
}
