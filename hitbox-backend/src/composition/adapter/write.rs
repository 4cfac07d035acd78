//! Writes by policies that are one future.

use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use super::{InBulk, drive};
use crate::{
    Backend, BackendResult, Conditional,
    composition::{
        CompositionBackend, CompositionLayer, CompositionWritePolicy,
        admission::for_layer,
        background::Background,
        fences::{Origin, Permits},
        layers::LayerAccess,
        write::{Ended, write_with_permit},
    },
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: CompositionWritePolicy,
{
    pub(in crate::composition) async fn write_by_future(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<Conditional> {
        let background = Background::new(&*self.offload);
        let layers = (self.first(), self.second());
        let ended = self
            .write_by_policy(origin, key, value, layers, &background)
            .await;
        background.hand_over(&self.layers.fences);
        self.settle_write(key, ended).await
    }

    pub(in crate::composition) async fn write_many_by_futures(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<Conditional>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let singles = entries.into_iter().map(|(key, value)| {
            let (layers, background) = ((l1.clone(), l2.clone()), &background);
            async move {
                let ended = self
                    .write_by_policy(origin, &key, value, layers, background)
                    .await;
                (key, ended)
            }
        });
        let (ended, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.fences, bulks);
        self.settle_writes(ended).await
    }

    /// Writes a key as the policy says, up to its end.
    async fn write_by_policy<A: LayerAccess, B: LayerAccess>(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
        (l1, l2): (A, B),
        background: &Background<'_, O>,
    ) -> Ended {
        let value = self.layers.admitted(value);
        let (fences, rules) = (&self.layers.fences, self.layers.rules);
        let mut in_l1 = match fences.begin_write(key, value.created(), origin, Permits::Later) {
            Ok(share) => share,
            Err(refusal) => return Ended::refused(key, refusal),
        };
        let in_l2 = in_l1.split(CompositionLayer::L2);
        // The key that a policy passes on is not looked at: the permits are for this one. The write goes on as long
        // as the operations on the layers do.
        let write_l1 = {
            let (key, value) = (key.clone(), value.clone());
            move |_| write_with_permit(l1, key, for_layer(A::LAYER, value, rules), in_l1)
        };
        let write_l2 = {
            let key = key.clone();
            move |_| write_with_permit(l2, key, for_layer(B::LAYER, value, rules), in_l2)
        };
        let background = background.of(key);
        let outcome = self
            .write
            .execute_with(key.clone(), write_l1, write_l2, &background)
            .await;
        outcome.into()
    }
}
