//! The two layers, and how an operation reaches one of them.

use std::{future::Future, sync::Arc};

use hitbox_core::{BoxContext, CacheKey, CacheValue, Namespace, Raw, Wants};

use super::{
    CompositionLayer,
    fences::Fences,
    member::{Member, Provided},
    policy::Rules,
    read::ReadsUnderWay,
};
use crate::{Backend, BackendResult, Condition, Conditional, DeleteStatus, ReadOutcome};

pub(super) struct Layers<L1, L2> {
    pub(super) l1: Member<L1>,
    pub(super) l2: Member<L2>,
    pub(super) fences: Arc<Fences>,
    /// Of L2.
    pub(super) reads: Arc<ReadsUnderWay>,
    pub(super) rules: Rules,
}

impl<L1: Backend, L2: Backend> Layers<L1, L2> {
    pub(super) fn new(l1: L1, l2: L2, rules: Rules) -> Self {
        let for_l1 = l2.key_format().for_layer(l1.key_format());
        let fences = Fences::new(rules.record_capacity);
        let name = fences.name();
        let l1 = Member::new(name, CompositionLayer::L1, l1, for_l1);
        let l2 = Member::new(name, CompositionLayer::L2, l2, Namespace::NONE);
        let (by_l1, by_l2) = (l1.gives_leases(), l2.gives_leases());
        Self {
            l1: l1.beside(by_l2),
            l2: l2.beside(by_l1),
            fences,
            reads: ReadsUnderWay::new(),
            rules,
        }
    }

    /// Puts the object that the reader wants into a value of this layer: [`Member::provide`].
    #[inline]
    pub(super) fn provide(
        &self,
        layer: CompositionLayer,
        key: &CacheKey,
        value: &mut CacheValue<Raw>,
        wants: Wants,
    ) -> Provided {
        match layer {
            CompositionLayer::L1 => self.l1.provide(key, value, wants),
            CompositionLayer::L2 => self.l2.provide(key, value, wants),
        }
    }

    /// Whether this layer keeps all that the value has: [`Member::can_keep`].
    pub(super) fn can_keep(&self, layer: CompositionLayer, value: &CacheValue<Raw>) -> bool {
        match layer {
            CompositionLayer::L1 => self.l1.can_keep(value),
            CompositionLayer::L2 => self.l2.can_keep(value),
        }
    }

    /// Whether a write is expected to wait for neither.
    pub(super) fn is_non_blocking(&self) -> bool {
        self.l1.is_non_blocking() && self.l2.is_non_blocking()
    }
}

/// An owned way to one of the layers: policies may hand operations to the background, where they
/// outlive the call.
pub(super) trait Handle: Clone + Send + Sync + 'static {
    const LAYER: CompositionLayer;
    type Backend: Backend;

    fn member(&self) -> &Member<Self::Backend>;
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

            fn member(&self) -> &Member<$layer> {
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

    /// [`Member::may_be_copied`].
    fn may_be_copied(&self) -> bool;

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

    fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> impl Future<Output = BackendResult<Conditional>> + Send;
}

/// A handle asks its layer directly.
impl<H: Handle> LayerAccess for H {
    const LAYER: CompositionLayer = <H as Handle>::LAYER;

    fn may_be_copied(&self) -> bool {
        self.member().may_be_copied()
    }

    async fn read(&self, key: &CacheKey, mut context: BoxContext) -> (ReadOutcome, BoxContext) {
        let outcome = self.member().read(key, &mut context).await;
        (outcome, context)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.member().write(key, value).await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.member().refill(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.member().remove(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        self.member().write_if(key, value, condition).await
    }
}
