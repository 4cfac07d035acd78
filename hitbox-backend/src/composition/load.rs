//! What loads ask of a composition.

use hitbox_core::{CacheKey, clock::Tick};

use super::{CompositionBackend, CompositionLayer, fences::Pin};
use crate::{Backend, BackendResult, Begun, Condition, Held, Invalidations, Lease};

/// What a lease keeps: the key here, and leases of the layers.
pub(super) struct Leased {
    own: Pin,
    /// Before the load begins, in a coherent composition.
    pub(super) began: Tick,
    layers: [InLayer; 2],
}

/// How a load stands to a layer.
pub(super) enum InLayer {
    /// Nothing in it is shared by a lease. It is written like any layer; one that keeps fences has given a lease of its own.
    Unshared { _pinned: Lease },
    /// It takes the value only under this lease.
    Under(Lease),
    /// Another process loads the key, and is to store it there.
    Elsewhere,
    /// It has given no lease: it has failed.
    NotTaken,
}

impl InLayer {
    fn is_shared(&self) -> bool {
        match self {
            Self::Unshared { .. } => false,
            Self::Under(_) | Self::Elsewhere | Self::NotTaken => true,
        }
    }
}

impl Held for Leased {
    fn invalidations(&self) -> Invalidations {
        self.own.invalidations()
    }

    fn is_shared(&self) -> bool {
        self.shared_layer().is_some()
    }
}

impl Leased {
    /// The layer that takes the value under conditions, and what they are. At most one is asked for a lease that is shared.
    pub(super) fn shared_layer(&self) -> Option<(CompositionLayer, &InLayer)> {
        let mut layers = CompositionLayer::BOTH.into_iter().zip(&self.layers);
        layers.find(|(_, in_layer)| in_layer.is_shared())
    }
}

/// What the caller of [`Backend::begin_load`] is to do.
#[derive(Clone, Copy)]
enum Course {
    Lead,
    Look,
    Wait,
}

impl<L1: Backend, L2: Backend, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    pub(super) async fn begin(&self, key: &CacheKey) -> BackendResult<Begun> {
        use CompositionLayer::{L1, L2};
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        let own = Pin::new(&self.layers.fences, key);
        let began = self.layers.now_if_coherent();
        // Of two layers that give leases, the deeper one does: it is what more processes share.
        let of_l1 = if l1.gives_leases() && l2.gives_leases() {
            Ok(Begun::Lead(Lease::default()))
        } else {
            l1.begin_load(key).await
        };
        let of_l2 = l2.begin_load(key).await;
        let (course_of_l1, in_l1) = self.judge(L1, l1.gives_leases(), of_l1)?;
        let (course_of_l2, in_l2) = self.judge(L2, l2.gives_leases(), of_l2)?;
        let lease = Lease::holding(Leased {
            own,
            began,
            layers: [in_l1, in_l2],
        });
        Ok(match (course_of_l1, course_of_l2) {
            (Course::Wait, _) | (_, Course::Wait) => Begun::Elsewhere(lease),
            (Course::Look, _) | (_, Course::Look) => Begun::Found(lease),
            (Course::Lead, Course::Lead) => Begun::Lead(lease),
        })
    }

    fn judge(
        &self,
        layer: CompositionLayer,
        gives_leases: bool,
        begun: BackendResult<Begun>,
    ) -> BackendResult<(Course, InLayer)> {
        let (course, lease) = match begun {
            Ok(Begun::Lead(lease)) => (Course::Lead, lease),
            Ok(Begun::Found(lease)) => (Course::Look, lease),
            Ok(Begun::Elsewhere(lease)) => (Course::Wait, lease),
            Err(_) if gives_leases => return Ok((Course::Lead, InLayer::NotTaken)),
            Err(error) => return self.of_layer(layer, Err(error)),
        };
        let in_layer = match (lease.is_shared(), course) {
            (true, _) => InLayer::Under(lease),
            (false, Course::Wait) => InLayer::Elsewhere,
            (false, Course::Lead | Course::Look) => InLayer::Unshared { _pinned: lease },
        };
        Ok((course, in_layer))
    }

    /// What the lease of a write keeps, if it is one of this composition, and in a store that processes share.
    pub(super) fn shared_lease<'c>(&self, condition: &'c Condition) -> Option<&'c Leased> {
        let Condition::Lease(lease) = condition;
        let leased = lease.held::<Leased>()?;
        (leased.own.is_of(&self.layers.fences) && leased.is_shared()).then_some(leased)
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
