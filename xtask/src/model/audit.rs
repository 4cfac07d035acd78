//! What must hold when all has ended and nothing goes wrong any more.

use std::{collections::HashSet, time::Duration};

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    Owed, OwedCause, RefillPolicy,
    conformance::composition::ReadKind,
};
use hitbox_core::{CacheValue, Raw, Stamp};

use super::{
    execution::Execution,
    layer::name_of,
    reference::Violation,
    setting::Memory,
    step::{Act, Age, Draft, Thoroughness},
};

/// Longer than a fence stands for effects that may arrive late.
const ALL_LATE: Duration = Duration::from_secs(61);

/// What the layers hold of one key, and what of it may be served.
struct Held {
    layers: [Option<CacheValue<Raw>>; 2],
    trusted: [Trusted; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trusted {
    Yes,
    No,
    /// A coarse fence stands: it depends on what is still known of the key.
    Unknown,
}

impl Held {
    fn stamp(&self, layer: CompositionLayer) -> Option<Stamp> {
        self.layers[layer as usize]
            .as_ref()
            .map(CacheValue::created)
    }

    fn trusted(&self, layer: CompositionLayer) -> Option<&CacheValue<Raw>> {
        let trusted = self.trusted[layer as usize] == Trusted::Yes;
        self.layers[layer as usize]
            .as_ref()
            .filter(|value| trusted && !value.is_expired())
    }

    /// What a read by this policy finds when both layers answer at once.
    fn served(&self, read: ReadKind) -> Option<(CompositionLayer, &CacheValue<Raw>)> {
        match (self.trusted(L1), self.trusted(L2)) {
            (None, None) => None,
            (Some(value), None) => Some((L1, value)),
            (None, Some(value)) => Some((L2, value)),
            (Some(one), Some(two)) => match read {
                ReadKind::Sequential | ReadKind::Race => Some((L1, one)),
                ReadKind::Parallel => match (one.expire(), two.expire()) {
                    (Some(first), Some(second)) if second > first => Some((L2, two)),
                    (Some(_), None) => Some((L2, two)),
                    (Some(_) | None, _) => Some((L1, one)),
                },
            },
        }
    }
}

impl Execution {
    pub(super) async fn audit(&mut self, thoroughness: Thoroughness) -> Result<(), Violation> {
        self.scene.world.calm_down();
        self.finish_all().await?;
        self.check_record()?;
        for key in 0..self.plan.setting.keys {
            self.check_key(key)?;
            self.check_a_read(key)?;
        }
        if thoroughness == Thoroughness::Write {
            // What may still arrive stays on record whatever is written meanwhile.
            self.advance(ALL_LATE).await?;
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

    /// What is owed is bounded, and nothing is under way.
    fn check_record(&self) -> Result<(), Violation> {
        let owed = self.scene.composed.owed();
        if let Some(owed) = owed.iter().find(|owed| owed.cause == OwedCause::UnderWay) {
            return Err(format!("nothing is under way, but on record is {owed:?}"));
        }
        let number = |owed: &Owed| self.scene.world.number_of(&owed.key);
        let keys: HashSet<_> = owed.iter().map(number).collect();
        match self.plan.setting.memory {
            Memory::OwesFew(capacity) if keys.len() > capacity.get() => {
                Err(format!("{} keys are owed, over {capacity}", keys.len()))
            }
            Memory::Ample | Memory::OwesFew(_) | Memory::ForgetsQuiet => Ok(()),
        }
    }

    fn held(&self, key: usize) -> Result<Held, Violation> {
        let world = &self.scene.world;
        let mut layers = [None, None];
        for layer in CompositionLayer::BOTH {
            let found = world.store(layer).read(&world.keys[key]);
            layers[layer as usize] = found.map_err(|error| error.to_string())?;
        }
        let owed = self.owed(key);
        let trusted = CompositionLayer::BOTH.map(|layer| {
            if self.scene.composed.distrusted_until(layer).is_some() {
                return Trusted::Unknown;
            }
            let fence = owed.iter().find(|owed| owed.layer == layer);
            let held = layers[layer as usize].as_ref();
            match (fence, held) {
                (Some(owed), Some(value)) if value.created() <= owed.fence => Trusted::No,
                _ => Trusted::Yes,
            }
        });
        Ok(Held { layers, trusted })
    }

    fn owed(&self, key: usize) -> Vec<Owed> {
        let mut owed = self.scene.composed.owed();
        owed.retain(|owed| owed.key == self.scene.world.keys[key]);
        owed
    }

    /// What a layer holds was written, and is not older than what has settled, unless the layer is on
    /// record for it.
    fn check_key(&self, key: usize) -> Result<(), Violation> {
        let held = self.held(key)?;
        let floor = self.scene.reference().floor(key);
        for layer in CompositionLayer::BOTH {
            let Some(value) = &held.layers[layer as usize] else {
                continue;
            };
            self.scene.reference().check_held(key, layer, value)?;
            let owes = self.owed(key).iter().any(|owed| owed.layer == layer);
            let coarse = self.scene.composed.distrusted_until(layer);
            let fenced = owes || coarse.is_some_and(|fence| value.created() <= fence);
            if value.created() < floor && !fenced {
                return Err(format!(
                    "{layer} holds {} of k{key}, older than what has settled, and is not on record",
                    name_of(value)
                ));
            }
        }
        Ok(())
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

    /// A read that nothing disturbs serves what the layers hold, and refills as it should.
    fn check_a_read(&mut self, key: usize) -> Result<(), Violation> {
        let before = self.held(key)?;
        self.call_alone(Act::Read { key })?;
        let found = self.scene.reference().last_found(key);
        let after = self.held(key)?;
        if before.trusted.contains(&Trusted::Unknown) {
            return Ok(());
        }
        let setting = &self.plan.setting;
        let served = before.served(setting.policies.read);
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
        let expected = match (setting.refill, served) {
            (RefillPolicy::Always, Some((L2, value))) => Some(value.created()),
            (RefillPolicy::Always, _) | (RefillPolicy::Never, _) => before.stamp(L1),
            // That depends on which layers the policy has asked.
            (RefillPolicy::Repair, _) => return Ok(()),
        };
        if after.stamp(L1) != expected {
            return Err(format!(
                "after the read of k{key} L1 holds {:?}, but L2 served {:?}",
                after.layers[0].as_ref().map(name_of),
                served.map(|(_, value)| name_of(value)),
            ));
        }
        Ok(())
    }

    /// Whatever has happened: a write that nothing disturbs is read afterwards, and settles what was
    /// owed.
    fn check_a_write(&mut self, key: usize) -> Result<(), Violation> {
        let draft = Draft {
            expire: None,
            stale: None,
            age: Age::New,
        };
        self.call_alone(Act::Write { key, draft })?;
        let written = self.scene.reference().last_written(key);
        let held = self.held(key)?;
        let lacking = CompositionLayer::BOTH
            .into_iter()
            .filter(|layer| held.stamp(*layer) != written)
            .count();
        let owed = self.owed(key).len();
        let allowed = match self.plan.setting.writes_both_layers() {
            true => 0,
            false => 1,
        };
        if owed > allowed || lacking > allowed {
            return Err(format!(
                "after a write of k{key}, {owed} layers owe it and {lacking} lack it"
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
