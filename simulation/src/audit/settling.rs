//! What repairs must have done when all that they wait for has passed: the other half of G4.

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    PendingRepair,
};
use hitbox_core::{CacheValue, Raw};
use tokio::time::Instant;

use super::held::Held;
use crate::{
    data::name_of,
    execution::Execution,
    place::Level,
    reference::Violation,
    rules::{Memory, Repairs, Rules},
    world::NO_CALL,
};

/// What each layer holds of a key once its pending repairs are done.
pub(super) struct Foreseen {
    layers: [Prospect; 2],
    since: Instant,
}

struct Prospect {
    kept: Option<CacheValue<Raw>>,
    /// What it is given if it keeps nothing, or once that has expired: an effect that came late is looked
    /// at a minute after.
    copy: Option<CacheValue<Raw>>,
}

impl Prospect {
    fn value(&self) -> Option<&CacheValue<Raw>> {
        self.kept.as_ref().or(self.copy.as_ref())
    }
}

impl Foreseen {
    /// A layer without a pending repair is left as it is. One that has one keeps what it is trusted with, else is
    /// given what the other is trusted with, and else loses the key.
    pub(super) fn from(held: &Held, pending: &[PendingRepair], rules: &Rules) -> Self {
        let layers = CompositionLayer::BOTH.map(|layer| {
            let is_pending = pending.iter().any(|pending| pending.layer == layer);
            if !is_pending {
                return Prospect {
                    kept: held.layers[layer as usize].clone(),
                    copy: None,
                };
            }
            let (other, may_copy) = match layer {
                L1 => (L2, true),
                // L1's copy has a shorter life than the value was written with.
                L2 => (L1, rules.l1_ttl.is_none()),
            };
            let copy = held.trusted(other).filter(|_| may_copy);
            Prospect {
                kept: held.trusted(layer).cloned(),
                copy: copy.cloned(),
            }
        });
        Self {
            layers,
            since: Instant::now(),
        }
    }

    pub(super) fn value(&self, layer: CompositionLayer) -> Option<&CacheValue<Raw>> {
        self.of(layer).value()
    }

    fn of(&self, layer: CompositionLayer) -> &Prospect {
        &self.layers[layer as usize]
    }
}

impl Execution {
    /// Whether `layer` holds what it was foreseen to, or nothing for a reason.
    pub(super) fn came_true(
        &self,
        foreseen: &Foreseen,
        layer: CompositionLayer,
        held: &Held,
    ) -> bool {
        let Prospect { kept, copy } = foreseen.of(layer);
        let value = foreseen.value(layer);
        // What has expired is as good as gone, and a repair that finds it so lets it lie.
        let now = held.layers[layer as usize]
            .as_ref()
            .filter(|value| !value.is_expired());
        let is_now = |expected: Option<&CacheValue<Raw>>| {
            now.map(CacheValue::created) == expected.map(CacheValue::created)
        };
        let keeps = kept.as_ref().is_some_and(|kept| !kept.is_expired());
        if is_now(value) || !keeps && is_now(copy.as_ref()) {
            return true;
        }
        let setting = &self.plan.setting;
        // The cap on L1 may be shorter than what has passed.
        let is_capped = value.is_some() && layer == L1 && setting.outer.l1_ttl.is_some();
        // So may that of a nested composition, whose copy the other layer was given.
        let nested_caps = setting.nested.is_some_and(|nested| {
            let cap = nested.rules.l1_ttl;
            nested.layer != layer && cap.is_some_and(|cap| foreseen.since.elapsed() >= cap)
        });
        let is_copy_of_capped = nested_caps && !keeps && copy.is_some();
        // Where no write or remove of the key is remembered any more, a layer that something may have reached
        // late is not looked at again: there is no fence that it could have come below.
        let is_forgotten = setting.outer.memory == Memory::ForgetsQuiet;
        let has_expired = value.is_some_and(CacheValue::is_expired);
        let may_lack = has_expired || is_capped || is_copy_of_capped || is_forgotten;
        // A nested composition stamps a remove when it comes to it, also one that was a repair. A value
        // that was made before counts as removed there.
        now.is_none() && (may_lack || setting.nested_layer() == Some(layer))
    }

    fn in_background(&self, level: Level) -> bool {
        let rules = self.rules(level);
        rules.is_some_and(|rules| rules.repairs() == Repairs::InBackground)
    }

    /// Nothing goes wrong and nothing arrives late any more: where the background repairs, nothing is
    /// pending in the end, and each layer holds what it should.
    pub(super) async fn check_settling(&mut self) -> Result<(), Violation> {
        self.scene.world.all_arrive();
        if self.dropped_deferred {
            self.remind().await?;
        }
        let foreseen = match self.in_background(Level::Outer) {
            true => Some(self.foresee()?),
            false => None,
        };
        self.let_repairs_happen().await?;
        for level in [Level::Outer, Level::Inner] {
            if self.in_background(level) {
                self.check_settled(level)?;
            }
        }
        for (key, foreseen) in foreseen.into_iter().flatten().enumerate() {
            self.check_key(key)?;
            let held = self.held(Level::Outer, key)?;
            let Some(foreseen) = foreseen.filter(|_| !held.is_uncertain()) else {
                continue;
            };
            let wrong = CompositionLayer::BOTH
                .into_iter()
                .find(|layer| !self.came_true(&foreseen, *layer, &held));
            if let Some(layer) = wrong {
                return Err(format!(
                    "repaired, {layer} holds {:?} of k{key}, not {:?}",
                    held.layers[layer as usize].as_ref().map(name_of),
                    foreseen.value(layer).map(name_of),
                ));
            }
        }
        Ok(())
    }

    /// A background that has dropped what it was to do later is told again when a key is used that is
    /// pending.
    async fn remind(&mut self) -> Result<(), Violation> {
        self.dropped_deferred = false;
        self.scene.world.set_current_call(NO_CALL);
        for level in [Level::Outer, Level::Inner] {
            for key in &self.scene.world.keys {
                if let Some(composition) = self.scene.composition(level) {
                    let read = composition.read(key).await;
                    read.map_err(|error| format!("a read fails although no layer does: {error}"))?;
                }
            }
        }
        self.run_until_all_wait()
    }

    /// For each key, unless that cannot be told.
    fn foresee(&self) -> Result<Vec<Option<Foreseen>>, Violation> {
        let of_key = |key| {
            let held = self.held(Level::Outer, key)?;
            let pending = self.pending_repairs(Level::Outer, key);
            let foreseen = Foreseen::from(&held, &pending, &self.plan.setting.outer);
            Ok(Some(foreseen).filter(|_| !held.is_uncertain()))
        };
        (0..self.plan.setting.keys).map(of_key).collect()
    }

    async fn let_repairs_happen(&mut self) -> Result<(), Violation> {
        /// Rounds of repairs, of all that there are together.
        const ENOUGH: usize = 200;
        for _ in 0..ENOUGH {
            let Some(stop) = self.next_stop() else {
                return Ok(());
            };
            self.pass(stop.saturating_duration_since(Instant::now()))
                .await?;
            self.run_until_all_wait()?;
        }
        Err(String::from(
            "repairs find no end although no layer fails any more",
        ))
    }

    fn check_settled(&self, level: Level) -> Result<(), Violation> {
        let Some(composition) = self.scene.composition(level) else {
            return Ok(());
        };
        let pending = composition.pending_repairs();
        if composition.pending_repair_count() > 0 || !pending.is_empty() {
            return Err(format!(
                "nobody makes the pending repairs of the {level:?} composition: {pending:?}"
            ));
        }
        if self.plan.setting.forgets_writes() {
            // An older value may have been written again, to a layer that still knows better.
            return Ok(());
        }
        for key in 0..self.plan.setting.keys {
            let held = self.held(level, key)?;
            if let (Some(one), Some(two)) = (held.stamp(L1), held.stamp(L2))
                && one != two
                && !held.is_uncertain()
            {
                return Err(format!(
                    "no repair is pending in the {level:?} composition, but of k{key} the layers hold {:?}",
                    held.layers.map(|value| value.as_ref().map(name_of))
                ));
            }
        }
        Ok(())
    }
}
