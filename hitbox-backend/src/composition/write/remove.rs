//! A remove through a composition.

use hitbox_core::{CacheKey, Offload};

use crate::{
    Backend, BackendResult, DeleteStatus,
    composition::{
        CompositionBackend, CompositionLayer,
        adapter::{InBulk, drive},
        background::Background,
        fences::{Effect, Share},
        layers::LayerAccess,
    },
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: Sync,
{
    /// Removes a key from both layers concurrently.
    pub(in crate::composition) async fn remove_one(
        &self,
        key: &CacheKey,
    ) -> BackendResult<DeleteStatus> {
        self.remove_from_both(key, self.first(), self.second())
            .await
    }

    pub(in crate::composition) async fn remove_keys(
        &self,
        keys: &[CacheKey],
    ) -> Vec<BackendResult<DeleteStatus>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let singles = keys
            .iter()
            .map(|key| self.remove_from_both(key, l1.clone(), l2.clone()));
        // A remove waits for both layers: nothing is left for the background.
        let background = Background::new(&*self.offload);
        drive(singles, &l1, &l2, &background).await.0
    }

    async fn remove_from_both<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        l1: A,
        l2: B,
    ) -> BackendResult<DeleteStatus> {
        let mut share = self.layers.fences.begin_remove(key);
        let of_l2 = share.split(CompositionLayer::L2);
        let outcomes = futures::join!(
            remove_with_permit(&l1, key, share),
            remove_with_permit(&l2, key, of_l2)
        );
        match outcomes {
            (Ok(one), Ok(two)) => Ok(one.combine(two)),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(self.paths.seen_from_outside(error)),
        }
    }
}

/// Removes a key from a layer in the permit of `share`, which is waited for if need be.
async fn remove_with_permit<A: LayerAccess>(
    layer: &A,
    key: &CacheKey,
    mut share: Share,
) -> BackendResult<DeleteStatus> {
    share.permit(A::LAYER).await;
    if !share.holds(A::LAYER) {
        return Ok(DeleteStatus::Missing);
    }
    share.note(A::LAYER, Effect::Unknown);
    let (effect, outcome) = Effect::of(layer.remove(key).await);
    share.note(A::LAYER, effect);
    outcome.map_err(|error| error.in_layer(A::LAYER))
}
