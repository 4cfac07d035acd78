//! Many histories under every pair of policies.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use xtask::{Failure, table::Table};

use super::{
    execution::{self, Counts},
    plan::Plan,
};
use crate::{
    keys::Keys, reference::Violation, seeds::seed_of, setting::Subject, shrink::shrink,
    world::Telling,
};

/// So often a history happens twice, to see that it comes out the same.
const REPEATED: u64 = 64;

/// Operations between two looks at the clock.
const TURN: u64 = 5_000;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// Until a pair of policies has had this many operations.
    Operations(u64),
    Until(Instant),
}

struct Field {
    subject: Subject,
    histories: u64,
    counts: Counts,
    findings: Vec<String>,
    digest: u64,
}

pub(crate) struct Summary {
    fields: Vec<Field>,
    took: Duration,
}

/// Takes every subject as far as is asked, on all processors.
pub(crate) fn run(subjects: Vec<Subject>, seed: u64, asked: Asked) -> Result<Summary, Failure> {
    let began = Instant::now();
    let field = |subject| Field {
        subject,
        histories: 0,
        counts: Counts::default(),
        findings: Vec::new(),
        digest: 0,
    };
    let waiting: VecDeque<_> = subjects.into_iter().map(field).collect();
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    let work = || -> Result<(), Failure> {
        let keys = Keys::new();
        loop {
            let next = waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some(mut field) = next else {
                return Ok(());
            };
            match field.target(asked) {
                Some(target) => {
                    field.advance(&keys, seed, target)?;
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.push_back(field);
                }
                None => done
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(field),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let panicked = |_| Failure::from("a thread that runs histories has panicked");
            worker.join().map_err(panicked)?
        })
    })?;
    let mut fields = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    fields.sort_by_key(|field| field.subject.policies.to_string());
    Ok(Summary {
        fields,
        took: began.elapsed(),
    })
}

impl Field {
    fn target(&self, asked: Asked) -> Option<u64> {
        if !self.findings.is_empty() {
            return None;
        }
        let done = self.counts.operations();
        match asked {
            Asked::Operations(operations) => (done < operations).then_some(operations),
            Asked::Until(end) => (Instant::now() < end).then_some(done + TURN),
        }
    }

    /// Goes on to `operations`, or to the first finding.
    fn advance(&mut self, keys: &Keys, campaign: u64, operations: u64) -> Result<(), Failure> {
        while self.counts.operations() < operations && self.findings.is_empty() {
            let seed = seed_of(campaign, self.histories);
            let plan = Plan::new(&self.subject, seed);
            let outcome = execution::run(&plan, keys, Telling::Silent)?;
            self.histories += 1;
            self.counts.add(&outcome.counts);
            self.digest = (self.digest ^ outcome.digest).wrapping_mul(0x0100_0000_01b3);
            if let Some(violation) = outcome.violation {
                self.findings.push(finding(&plan, keys, &violation)?);
            } else if seed.is_multiple_of(REPEATED) {
                let again = execution::run(&plan, keys, Telling::Silent)?;
                if again.digest != outcome.digest {
                    let violation = "the same history came out differently the second time";
                    self.findings.push(head(&plan, violation));
                }
            }
        }
        Ok(())
    }
}

fn head(plan: &Plan, violation: &str) -> String {
    let subject = &plan.subject;
    let repair = subject.repair.map_or_else(String::new, |repair| {
        format!(" --repair {}", repair.as_str())
    });
    format!(
        "violation: {violation}\n  setting: {}; cache: {}\n  replay: cargo xtask model --calls cache \
         --read {} --write {} --layers {}{repair} --seed {} --operations 1\n",
        plan.setting,
        plan.rules,
        subject.policies.read.as_str(),
        subject.policies.write.as_str(),
        subject.layers.as_str(),
        plan.seed,
    )
}

/// A history that broke a rule, shortened and told.
fn finding(plan: &Plan, keys: &Keys, violation: &Violation) -> Result<String, Failure> {
    let with = |steps: &[_]| Plan {
        steps: steps.to_vec(),
        ..plan.clone()
    };
    let steps = shrink(&plan.steps, |steps| {
        let outcome = execution::run(&with(steps), keys, Telling::Silent);
        outcome.is_ok_and(|outcome| outcome.violation.is_some())
    });
    let told = execution::run(&with(&steps), keys, Telling::Traced)?;
    let (from, to) = (plan.steps.len(), steps.len());
    let mut text = head(plan, violation);
    text += &format!("  shortened from {from} steps to {to}:\n");
    told.trace
        .iter()
        .for_each(|line| text += &format!("  {line}\n"));
    if let Some(violation) = told.violation {
        text += &format!("  which ends with: {violation}\n");
    }
    Ok(text)
}

impl Summary {
    pub(crate) fn violations(&self) -> usize {
        self.fields.iter().map(|field| field.findings.len()).sum()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.counts().operations()
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.fields
            .iter()
            .for_each(|field| counts.add(&field.counts));
        counts
    }

    pub(crate) fn to_json(&self) -> Value {
        let counts = self.counts();
        let findings: Vec<_> = self
            .fields
            .iter()
            .flat_map(|field| &field.findings)
            .collect();
        json!({
            "seconds": self.took.as_secs_f64(),
            "histories": self.fields.iter().map(|field| field.histories).sum::<u64>(),
            "operations": counts.operations(),
            "calls": counts.calls,
            "disturbances": counts.disturbances,
            "loads": counts.loads,
            "answers_checked": counts.answers_checked,
            "violations": self.violations(),
            "findings": findings,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.fields.iter().flat_map(|field| &field.findings) {
            writeln!(f, "{finding}")?;
        }
        let header = [
            "calls of a cache",
            "histories",
            "operations",
            "calls",
            "disturbances",
            "loads",
            "answers checked",
            "violations",
        ];
        let mut table = Table::new(header, 1);
        let row = |name, histories: u64, counts: &Counts, violations: usize| -> [String; 8] {
            [
                name,
                histories.to_string(),
                counts.operations().to_string(),
                counts.calls.to_string(),
                counts.disturbances.to_string(),
                counts.loads.to_string(),
                counts.answers_checked.to_string(),
                violations.to_string(),
            ]
        };
        for field in &self.fields {
            let name = field.subject.policies.to_string();
            table.push(row(
                name,
                field.histories,
                &field.counts,
                field.findings.len(),
            ));
        }
        let histories = self.fields.iter().map(|field| field.histories).sum();
        let total = String::from("total");
        table.push(row(total, histories, &self.counts(), self.violations()));
        f.write_str(&table.render())?;
        let seconds = self.took.as_secs_f64();
        let digest = self.fields.iter().fold(0, |all, field| all ^ field.digest);
        writeln!(
            f,
            "{seconds:.1} s, {:.0} operations/s, digest {digest:016x}",
            self.operations() as f64 / seconds
        )
    }
}
