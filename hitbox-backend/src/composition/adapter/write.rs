//! Writes by policies that are one future.

use futures::future::join_all;
use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use super::{InBulk, drive};
use crate::{
    Backend, BackendResult,
    composition::{
        CompositionBackend, CompositionLayer, CompositionWritePolicy,
        admission::for_layer,
        background::Background,
        layers::LayerAccess,
        ledger::{Admission, Origin, Turns},
        write::{Ended, write_in_turn},
    },
    stamped::with_believable_stamp,
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
    ) -> BackendResult<()> {
        let background = Background::new(&*self.offload);
        let layers = (self.first(), self.second());
        let ended = self
            .write_by_policy(origin, key, value, layers, &background)
            .await;
        background.hand_over(&self.layers.ledger);
        self.settle_write(key, ended).await
    }

    pub(in crate::composition) async fn write_many_by_futures(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let singles = join_all(entries.into_iter().map(|(key, value)| {
            let (layers, background) = ((l1.clone(), l2.clone()), &background);
            async move {
                let ended = self
                    .write_by_policy(origin, &key, value, layers, background)
                    .await;
                (key, ended)
            }
        }));
        let (ended, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.ledger, bulks).await;
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
        let value = with_believable_stamp(value);
        let (ledger, rules) = (&self.layers.ledger, self.layers.rules);
        let mut in_l1 = match ledger.begin_write(key, value.created(), origin, Turns::Later) {
            Admission::Accepted(share) => share,
            Admission::Superseded => return Ended::superseded(key),
            Admission::Unprovable => return Ended::unprovable(key),
        };
        let in_l2 = in_l1.split(CompositionLayer::L2);
        // The key that a policy passes on is not looked at: the turns are for this one. The write goes on as long
        // as the operations on the layers do.
        let write_l1 = {
            let (key, value) = (key.clone(), value.clone());
            move |_| write_in_turn(l1, key, for_layer(A::LAYER, value, rules), in_l1)
        };
        let write_l2 = {
            let key = key.clone();
            move |_| write_in_turn(l2, key, for_layer(B::LAYER, value, rules), in_l2)
        };
        let background = background.of(key);
        let outcome = self
            .write
            .execute_with(key.clone(), write_l1, write_l2, &background)
            .await;
        outcome.into()
    }
}
