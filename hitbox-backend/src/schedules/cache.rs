use std::sync::Arc;

use exploration::wait_for;
use hitbox_core::{
    BoxContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Offload, Raw, Stamp,
};

use super::layer::Layer;
use crate::{
    Backend, BackendResult, Compose, CompositionBackend, CompositionPolicy, CompositionWritePolicy,
    OptimisticParallelWritePolicy, SequentialReadPolicy,
};

type Composed<O, W> = CompositionBackend<Layer, Layer, O, SequentialReadPolicy, W>;

/// A composition of two layers, and one key of it, for threads to call.
pub(super) struct Cache<O = DisabledOffload, W = OptimisticParallelWritePolicy> {
    pub(super) l1: Layer,
    pub(super) l2: Layer,
    pub(super) composed: Arc<Composed<O, W>>,
}

impl<O, W> Clone for Cache<O, W> {
    fn clone(&self) -> Self {
        Self {
            l1: self.l1.clone(),
            l2: self.l2.clone(),
            composed: Arc::clone(&self.composed),
        }
    }
}

impl<O: Offload<'static> + 'static, W: CompositionWritePolicy + 'static> Cache<O, W> {
    pub(super) fn of(
        l1: Layer,
        l2: Layer,
        offload: O,
        policy: CompositionPolicy<SequentialReadPolicy, W>,
    ) -> Self {
        let composed = l1.clone().compose_with(l2.clone(), offload, policy);
        Self {
            l1,
            l2,
            composed: Arc::new(composed),
        }
    }

    /// The stamp of what is read.
    pub(super) fn read(&self) -> Option<Stamp> {
        let found = wait_for(self.composed.read(&key())).unwrap();
        found.map(|value| value.created())
    }

    /// The stamp of what is read, and whether it is stale.
    pub(super) fn read_status(&self) -> Option<(Stamp, CacheStatus)> {
        let mut context = BoxContext::default();
        let found = wait_for(self.composed.read_with(&key(), &mut context)).unwrap();
        found.map(|value| (value.created(), context.status()))
    }

    /// Expires the key. Returns up to where it is stale.
    pub(super) fn expire(&self) -> Stamp {
        wait_for(self.composed.expire(&key())).unwrap();
        self.composed.invalidations(&key()).soft
    }

    pub(super) fn write(&self, value: CacheValue<Raw>) -> BackendResult<()> {
        wait_for(self.composed.write(&key(), value))
    }

    pub(super) fn remove(&self) -> BackendResult<()> {
        wait_for(self.composed.remove(&key())).map(drop)
    }

    /// Removes another key. The layers do not tell keys apart, the composition does.
    pub(super) fn remove_another(&self) -> BackendResult<()> {
        let another = CacheKey::from_pair("key", "2");
        wait_for(self.composed.remove(&another)).map(drop)
    }

    /// The stamps of what the layers hold.
    pub(super) fn held(&self) -> [Option<Stamp>; 2] {
        [self.l1.held(), self.l2.held()]
    }
}

pub(super) fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}
