use std::collections::{HashMap, VecDeque};

use hitbox_core::CacheKey;

use super::{
    Fault,
    target::{PerTarget, Target},
};

/// What happens to the next calls of one operation, one step a call: a fault, or `None` for a call
/// that works. When the script is at its end, the probabilities decide again.
///
/// A script of an operation goes by the order in which its calls arrive, whichever their keys; one
/// of a [single key](Self::for_key) goes by the calls on that key, and comes first. A call takes
/// a step of one script only. Each key of a bulk call is a call.
///
/// ```
/// use hitbox_backend::chaos::{Failure, Fault, Script};
/// use hitbox_core::CacheKey;
///
/// // The third write fails.
/// let third = Script::writes([None, None, Some(Fault::Fail(Failure::Full))]);
/// // The first two reads of this key hang.
/// let hangs = Script::reads([Some(Fault::Hang); 2]).for_key(CacheKey::from_pair("id", "42"));
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    target: Target,
    key: Option<CacheKey>,
    steps: VecDeque<Option<Fault>>,
}

impl Script {
    /// A script for reads.
    pub fn reads(steps: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self::new(Target::Reads, steps)
    }

    /// A script for writes, refills among them.
    pub fn writes(steps: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self::new(Target::Writes, steps)
    }

    /// A script for removes.
    pub fn removes(steps: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self::new(Target::Removes, steps)
    }

    fn new(target: Target, steps: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self {
            target,
            key: None,
            steps: steps.into_iter().collect(),
        }
    }

    /// The same script, for the calls on this key only.
    #[must_use]
    pub fn for_key(mut self, key: CacheKey) -> Self {
        self.key = Some(key);
        self
    }

    /// What is wrong with this script.
    pub(super) fn check(&self) -> Result<(), String> {
        let target = self.target;
        for (index, fault) in self.steps.iter().enumerate() {
            let kind = fault.map(Fault::kind);
            if let Some((kind, why)) = kind.and_then(|kind| Some((kind, target.refusal(kind)?))) {
                return Err(format!(
                    "script of {target}: step {}: {kind}: {why}",
                    index + 1
                ));
            }
        }
        Ok(())
    }
}

/// The scripts that are not at their end.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    of_operations: PerTarget<VecDeque<Option<Fault>>>,
    of_keys: HashMap<(Target, CacheKey), VecDeque<Option<Fault>>>,
}

impl Scripts {
    /// Puts a script behind what is there already for the same calls.
    pub(super) fn add(&mut self, script: Script) {
        let Script { target, key, steps } = script;
        match key {
            None => self.of_operations.of_mut(target).extend(steps),
            Some(key) => self.of_keys.entry((target, key)).or_default().extend(steps),
        }
    }

    /// The step for this call, if a script has one.
    pub(super) fn step(&mut self, target: Target, key: &CacheKey) -> Option<Option<Fault>> {
        let call = (target, key.clone());
        let of_key = self.of_keys.get_mut(&call);
        if let Some(step) = of_key.and_then(VecDeque::pop_front) {
            return Some(step);
        }
        self.of_keys.remove(&call);
        self.of_operations.of_mut(target).pop_front()
    }
}
