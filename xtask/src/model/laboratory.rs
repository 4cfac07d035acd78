use tokio::{runtime, task::coop};

use super::{
    execution::{Outcome, execute},
    keys::Keys,
    plan::Plan,
    world::Telling,
};
use crate::Failure;

/// Where one thread lets histories happen, one after the other.
pub(super) struct Laboratory {
    runtime: runtime::Runtime,
    keys: Keys,
}

impl Laboratory {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            runtime: runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()?,
            keys: Keys::new(),
        })
    }

    /// # Errors
    ///
    /// If it could not happen at all. A broken rule is an outcome.
    pub(super) fn run(&self, plan: &Plan, telling: Telling) -> Result<Outcome, Failure> {
        // Unconstrained: for tokio a history is one task, whose budget would run out within it.
        let history = coop::unconstrained(execute(plan, &self.keys, telling));
        self.runtime.block_on(history)
    }
}
