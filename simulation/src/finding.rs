use std::fmt;

use xtask::Failure;

use super::{
    laboratory::Laboratory, plan::Plan, reference::Violation, shrink::shrink, step::Step,
    world::Telling,
};

/// A history that broke a rule.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    setting: String,
    pub(super) violation: Violation,
    replay: String,
    shortened: Option<Shortened>,
}

#[derive(Clone, Debug)]
struct Shortened {
    steps: usize,
    of: usize,
    violation: Violation,
    trace: Vec<String>,
}

impl Finding {
    pub(super) fn new(
        laboratory: &mut Laboratory,
        seed: u64,
        plan: &Plan,
        violation: Violation,
    ) -> Result<Self, Failure> {
        let with = |steps: &[Step]| Plan {
            steps: steps.to_vec(),
            ..*plan
        };
        let shortest = with(&shrink(&plan.steps, |steps| {
            let outcome = laboratory.run(&with(steps), Telling::Silent);
            outcome.is_ok_and(|outcome| outcome.violation.is_some())
        }));
        let told = laboratory.run(&shortest, Telling::Traced)?;
        Ok(Self {
            shortened: told.violation.map(|violation| Shortened {
                steps: shortest.steps.len(),
                of: plan.steps.len(),
                violation,
                trace: told.trace,
            }),
            ..Self::unshortened(seed, plan, violation)
        })
    }

    pub(super) fn not_repeatable(seed: u64, plan: &Plan) -> Self {
        let violation = String::from("the same history came out differently the second time");
        Self::unshortened(seed, plan, violation)
    }

    fn unshortened(seed: u64, plan: &Plan, violation: Violation) -> Self {
        let (setting, subject) = (&plan.setting, &plan.subject);
        let repair = match subject.repair {
            Some(repair) => format!(" --repair {}", repair.as_str()),
            None => String::new(),
        };
        Self {
            setting: setting.to_string(),
            violation,
            replay: format!(
                "cargo xtask model --calls backend --read {} --write {} --layers {}{repair} --seed {seed} --operations 1",
                subject.policies.read.as_str(),
                subject.policies.write.as_str(),
                subject.layers.as_str()
            ),
            shortened: None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            violation,
            replay,
            shortened,
        } = self;
        writeln!(f, "violation: {violation}")?;
        writeln!(f, "  setting: {setting}")?;
        writeln!(f, "  replay: {replay}")?;
        if let Some(Shortened {
            steps,
            of,
            violation,
            trace,
        }) = shortened
        {
            writeln!(f, "  shortened from {of} steps to {steps}:")?;
            trace.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
            writeln!(f, "  which ends with: {violation}")?;
        }
        Ok(())
    }
}
