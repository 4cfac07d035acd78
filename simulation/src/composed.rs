//! The compositions that a history is about.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, PendingRepair, RaceLoserPolicy, RaceReadPolicy, RaceWritePolicy,
};
use hitbox_core::{BackendLabel, Offload, OffloadKey, Stamp};
use hitbox_scenarios::{ReadKind, WriteKind};

use super::{
    layer::ModelLayer,
    nested::NestedLayer,
    place::{Place, label_of},
    rules::{BackgroundKind, Rules},
    setting::Setting,
    world::World,
};

/// Hands work to the history.
struct Background {
    kind: BackgroundKind,
    world: Arc<World>,
}

impl Offload<'static> for Background {
    fn register<K, F>(&self, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        let work: BoxFuture<'static, ()> = Box::pin(future);
        match self.kind {
            BackgroundKind::Runs | BackgroundKind::RunsWithoutClock => self.world.hand_over(work),
            BackgroundKind::Disabled => drop(work),
        }
    }

    fn is_enabled(&self) -> bool {
        match self.kind {
            BackgroundKind::Runs | BackgroundKind::RunsWithoutClock => true,
            BackgroundKind::Disabled => false,
        }
    }

    fn register_after<K, F>(&self, delay: Duration, _key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        match self.kind {
            BackgroundKind::Runs => self.world.defer(delay, Box::pin(future)),
            BackgroundKind::RunsWithoutClock | BackgroundKind::Disabled => drop(future),
        }
    }

    fn has_clock(&self) -> bool {
        self.kind == BackgroundKind::Runs
    }
}

/// A composition whose policies are not part of its type.
pub(super) trait Composed: Backend {
    fn pending_repairs(&self) -> Vec<PendingRepair>;
    fn pending_repair_count(&self) -> usize;
    fn layer_fence(&self, layer: CompositionLayer) -> Option<Stamp>;
}

type Layer = Arc<dyn Backend>;

impl<R, W> Composed for CompositionBackend<Layer, Layer, Background, R, W>
where
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    fn pending_repairs(&self) -> Vec<PendingRepair> {
        self.pending_repairs()
    }

    fn pending_repair_count(&self) -> usize {
        self.pending_repair_count()
    }

    fn layer_fence(&self, layer: CompositionLayer) -> Option<Stamp> {
        self.layer_fence(layer)
    }
}

/// The composition that is checked, and the one that is a layer of it.
pub(super) struct Compositions {
    pub(super) outer: Arc<dyn Composed>,
    pub(super) inner: Option<Arc<dyn Composed>>,
}

pub(super) fn compose(setting: &Setting, world: &Arc<World>) -> Compositions {
    let store = |place| -> Layer {
        let site = world.sites.iter().position(|site| site.place == place);
        Arc::new(ModelLayer::new(site.unwrap_or_default(), world))
    };
    let inner = setting.nested.map(|nested| {
        let of_nested = |inner| {
            store(Place {
                outer: nested.layer,
                inner: Some(inner),
            })
        };
        let layers = CompositionLayer::BOTH.map(of_nested);
        Composing {
            rules: &nested.rules,
            world,
            layers,
            label: label_of(nested.layer),
        }
        .compose()
    });
    let layers = CompositionLayer::BOTH.map(|outer| match &inner {
        Some(inner) if setting.nested_layer() == Some(outer) => {
            Arc::new(NestedLayer::new(outer, Arc::clone(inner), world))
        }
        Some(_) | None => store(Place { outer, inner: None }),
    });
    let outer = Composing {
        rules: &setting.outer,
        world,
        layers,
        label: "composition",
    };
    Compositions {
        outer: outer.compose(),
        inner,
    }
}

/// What a composition is to be made of.
struct Composing<'s> {
    rules: &'s Rules,
    world: &'s Arc<World>,
    layers: [Layer; 2],
    label: &'static str,
}

impl Composing<'_> {
    fn compose(self) -> Arc<dyn Composed> {
        let policy = CompositionPolicy::new();
        match (self.rules.policies.read, self.rules.read_loser) {
            (ReadKind::Race, RaceLoserPolicy::Drop) => {
                self.with_write(policy.read(RaceReadPolicy::new().loser(RaceLoserPolicy::Drop)))
            }
            (read, _) => self.with_write(policy.read(read)),
        }
    }

    fn with_write<R: CompositionReadPolicy + 'static>(
        self,
        policy: CompositionPolicy<R>,
    ) -> Arc<dyn Composed> {
        match (self.rules.policies.write, self.rules.write_loser) {
            (WriteKind::Race, RaceLoserPolicy::Drop) => {
                self.finish(policy.write(RaceWritePolicy::new().loser(RaceLoserPolicy::Drop)))
            }
            (write, _) => self.finish(policy.write(write)),
        }
    }

    fn finish<R, W>(self, policy: CompositionPolicy<R, W>) -> Arc<dyn Composed>
    where
        R: CompositionReadPolicy + 'static,
        W: CompositionWritePolicy + 'static,
    {
        let rules = self.rules;
        let mut policy = policy.refill(rules.refill).repair(rules.repair_policy());
        if let Some(l1_ttl) = rules.l1_ttl {
            policy = policy.l1_ttl(l1_ttl);
        }
        if let Some(capacity) = rules.memory.capacity() {
            policy = policy.record_capacity(capacity);
        }
        let background = Background {
            kind: rules.background,
            world: Arc::clone(self.world),
        };
        let [l1, l2] = self.layers;
        let composed = CompositionBackend::new(l1, l2, background, policy);
        Arc::new(composed.with_label(BackendLabel::new_static(self.label)))
    }
}
