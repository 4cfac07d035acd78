//! Two backends as one: layers, and the policies between them.
//!
//! [`Compose::compose`] puts a first layer (L1) in front of a second one (L2). The result is a
//! [`Backend`] again, so it can be composed further, boxed, or used through
//! [`CacheBackend`](crate::CacheBackend). A [`CompositionPolicy`] says how reads, writes and refills
//! go about the two layers.
//!
//! Whatever the policies, a composition promises: an expired value is never returned; a value never
//! outlives the expiry it was written with; once a write or remove has returned, no read that starts
//! later returns an older value; and a layer that failed a write or remove is bypassed for that key
//! until it holds what it missed, which the background sees to ([`RepairPolicy`]). `docs/guarantees.md` in the repository has these promises with
//! their limits, `docs/fences.md` how they are kept.
//!
//! Where L2 has a namespace (a tenant's, say) and L1 has not, or has another one, L1 is handed keys in that
//! of L2: two compositions over one cache in process keep their entries apart. That makes a key for each call;
//! an L1 with the same namespace is handed keys as they are. The namespace that counts is L2's: one that only L1
//! has keeps nothing apart in L2, and is warned of when the composition is made.
//!
//! A read that one layer fails is answered by the other, with its value or with a miss. The read's context then
//! says so: [`Context::failures`](hitbox_core::Context::failures) names each layer that failed, through nested
//! compositions too, and the kind of its failure. So a miss beside a failure, where the value may well be there,
//! can be told from a miss. What a race leaves to the background is not waited for, and not named. A write has no
//! context: what failed of one that is `Ok` is in [`pending_repairs`](CompositionBackend::pending_repairs).
//!
//! A read carries what the reader wants. Typed access wants an object: of what the policy chooses, the composition
//! decodes the value with that layer's formats, compressors and limits, before it copies it. One that cannot be
//! decoded is a miss of its layer, which is [told](crate::Backend::reject) so, and the policy is asked again. A
//! reader with [`fresh_only`](hitbox_core::BoxContext::fresh_only) in the context gets a stale value only where no
//! layer has a fresh one:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::{sync::Arc, time::Duration};
//! use hitbox_backend::{
//!     CacheBackend, CacheContext, CacheKey, CacheValue, Compose, DisabledOffload, Stamp,
//!     conformance::MemoryBackend,
//! };
//!
//! let (l1, l2) = (MemoryBackend::new(), MemoryBackend::new());
//! let key = CacheKey::from_pair("price", "42");
//! let old = CacheValue::loaded(Arc::new(100_u32), Stamp::now()).stale_after(Duration::ZERO);
//! l1.set(&key, old).await?;
//! // Another process has refreshed it in the layer that both share.
//! l2.set(&key, CacheValue::loaded(Arc::new(120_u32), Stamp::now())).await?;
//! let cache = l1.compose(l2, DisabledOffload);
//!
//! assert_eq!(**cache.get::<u32>(&key).await?.unwrap().data(), 100);
//! let mut context = CacheContext::default().boxed().fresh_only();
//! let fresh = cache.get_with::<u32>(&key, &mut context).await?;
//! assert_eq!(**fresh.unwrap().data(), 120);
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! A value counts as older by its [`created`](hitbox_core::CacheValue::created) stamp. So a value
//! that was made before its key was removed is not put back by a later write: make a new
//! [`CacheValue`](hitbox_core::CacheValue), or stamp it anew, to write the same data again.

mod adapter;
mod admission;
mod backend;
mod background;
mod coherent;
mod copies;
mod fenced;
mod fences;
mod label;
mod layer_call;
mod layer_fence;
mod layers;
mod load;
mod member;
mod miss;
mod pending_repair;
pub mod policy;
mod read;
mod refill;
mod repair;
mod write;

use std::{fmt, sync::Arc};

use hitbox_core::{BackendLabel, CacheKey, Offload};

use crate::Backend;
use label::DEFAULT_LABEL;
use layers::Layers;
use read::SourcePaths;

pub use fenced::Fenced;
pub use hitbox_core::CompositionLayer;
pub use layer_fence::FenceStays;
pub use pending_repair::{PendingRepair, RepairCause};
pub use policy::{
    CompositionPolicy, CompositionReadPolicy, CompositionWritePolicy, Observed,
    OptimisticParallelWritePolicy, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
    RaceWritePolicy, ReadDecision, ReadResult, ReadStep, RefillPolicy, RepairBackoff, RepairPolicy,
    SequentialReadPolicy, SequentialWritePolicy, StrictWritePolicy, WriteDecision, WriteObserved,
    WriteStep,
};

/// Two backends as one. Made by [`Compose`].
///
/// Cloning is cheap; clones share the layers and what is known about them.
///
/// The guarantees hold for everything that goes through one composition and its clones. A layer may
/// be used directly, or be part of another composition, but what is done there is not known here.
pub struct CompositionBackend<
    L1,
    L2,
    O,
    R = SequentialReadPolicy,
    W = OptimisticParallelWritePolicy,
> {
    layers: Arc<Layers<L1, L2>>,
    offload: Arc<O>,
    read: R,
    write: W,
    paths: Arc<SourcePaths>,
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static> + 'static,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    /// A composition of `l1` in front of `l2`.
    pub fn new(l1: L1, l2: L2, offload: O, policy: CompositionPolicy<R, W>) -> Self {
        if policy.rules.l1_ttl.is_some_and(|ttl| ttl.is_zero()) {
            tracing::warn!(l1 = %l1.label(), "l1_ttl is 0: L1 keeps nothing, every read goes to L2");
        }
        if l2.key_format().is_without_namespace() && !l1.key_format().is_without_namespace() {
            tracing::warn!(l1 = %l1.label(), l2 = %l2.label(), "L2 has no namespace, so L1's keeps nothing apart: give L2 the same one");
        }
        let layers = Arc::new(Layers::new(l1, l2, policy.rules));
        let offload = Arc::new(offload);
        match policy.rules.repair {
            RepairPolicy::Background(pace) => repair::in_background(&layers, &offload, pace),
            RepairPolicy::OnNextOperation | RepairPolicy::Never => {}
        }
        Self {
            layers,
            offload,
            read: policy.read,
            write: policy.write,
            paths: Arc::new(SourcePaths::new(DEFAULT_LABEL)),
        }
    }

    /// The same composition under another name in source paths, errors and traces. The default is
    /// `composition`. What is traced of its layers has the name that was given last to it or to a clone, which
    /// has the same layers.
    #[must_use]
    pub fn with_label(mut self, label: BackendLabel) -> Self {
        self.layers.fences.name().replace(label.clone());
        self.paths = Arc::new(SourcePaths::new(label));
        self
    }

    /// The same composition in the place of its first layer, which has this label: nothing shows that there is
    /// one.
    fn in_the_place_of(mut self, label: BackendLabel) -> Self {
        self.layers.fences.name().replace(label.clone());
        self.paths = Arc::new(SourcePaths::of_first_layer(label));
        self
    }

    /// Whether a read that begins now trusts all that the layers hold.
    #[inline]
    fn trusts_all(&self) -> bool {
        self.layers.fences.are_quiet()
    }
}

impl<L1: Backend, L2: Backend, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    /// The key as a layer has it, for those who look into that directly: L1's is in the
    /// [namespace](crate::CacheKeyFormat) of L2, if L1 has another one or none.
    #[must_use]
    pub fn key_in(&self, layer: CompositionLayer, key: &CacheKey) -> CacheKey {
        match layer {
            CompositionLayer::L1 => self.layers.l1.own(key).into_owned(),
            CompositionLayer::L2 => self.layers.l2.own(key).into_owned(),
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    /// The first layer, to look at or to maintain. What is written to it directly is not known to
    /// the composition, and its keys may be in a namespace: see [`key_in`](Self::key_in).
    pub fn l1(&self) -> &L1 {
        &self.layers.l1.backend
    }

    /// The second layer, to look at or to maintain. What is written to it directly is not known to
    /// the composition.
    pub fn l2(&self) -> &L2 {
        &self.layers.l2.backend
    }

    /// The repairs that are pending: writes and removes that a layer has not confirmed, and for which it
    /// is bypassed until a newer one takes their place or a [repair](RepairPolicy) succeeds. Looks through the whole record: for monitoring, not for every request.
    #[must_use]
    pub fn pending_repairs(&self) -> Vec<PendingRepair> {
        self.layers.fences.pending_repairs()
    }

    /// For how many keys a layer is bypassed with no operation under way. Cheap.
    #[must_use]
    pub fn pending_repair_count(&self) -> usize {
        self.layers.fences.pending_repair_count()
    }
}

impl<L1, L2, O, R: Clone, W: Clone> Clone for CompositionBackend<L1, L2, O, R, W> {
    fn clone(&self) -> Self {
        Self {
            layers: Arc::clone(&self.layers),
            offload: Arc::clone(&self.offload),
            read: self.read.clone(),
            write: self.write.clone(),
            paths: Arc::clone(&self.paths),
        }
    }
}

impl<L1: Backend, L2: Backend, O, R: fmt::Debug, W: fmt::Debug> fmt::Debug
    for CompositionBackend<L1, L2, O, R, W>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompositionBackend")
            .field("label", self.paths.label())
            .field("l1", &self.layers.l1.backend.label())
            .field("l2", &self.layers.l2.backend.label())
            .field("read", &self.read)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

/// Composes backends.
///
/// ```
/// use hitbox_backend::{Backend, Compose, CompositionPolicy, RaceReadPolicy, conformance::MemoryBackend};
/// use hitbox_core::DisabledOffload;
///
/// let two_layers = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
/// let policy = CompositionPolicy::new().read(RaceReadPolicy::new());
/// let three_layers = MemoryBackend::new().compose_with(two_layers, DisabledOffload, policy);
/// assert_eq!(three_layers.label().as_str(), "composition");
/// ```
pub trait Compose: Backend + Sized + 'static {
    /// `self` in front of `l2`, with the default policy: sequential reads, optimistic parallel
    /// writes, refill always.
    fn compose<L2: Backend + 'static, O: Offload<'static> + 'static>(
        self,
        l2: L2,
        offload: O,
    ) -> CompositionBackend<Self, L2, O> {
        self.compose_with(l2, offload, CompositionPolicy::new())
    }

    /// `self` in front of `l2`, with this policy.
    fn compose_with<L2, O, R, W>(
        self,
        l2: L2,
        offload: O,
        policy: CompositionPolicy<R, W>,
    ) -> CompositionBackend<Self, L2, O, R, W>
    where
        L2: Backend + 'static,
        O: Offload<'static> + 'static,
        R: CompositionReadPolicy,
        W: CompositionWritePolicy,
    {
        CompositionBackend::new(self, l2, offload, policy)
    }
}

impl<B: Backend + Sized + 'static> Compose for B {}
