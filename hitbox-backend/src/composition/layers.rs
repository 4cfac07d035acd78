//! The two layers, and how an operation reaches one of them.

use std::{future::Future, sync::Arc};

use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{layer::CompositionLayer, ledger::Ledger, policy::Rules};
use crate::{
    Backend, BackendResult, DeleteStatus, ReadOutcome,
    backend::{read_through, refill_through, write_through},
};

pub(super) struct Layers<L1, L2> {
    pub(super) l1: L1,
    pub(super) l2: L2,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rules: Rules,
}

impl<L1, L2> Layers<L1, L2> {
    pub(super) fn new(l1: L1, l2: L2, rules: Rules) -> Self {
        Self {
            l1,
            l2,
            ledger: Ledger::new(rules.record_capacity),
            rules,
        }
    }
}

impl<L1: Backend, L2: Backend> Layers<L1, L2> {
    /// Whether a write is expected to wait for neither.
    pub(super) fn writes_at_once(&self) -> bool {
        self.l1.writes_at_once() && self.l2.writes_at_once()
    }
}

/// An owned way to one of the layers: policies may hand operations to the background, where they
/// outlive the call.
pub(super) trait Handle: Clone + Send + Sync + 'static {
    const LAYER: CompositionLayer;
    type Backend: Backend;

    fn backend(&self) -> &Self::Backend;
}

pub(super) struct First<L1, L2>(pub(super) Arc<Layers<L1, L2>>);
pub(super) struct Second<L1, L2>(pub(super) Arc<Layers<L1, L2>>);

macro_rules! handle {
    ($handle:ident, $layer:ident, $field:ident) => {
        impl<L1, L2> Clone for $handle<L1, L2> {
            fn clone(&self) -> Self {
                Self(Arc::clone(&self.0))
            }
        }

        impl<L1: Backend + 'static, L2: Backend + 'static> Handle for $handle<L1, L2> {
            const LAYER: CompositionLayer = CompositionLayer::$layer;
            type Backend = $layer;

            fn backend(&self) -> &$layer {
                &self.0.$field
            }
        }
    };
}

handle!(First, L1, l1);
handle!(Second, L2, l2);

/// What the paths of single operations ask of a layer.
pub(super) trait LayerAccess: Clone + Send + Sync + 'static {
    const LAYER: CompositionLayer;

    fn read(
        &self,
        key: &CacheKey,
        context: BoxContext,
    ) -> impl Future<Output = (ReadOutcome, BoxContext)> + Send;

    fn write(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> impl Future<Output = BackendResult<()>> + Send;

    fn refill(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> impl Future<Output = BackendResult<()>> + Send;

    fn remove(&self, key: &CacheKey) -> impl Future<Output = BackendResult<DeleteStatus>> + Send;
}

/// A handle asks its layer directly.
impl<H: Handle> LayerAccess for H {
    const LAYER: CompositionLayer = <H as Handle>::LAYER;

    async fn read(&self, key: &CacheKey, mut context: BoxContext) -> (ReadOutcome, BoxContext) {
        let outcome = read_through(self.backend(), key, &mut context).await;
        (outcome, context)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        write_through(self.backend(), key, value).await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        refill_through(self.backend(), key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.backend().remove(key).await
    }
}
