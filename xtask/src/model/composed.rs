//! The composition that a history is about.

use std::sync::Arc;

use futures::future::BoxFuture;
use hitbox_backend::{
    Backend, CompositionBackend, CompositionLayer, CompositionPolicy, CompositionReadPolicy,
    CompositionWritePolicy, Owed, RaceLoserPolicy, RaceReadPolicy, RaceWritePolicy, RepairPolicy,
    conformance::composition::{ReadKind, WriteKind},
};
use hitbox_core::{Offload, OffloadKey, Stamp};

use super::{
    layer::ModelLayer,
    setting::{BackgroundKind, Setting},
    world::World,
};

/// Hands work to the history.
pub(super) struct Background {
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
            BackgroundKind::Runs => self.world.hand_over(work),
            BackgroundKind::Disabled => drop(work),
        }
    }

    fn is_enabled(&self) -> bool {
        self.kind == BackgroundKind::Runs
    }
}

/// A composition whose policies are not part of its type.
pub(super) trait Composed: Backend {
    fn owed(&self) -> Vec<Owed>;
    fn distrusted_until(&self, layer: CompositionLayer) -> Option<Stamp>;
}

impl<R, W> Composed for CompositionBackend<ModelLayer, ModelLayer, Background, R, W>
where
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    fn owed(&self) -> Vec<Owed> {
        self.owed()
    }

    fn distrusted_until(&self, layer: CompositionLayer) -> Option<Stamp> {
        self.distrusted_until(layer)
    }
}

pub(super) fn compose(setting: &Setting, world: &Arc<World>) -> Arc<dyn Composed> {
    let policy = CompositionPolicy::new();
    match (setting.policies.read, setting.read_loser) {
        (ReadKind::Race, RaceLoserPolicy::Drop) => {
            let race = RaceReadPolicy::new().loser(RaceLoserPolicy::Drop);
            with_write(setting, world, policy.read(race))
        }
        (read, _) => with_write(setting, world, policy.read(read)),
    }
}

fn with_write<R: CompositionReadPolicy + 'static>(
    setting: &Setting,
    world: &Arc<World>,
    policy: CompositionPolicy<R>,
) -> Arc<dyn Composed> {
    match (setting.policies.write, setting.write_loser) {
        (WriteKind::Race, RaceLoserPolicy::Drop) => {
            let race = RaceWritePolicy::new().loser(RaceLoserPolicy::Drop);
            with_rules(setting, world, policy.write(race))
        }
        (write, _) => with_rules(setting, world, policy.write(write)),
    }
}

fn with_rules<R, W>(
    setting: &Setting,
    world: &Arc<World>,
    policy: CompositionPolicy<R, W>,
) -> Arc<dyn Composed>
where
    R: CompositionReadPolicy + 'static,
    W: CompositionWritePolicy + 'static,
{
    // Without repairs, what is owed stays owed, and an audit knows what a read must find.
    let mut policy = policy.refill(setting.refill).repair(RepairPolicy::Never);
    if let Some(l1_ttl) = setting.l1_ttl {
        policy = policy.l1_ttl(l1_ttl);
    }
    if let Some(capacity) = setting.memory.capacity() {
        policy = policy.record_capacity(capacity);
    }
    let background = Background {
        kind: setting.background,
        world: Arc::clone(world),
    };
    let [l1, l2] = CompositionLayer::BOTH.map(|layer| ModelLayer::new(layer, world));
    Arc::new(CompositionBackend::new(l1, l2, background, policy))
}
