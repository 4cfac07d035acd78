//! What loads ask of a composition.

use hitbox_core::CacheKey;

use super::{CompositionBackend, CompositionLayer, fences::Pin};
use crate::{Backend, BackendResult, Invalidations, Lease, load::Pinned};

/// What a lease pins: the key here, and in those layers that keep fences of their own.
struct Pins {
    own: Pin,
    _in_layers: [Lease; 2],
}

impl Pinned for Pins {
    fn invalidations(&self) -> Invalidations {
        self.own.invalidations()
    }
}

impl<L1: Backend, L2: Backend, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    pub(super) async fn lease(&self, key: &CacheKey) -> BackendResult<Lease> {
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        let own = Pin::new(&self.layers.fences, key);
        let in_l1 = l1.begin_load(key).await;
        let in_l2 = l2.begin_load(key).await;
        Ok(Lease::pinning(Pins {
            own,
            _in_layers: [
                self.of_layer(CompositionLayer::L1, in_l1)?,
                self.of_layer(CompositionLayer::L2, in_l2)?,
            ],
        }))
    }

    /// Also in the layers that keep fences of their own: a read that wants a fresh value then looks further there.
    pub(super) async fn expire_in_all(&self, key: &CacheKey) -> BackendResult<()> {
        self.layers.fences.expire(key);
        let in_l1 = self.layers.l1.expire(key).await;
        let in_l2 = self.layers.l2.expire(key).await;
        self.of_layer(CompositionLayer::L1, in_l1)?;
        self.of_layer(CompositionLayer::L2, in_l2)
    }

    fn of_layer<T>(&self, layer: CompositionLayer, outcome: BackendResult<T>) -> BackendResult<T> {
        outcome.map_err(|error| self.paths.seen_from_outside(error.in_layer(layer)))
    }
}
