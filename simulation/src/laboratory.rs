use tokio::{runtime, task::coop};
use xtask::Failure;

use super::{
    execution::{Counts, Outcome, execute},
    keys::Keys,
    panics,
    plan::Plan,
    world::Telling,
};

/// Where one thread lets histories happen, one after the other.
pub(super) struct Laboratory {
    runtime: runtime::Runtime,
    keys: Keys,
}

impl Laboratory {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            runtime: new_runtime()?,
            keys: Keys::new(),
        })
    }

    /// A panic is a violation.
    ///
    /// # Errors
    ///
    /// If it could not happen at all. A broken rule is an outcome.
    pub(super) fn run(&mut self, plan: &Plan, telling: Telling) -> Result<Outcome, Failure> {
        let happened = panics::catch(|| {
            // Unconstrained: for tokio a history is one task, whose budget would run out within it.
            let history = coop::unconstrained(execute(plan, &self.keys, telling));
            self.runtime.block_on(history)
        });
        // Before it began or after it had ended, else it would have its trace.
        let outcome = happened.unwrap_or_else(|said| {
            Ok(Outcome {
                violation: Some(said),
                panicked: true,
                counts: Counts::default(),
                trace: Vec::new(),
                digest: 0,
            })
        })?;
        if outcome.panicked {
            // Whatever is left in this one is none of the next history's business.
            self.runtime = new_runtime()?;
        }
        Ok(outcome)
    }
}

fn new_runtime() -> Result<runtime::Runtime, Failure> {
    Ok(runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?)
}

#[cfg(test)]
mod tests {
    use hitbox_scenarios::{ReadKind, WriteKind};

    use super::*;
    use crate::{
        finding::Finding,
        rules::PolicyPair,
        setting::{Layers, Subject},
        step::Step,
    };

    /// With its seed, and without an end to the campaign.
    #[test]
    fn a_history_that_panics_is_a_finding_like_others() {
        let subject = Subject {
            policies: PolicyPair {
                read: ReadKind::Race,
                write: WriteKind::Race,
            },
            layers: Layers::Mixed,
            repair: None,
        };
        let plan = Plan::new(&subject, 7);
        let mut laboratory = Laboratory::new().unwrap();
        let before = laboratory.run(&plan, Telling::Silent).unwrap();
        assert_eq!(before.violation, None);

        let mut panicking = plan.clone();
        // No history has so many keys.
        panicking
            .steps
            .insert(100, Step::Evict { pick: 0, key: 99 });
        let outcome = laboratory.run(&panicking, Telling::Silent).unwrap();
        let violation = outcome.violation.unwrap();
        assert!(violation.contains("out of bounds"), "{violation}");
        let finding = Finding::new(&mut laboratory, 7, &panicking, violation).unwrap();
        let told = finding.to_string();
        assert!(
            told.contains("--layers mixed --seed 7 --operations 1"),
            "{told}"
        );
        assert!(told.contains("to 1:"), "{told}");

        let after = laboratory.run(&plan, Telling::Silent).unwrap();
        assert_eq!(after.digest, before.digest);
    }
}
