//! The same two layers under each kind of read policy, and the same read by itself and in bulk.

use std::sync::Arc;

use hitbox_backend::{
    Backend, BoxContext, CacheBackend, CacheKey, CacheValue, Cacheable, Compose, CompositionLayer,
    CompositionPolicy, DisabledOffload, Offload, ParallelReadPolicy, RaceLoserPolicy,
    RaceReadPolicy, RefillPolicy, SequentialReadPolicy,
};

use super::one_future::OneFuture;

pub(crate) type Cache = Arc<dyn Backend>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Sequential,
    Race,
    Parallel,
    OneFuture,
    OneFutureL2First,
}

impl Policy {
    pub(crate) const ALL: [Self; 5] = [
        Self::Sequential,
        Self::Race,
        Self::Parallel,
        Self::OneFuture,
        Self::OneFutureL2First,
    ];

    /// Those that look into L2 whatever L1 has, or before.
    pub(crate) const fn asks_l2_always(self) -> bool {
        matches!(self, Self::Parallel | Self::OneFutureL2First)
    }

    pub(crate) fn compose(self, l1: impl Backend + 'static, l2: impl Backend + 'static) -> Cache {
        self.compose_with(l1, l2, RefillPolicy::Always, DisabledOffload)
    }

    pub(crate) fn compose_with(
        self,
        l1: impl Backend + 'static,
        l2: impl Backend + 'static,
        refill: RefillPolicy,
        offload: impl Offload<'static> + 'static,
    ) -> Cache {
        let policy = CompositionPolicy::new().refill(refill);
        // Whatever the layers are, a composition of each policy is compiled once.
        let (l1, l2): (Cache, Cache) = (Arc::new(l1), Arc::new(l2));
        match self {
            Self::Sequential => {
                let policy = policy.read(SequentialReadPolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
            Self::Race => {
                let read = RaceReadPolicy::new().loser(RaceLoserPolicy::Drop);
                Arc::new(l1.compose_with(l2, offload, policy.read(read)))
            }
            Self::Parallel => {
                let policy = policy.read(ParallelReadPolicy::new());
                Arc::new(l1.compose_with(l2, offload, policy))
            }
            Self::OneFuture => {
                let first = CompositionLayer::L1;
                Arc::new(l1.compose_with(l2, offload, policy.read(OneFuture { first })))
            }
            Self::OneFutureL2First => {
                let first = CompositionLayer::L2;
                Arc::new(l1.compose_with(l2, offload, policy.read(OneFuture { first })))
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    One,
    /// In bulk, with a context for the key.
    Many,
    /// In bulk, without one.
    ManyWithout,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Many, Self::ManyWithout];

    pub(crate) async fn get<T: Cacheable>(
        self,
        cache: &impl Backend,
        key: &CacheKey,
        context: &mut BoxContext,
    ) -> Option<CacheValue<Arc<T>>> {
        let keys = std::slice::from_ref(key);
        let mut outcomes = match self {
            Self::One => return cache.get_with::<T>(key, context).await.unwrap(),
            Self::Many => {
                let contexts = std::slice::from_mut(context);
                cache.get_many_with::<T>(keys, contexts).await
            }
            Self::ManyWithout => cache.get_many::<T>(keys).await,
        };
        outcomes.pop().unwrap().unwrap()
    }
}

pub(crate) fn each() -> impl Iterator<Item = (Policy, Way)> {
    let policies = Policy::ALL.into_iter();
    policies.flat_map(|policy| Way::ALL.map(|way| (policy, way)))
}

pub(crate) fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}
