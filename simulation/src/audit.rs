//! What must hold when all has ended and nothing goes wrong any more.

mod held;
mod settling;

use std::{collections::HashSet, time::Duration};

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    PendingRepair, RefillPolicy, RepairCause,
};
use hitbox_core::{CacheValue, Stamp};

use super::{
    data::name_of,
    execution::Execution,
    place::Level,
    reference::Violation,
    rules::{Memory, Repairs},
    step::{Act, Age, Draft, Thoroughness},
};
use held::{Held, Served, Trusted};
use settling::Foreseen;

/// Longer than a fence stands for effects that may arrive late.
const ALL_LATE: Duration = Duration::from_secs(61);

impl Execution {
    pub(super) async fn audit(&mut self, thoroughness: Thoroughness) -> Result<(), Violation> {
        self.scene.world.calm_down();
        self.finish_all().await?;
        self.check_record(Level::Outer)?;
        self.check_record(Level::Inner)?;
        for key in 0..self.plan.setting.keys {
            self.check_key(key)?;
        }
        if thoroughness == Thoroughness::Settle {
            self.check_settling().await?;
            // Without repairs, what may still arrive stays on record whatever is written meanwhile.
            self.advance(ALL_LATE).await?;
        }
        for key in 0..self.plan.setting.keys {
            self.check_a_read(key)?;
        }
        if thoroughness == Thoroughness::Settle {
            if self.plan.setting.outer.repairs() == Repairs::ByReads {
                self.check_nothing_is_pending()?;
            }
            for key in 0..self.plan.setting.keys {
                self.check_a_write(key)?;
            }
        }
        self.scene.world.stir_up();
        Ok(())
    }

    /// Lets everything end. What does not although nobody holds it up waits for something that never
    /// comes.
    async fn finish_all(&mut self) -> Result<(), Violation> {
        /// Work that is due later gets its time.
        const PATIENCE: usize = 600;
        for _ in 0..PATIENCE {
            self.run_until_all_wait()?;
            if self.is_idle() {
                return Ok(());
            }
            self.advance(Duration::from_secs(1)).await?;
        }
        Err(String::from(
            "a task waits for ever although no layer does: a deadlock",
        ))
    }

    /// Pending repairs are bounded, and nothing is under way.
    fn check_record(&self, level: Level) -> Result<(), Violation> {
        let (Some(composition), Some(rules)) = (self.scene.composition(level), self.rules(level))
        else {
            return Ok(());
        };
        let pending = composition.pending_repairs();
        if let Some(pending) = pending
            .iter()
            .find(|pending| pending.cause == RepairCause::InFlight)
        {
            return Err(format!(
                "nothing is under way, but on record is {pending:?}"
            ));
        }
        let number = |pending: &PendingRepair| self.scene.world.number_of(&pending.key);
        let keys: HashSet<_> = pending.iter().map(number).collect();
        match rules.memory {
            Memory::OwesFew(capacity) if keys.len() > capacity.get() => Err(format!(
                "{} keys have pending repairs, over {capacity}",
                keys.len()
            )),
            Memory::Ample | Memory::OwesFew(_) | Memory::ForgetsQuiet => Ok(()),
        }
    }

    /// What a store holds was written, and is not older than what has settled, unless a composition
    /// that it belongs to has it on record.
    fn check_key(&self, key: usize) -> Result<(), Violation> {
        let world = &self.scene.world;
        let floor = self.scene.reference().floor(key);
        for site in &world.sites {
            let place = site.place;
            let found = site.store.read(&world.keys[key]);
            let Some(value) = found.map_err(|error| error.to_string())? else {
                continue;
            };
            let name = name_of(&value);
            let reference = self.scene.reference();
            reference.check_held(key, place, &name, &value)?;
            drop(reference);
            let inner = place.inner.map(|inner| (Level::Inner, inner));
            let fenced = [Some((Level::Outer, place.outer)), inner]
                .into_iter()
                .flatten()
                .any(|(level, layer)| self.is_on_record(level, layer, key, value.created()));
            if value.created() < floor && !fenced {
                return Err(format!(
                    "{place} holds {} of k{key}, older than what has settled, and is not on record",
                    name_of(&value)
                ));
            }
        }
        Ok(())
    }

    fn is_on_record(
        &self,
        level: Level,
        layer: CompositionLayer,
        key: usize,
        created: Stamp,
    ) -> bool {
        let coarse = self.layer_fence(level, layer);
        coarse.is_some_and(|fence| created <= fence)
            || self
                .pending_repairs(level, key)
                .iter()
                .any(|pending| pending.layer == layer)
    }

    /// A call that nothing disturbs, made and judged.
    fn call_alone(&mut self, act: Act) -> Result<(), Violation> {
        self.scene.world.tell(9, || format!("    audit: {act:?}"));
        self.call(act);
        self.run_until_all_wait()?;
        match self.is_idle() {
            true => Ok(()),
            false => Err(format!("{act:?} does not end although no layer waits")),
        }
    }

    /// A read that nothing disturbs serves what the layers hold, and refills and repairs as it should.
    fn check_a_read(&mut self, key: usize) -> Result<(), Violation> {
        let before = self.held(Level::Outer, key)?;
        let pending = self.pending_repairs(Level::Outer, key);
        self.call_alone(Act::Read { key })?;
        let found = self.scene.reference().last_found(key);
        let after = self.held(Level::Outer, key)?;
        if before.is_uncertain() || after.is_uncertain() {
            return Ok(());
        }
        let first = self.first_to_answer().unwrap_or_else(|| {
            // Either is right: the one that has.
            let in_l2 = before.trusted(L2).map(CacheValue::created);
            if found == in_l2 { L2 } else { L1 }
        });
        let served = before.served(self.plan.setting.outer.policies.read, first);
        let expected = served.map(|(_, value)| value.created());
        if found != expected {
            return Err(format!(
                "the read of k{key} did not find {:?}: L1 holds {:?}, L2 {:?}, trusted: {:?}",
                served.map(|(_, value)| name_of(value)),
                before.layers[0].as_ref().map(name_of),
                before.layers[1].as_ref().map(name_of),
                before.trusted,
            ));
        }
        self.check_repairs_of_a_read(key, &pending, &before, served, &after)?;
        if pending.iter().any(|pending| pending.layer == L1) && self.repairs_by_reads() {
            return Ok(());
        }
        if self.plan.setting.outer.refill == RefillPolicy::Repair {
            // A repair of another kind may have brought it up to date.
            return match pending.is_empty() {
                true => self.check_repairing_refill(key, &before, &after),
                false => Ok(()),
            };
        }
        self.check_refill(key, &before, served, &after)
    }

    /// The layer that answers an undisturbed read first, if that is certain. It matters to a race whose layers hold
    /// different values: of a key whose write the composition has forgotten, a nested one may know better.
    fn first_to_answer(&self) -> Option<CompositionLayer> {
        let setting = &self.plan.setting;
        match CompositionLayer::BOTH.map(|layer| setting.answers_reads_at_once(layer)) {
            [Some(true), _] => Some(L1),
            [Some(false), Some(true)] => Some(L2),
            [_, _] => None,
        }
    }

    fn repairs_by_reads(&self) -> bool {
        self.plan.setting.outer.repairs() == Repairs::ByReads
    }

    /// Where reads repair, no repair of a layer that has not confirmed is pending any more. One that something may
    /// still reach late is left alone until then.
    fn check_repairs_of_a_read(
        &self,
        key: usize,
        pending: &[PendingRepair],
        before: &Held,
        served: Served<'_>,
        after: &Held,
    ) -> Result<(), Violation> {
        if !self.repairs_by_reads() {
            return Ok(());
        }
        let foreseen = Foreseen::from(before, pending, &self.plan.setting.outer);
        for pending in pending {
            let layer = pending.layer;
            if pending.cause != RepairCause::Unconfirmed {
                continue;
            }
            let now_pending = self.pending_repairs(Level::Outer, key).into_iter();
            let still =
                |now: &PendingRepair| now.layer == layer && now.cause == RepairCause::Unconfirmed;
            let is_repaired =
                self.came_true(&foreseen, layer, after) || self.was_refilled(layer, served, after);
            if now_pending.into_iter().any(|now| still(&now)) || !is_repaired {
                return Err(format!(
                    "the read of k{key} did not repair {layer}, which holds {:?}",
                    after.layers[layer as usize].as_ref().map(name_of)
                ));
            }
        }
        Ok(())
    }

    /// Whether the layer now holds what the read has found in the other.
    fn was_refilled(&self, layer: CompositionLayer, served: Served<'_>, after: &Held) -> bool {
        let rules = &self.plan.setting.outer;
        match (layer, served) {
            (L1, Some((L2, value))) => {
                rules.refill == RefillPolicy::Always && after.stamp(L1) == Some(value.created())
            }
            (L1 | L2, _) => false,
        }
    }

    fn check_refill(
        &self,
        key: usize,
        before: &Held,
        served: Served<'_>,
        after: &Held,
    ) -> Result<(), Violation> {
        let setting = &self.plan.setting;
        let expected = match (setting.outer.refill, served) {
            (RefillPolicy::Always, Some((L2, value))) => Some(value.created()),
            (_, _) => before.stamp(L1),
        };
        // A nested composition may know of a remove that is newer than the value, see `came_true`, or hold a
        // newer write that the outer one has forgotten.
        let holds = after.stamp(L1);
        let keeps_newer = holds == before.stamp(L1) && holds > expected;
        let knows_better = holds.is_none() || keeps_newer;
        let refused = setting.nested_layer() == Some(L1) && knows_better;
        if after.stamp(L1) == expected || refused {
            return Ok(());
        }
        Err(format!(
            "after the read of k{key} L1 holds {:?}, but L2 served {:?}",
            after.layers[0].as_ref().map(name_of),
            served.map(|(_, value)| name_of(value)),
        ))
    }

    /// A refill that repairs has brought the layer up to date that lacked the newest value, among the layers
    /// that were asked.
    fn check_repairing_refill(
        &self,
        key: usize,
        before: &Held,
        after: &Held,
    ) -> Result<(), Violation> {
        let setting = &self.plan.setting;
        let Some((layer, newest)) = setting.outer.lacking(before) else {
            return Ok(());
        };
        // As where an answer is copied.
        let refused = after.stamp(layer).is_none() && setting.nested_layer() == Some(layer);
        if after.stamp(layer) == Some(newest) || refused {
            return Ok(());
        }
        Err(format!(
            "the read of k{key} did not bring {layer} up to date: before, L1 holds {:?} and L2 {:?}; \
             after it, {layer} holds {:?}",
            before.layers[0].as_ref().map(name_of),
            before.layers[1].as_ref().map(name_of),
            after.layers[layer as usize].as_ref().map(name_of),
        ))
    }

    /// Reads have made every pending repair, late effects included.
    fn check_nothing_is_pending(&self) -> Result<(), Violation> {
        for key in 0..self.plan.setting.keys {
            let pending = self.pending_repairs(Level::Outer, key);
            if !pending.is_empty() {
                return Err(format!(
                    "k{key} was read, and its repair is still pending: {pending:?}"
                ));
            }
        }
        Ok(())
    }

    /// What a nested composition would serve is not known below a coarse fence of its own.
    fn cannot_tell(&self, layer: CompositionLayer, held: &Held) -> bool {
        self.plan.setting.nested_layer() == Some(layer)
            && held.trusted[layer as usize] == Trusted::Unknown
    }

    /// Whatever has happened: a write that nothing disturbs is read afterwards, and settles what was
    /// pending.
    fn check_a_write(&mut self, key: usize) -> Result<(), Violation> {
        let draft = Draft {
            expire: None,
            stale: None,
            age: Age::New,
        };
        self.call_alone(Act::Write { key, draft })?;
        let written = self.scene.reference().last_written(key);
        let held = self.held(Level::Outer, key)?;
        let lacking = CompositionLayer::BOTH
            .into_iter()
            .filter(|layer| held.stamp(*layer) != written && !self.cannot_tell(*layer, &held))
            .count();
        let pending = self.pending_repairs(Level::Outer, key).len();
        let allowed = match self.plan.setting.outer.writes_both_layers() {
            true => 0,
            false => 1,
        };
        if pending > allowed || lacking > allowed {
            return Err(format!(
                "after a write of k{key}, {pending} layers have not confirmed it and {lacking} lack it"
            ));
        }
        self.call_alone(Act::Read { key })?;
        let found = self.scene.reference().last_found(key);
        if found != written {
            return Err(format!("the last write of k{key} is not read"));
        }
        Ok(())
    }
}
