use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, Compose, CompositionBackend, CompositionLayer, CompositionPolicy,
    CompositionReadPolicy, CompositionWritePolicy, OffloadManager, PendingRepair, RefillPolicy,
    RepairPolicy, conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, Namespace};

use super::{
    Arrangement, Mode, Outcome,
    layer::Layer,
    typed,
    watched::{BulkForm, WatchedLayer},
};

/// Two backends for the scenarios to compose: any two, a composition among them.
///
/// Scenarios use keys of their own and remove them in the end, so one pair serves all of them, also
/// at the same time. Nothing may be evicted meanwhile, and the backends must not compress.
#[derive(Clone)]
pub struct LayerPair {
    l1: Arc<dyn Backend>,
    l2: Arc<dyn Backend>,
    compose: Arc<ComposePair>,
}

/// Composes the layers by their own types, which only it knows.
type ComposePair = dyn Fn(&OffloadManager, Arrangement, Settings) -> Parts + Send + Sync;

impl LayerPair {
    /// `l1` in front of `l2`.
    pub fn new<A: Backend + 'static, B: Backend + 'static>(l1: Arc<A>, l2: Arc<B>) -> Self {
        Self {
            l1: Arc::clone(&l1) as Arc<dyn Backend>,
            l2: Arc::clone(&l2) as Arc<dyn Backend>,
            compose: Arc::new(move |offload, arrangement, settings| {
                parts(&l1, &l2, offload, arrangement, settings)
            }),
        }
    }

    pub(super) fn compose(
        &self,
        offload: &OffloadManager,
        arrangement: Arrangement,
        settings: Settings,
    ) -> Parts {
        (self.compose)(offload, arrangement, settings)
    }

    /// Removes these keys from both layers.
    pub(super) async fn clear(&self, keys: &[CacheKey]) {
        let namespace = namespace_for_l1(&*self.l1, &*self.l2);
        let own: Vec<_> = keys
            .iter()
            .map(|key| key.in_namespace(&namespace))
            .collect();
        let _outcomes = self.l1.remove_many(&own).await;
        let _outcomes = self.l2.remove_many(keys).await;
    }
}

impl fmt::Debug for LayerPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerPair")
            .field("l1", &self.l1.label())
            .field("l2", &self.l2.label())
            .finish()
    }
}

/// What a scenario chooses, as opposed to the arrangement that it is run in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) refill: RefillPolicy,
    pub(super) l1_ttl: Option<Duration>,
    pub(super) record_capacity: Option<NonZeroUsize>,
    pub(super) bulk: BulkForm,
    /// `None`: nothing is repaired, so that pending repairs can be looked at.
    pub(super) repair: Option<RepairPolicy>,
}

/// A composition whose types are not known any more.
pub(super) trait Composition: Backend {
    fn pending_repairs(&self) -> Vec<PendingRepair>;

    /// Typed access on the composition as what it is, not as a `dyn Backend`.
    fn typed_round_trip<'c>(&'c self, key: &'c CacheKey) -> BoxFuture<'c, Outcome>;
}

impl<L1, L2, R, W> Composition for CompositionBackend<L1, L2, OffloadManager, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    fn pending_repairs(&self) -> Vec<PendingRepair> {
        self.pending_repairs()
    }

    fn typed_round_trip<'c>(&'c self, key: &'c CacheKey) -> BoxFuture<'c, Outcome> {
        Box::pin(typed::round_trip(self, key))
    }
}

/// A composition, and what a scenario needs to look behind it.
pub(super) struct Parts {
    pub(super) composed: Composed,
    pub(super) l1: Layer,
    pub(super) l2: Layer,
}

pub(super) struct Composed {
    pub(super) cache: Arc<dyn Composition>,
    /// An empty `MemoryBackend` over the same composition, composed by the same policies.
    pub(super) beneath_memory: Arc<dyn Backend>,
}

fn parts<A: Backend + 'static, B: Backend + 'static>(
    l1: &Arc<A>,
    l2: &Arc<B>,
    offload: &OffloadManager,
    arrangement: Arrangement,
    settings: Settings,
) -> Parts {
    use CompositionLayer::{L1, L2};

    let (watched_l1, faults_l1, journal_l1) = WatchedLayer::new(Arc::clone(l1), L1, settings.bulk);
    let (watched_l2, faults_l2, journal_l2) = WatchedLayer::new(Arc::clone(l2), L2, settings.bulk);
    let cache = match arrangement.mode {
        Mode::Static => compose(watched_l1, watched_l2, offload, arrangement, settings),
        Mode::Dyn => {
            let (l1, l2) = (dynamic(watched_l1), dynamic(watched_l2));
            compose(l1, l2, offload, arrangement, settings)
        }
    };
    // As `dyn` in any case: by types, each pair would be another composition to compile.
    let (top, bottom) = (dynamic(MemoryBackend::new()), dynamic(Arc::clone(&cache)));
    let composed = Composed {
        cache,
        beneath_memory: compose(top, bottom, offload, arrangement, settings),
    };
    Parts {
        composed,
        l1: Layer::new(
            Arc::clone(l1) as Arc<dyn Backend>,
            L1,
            namespace_for_l1(&**l1, &**l2),
            faults_l1,
            journal_l1,
        ),
        l2: Layer::new(
            Arc::clone(l2) as Arc<dyn Backend>,
            L2,
            Namespace::NONE,
            faults_l2,
            journal_l2,
        ),
    }
}

fn namespace_for_l1(l1: &dyn Backend, l2: &dyn Backend) -> Namespace {
    l2.key_format().for_layer(l1.key_format())
}

fn dynamic(backend: impl Backend + 'static) -> Arc<dyn Backend> {
    Arc::new(backend)
}

fn compose<A: Backend + 'static, B: Backend + 'static>(
    l1: A,
    l2: B,
    offload: &OffloadManager,
    arrangement: Arrangement,
    settings: Settings,
) -> Arc<dyn Composition> {
    let mut policy = CompositionPolicy::new()
        .refill(settings.refill)
        .repair(settings.repair.unwrap_or(RepairPolicy::Never));
    if let Some(l1_ttl) = settings.l1_ttl {
        policy = policy.l1_ttl(l1_ttl);
    }
    if let Some(keys) = settings.record_capacity {
        policy = policy.record_capacity(keys);
    }
    let policy = policy.read(arrangement.read).write(arrangement.write);
    Arc::new(l1.compose_with(l2, offload.clone(), policy))
}
