//! Changes of many keys: policies decide key by key, the layers are asked in bulk.

use futures::future::join_all;
use hitbox_core::{CacheKey, CacheValue, Offload, Raw};

use super::{
    CompositionBackend, CompositionReadPolicy, CompositionWritePolicy,
    adapter::{InBulk, drive},
    background::Background,
    ledger::Origin,
    mutate::{self, Done},
};
use crate::{Backend, BackendResult, DeleteStatus};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    pub(super) async fn write_in_bulk(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let background = Background::new(&*self.offload);
        let path = self.write_path(&background);
        let singles = join_all(entries.into_iter().map(|(key, value)| {
            let (path, l1, l2) = (&path, l1.clone(), l2.clone());
            async move {
                path.write(&key, value, origin, Done::default(), (l1, l2))
                    .await
            }
        }));
        let (outcomes, bulks) = drive(singles, &l1, &l2, &background).await;
        background.hand_over_bulk(&self.layers.ledger, bulks).await;
        outcomes
    }

    pub(super) async fn remove_in_bulk(
        &self,
        keys: &[CacheKey],
    ) -> Vec<BackendResult<DeleteStatus>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let singles = join_all(keys.iter().map(|key| {
            let ledger = &self.layers.ledger;
            mutate::remove(ledger, self.paths.label(), key, l1.clone(), l2.clone())
        }));
        // A remove waits for both layers: nothing is left for the background.
        let background = Background::new(&*self.offload);
        drive(singles, &l1, &l2, &background).await.0
    }
}
