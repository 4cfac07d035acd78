//! Many histories under every pair of policies.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use xtask::Failure;

use super::{
    execution::{Counts, Outcome},
    finding::Finding,
    laboratory::Laboratory,
    plan::Plan,
    rules::{REFILLS, RepairKind},
    seeds::seed_of,
    setting::{Nesting, Setting, StoreKind, Subject},
    world::Telling,
};

/// So often a history happens twice, to see that it comes out the same.
const REPEATED: u64 = 64;

/// Operations between two looks at the clock.
const TURN: u64 = 10_000;

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Until a pair of policies has had this many operations.
    Operations(u64),
    Until(Instant),
}

/// A pair of policies, and how far it has got.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) subject: Subject,
    pub(super) totals: Totals,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) histories: u64,
    pub(super) counts: Counts,
    /// Operations under each repair policy of the composition that is checked, as `RepairKind` has them.
    pub(super) under_repair: [u64; RepairKind::ALL.len()],
    /// Operations under each refill policy of that composition, as `REFILLS` has them.
    pub(super) under_refill: [u64; REFILLS.len()],
    /// Operations where at least one store is of this kind, as `StoreKind` has them.
    pub(super) with_store: [u64; StoreKind::ALL.len()],
    /// Operations where stores are of several kinds.
    pub(super) with_several_kinds: u64,
    /// Operations under each nesting, as `Nesting` has them.
    pub(super) under_nesting: [u64; Nesting::ALL.len()],
    pub(super) findings: Vec<Finding>,
    /// Of everything that has happened: the same seed has the same.
    pub(super) digest: u64,
}

impl Totals {
    pub(super) fn operations(&self) -> u64 {
        self.counts.operations()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.counts.add(&other.counts);
        let sum = |sums: &mut [u64], others: &[u64]| {
            sums.iter_mut()
                .zip(others)
                .for_each(|(sum, other)| *sum += other);
        };
        sum(&mut self.under_repair, &other.under_repair);
        sum(&mut self.under_refill, &other.under_refill);
        sum(&mut self.with_store, &other.with_store);
        self.with_several_kinds += other.with_several_kinds;
        sum(&mut self.under_nesting, &other.under_nesting);
        self.findings.extend(other.findings.iter().cloned());
        self.mix(other.digest);
    }

    fn note(&mut self, setting: &Setting, outcome: &Outcome) {
        let operations = outcome.counts.operations();
        self.histories += 1;
        self.counts.add(&outcome.counts);
        self.under_repair[setting.outer.repair as usize] += operations;
        let refill = REFILLS.iter().position(|one| *one == setting.outer.refill);
        self.under_refill[refill.unwrap_or_default()] += operations;
        self.under_nesting[setting.nesting() as usize] += operations;
        let mut kinds = 0;
        for kind in StoreKind::ALL {
            if setting.stores().contains(&kind) {
                self.with_store[kind as usize] += operations;
                kinds += 1;
            }
        }
        self.with_several_kinds += if kinds > 1 { operations } else { 0 };
        self.mix(outcome.digest);
    }

    fn mix(&mut self, digest: u64) {
        self.digest = (self.digest ^ digest).wrapping_mul(0x0100_0000_01b3);
    }
}

impl Field {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            totals: Totals::default(),
        }
    }

    /// Goes on to `operations`, or to the first finding.
    fn advance(
        &mut self,
        laboratory: &mut Laboratory,
        campaign: u64,
        operations: u64,
    ) -> Result<(), Failure> {
        while self.totals.operations() < operations && self.totals.findings.is_empty() {
            let seed = seed_of(campaign, self.totals.histories);
            let plan = Plan::new(&self.subject, seed);
            let outcome = laboratory.run(&plan, Telling::Silent)?;
            self.totals.note(&plan.setting, &outcome);
            if let Some(violation) = outcome.violation {
                let finding = Finding::new(laboratory, seed, &plan, violation)?;
                self.totals.findings.push(finding);
            } else if seed.is_multiple_of(REPEATED) {
                let again = laboratory.run(&plan, Telling::Silent)?;
                if again.digest != outcome.digest {
                    self.totals
                        .findings
                        .push(Finding::not_repeatable(seed, &plan));
                }
            }
        }
        Ok(())
    }

    fn target(&self, extent: Extent) -> Option<u64> {
        match extent {
            Extent::Operations(operations) => {
                (self.totals.operations() < operations).then_some(operations)
            }
            Extent::Until(end) if Instant::now() < end => Some(self.totals.operations() + TURN),
            Extent::Until(_) => None,
        }
    }
}

/// Fields that are not done, and those that are.
struct Progress {
    waiting: VecDeque<Field>,
    done: Vec<Field>,
}

/// Takes every field as far as `extent` says, on all processors.
pub(super) fn run(fields: Vec<Field>, seed: u64, extent: Extent) -> Result<Vec<Field>, Failure> {
    let progress = Mutex::new(Progress {
        waiting: fields.into(),
        done: Vec::new(),
    });
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&progress, seed, extent)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            let panicked = |_| Failure::from("a thread that runs histories has panicked");
            worker.join().map_err(panicked)?
        })
    })?;
    let progress = progress.into_inner();
    Ok(progress.unwrap_or_else(PoisonError::into_inner).done)
}

/// Until nothing is waiting. A field that another thread has in hand is left to that one.
fn work(progress: &Mutex<Progress>, seed: u64, extent: Extent) -> Result<(), Failure> {
    let mut laboratory = Laboratory::new()?;
    let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(mut field) = lock().waiting.pop_front() else {
            return Ok(());
        };
        match field.target(extent) {
            Some(target) if field.totals.findings.is_empty() => {
                field.advance(&mut laboratory, seed, target)?;
                // Back to the end: all get their turn.
                lock().waiting.push_back(field);
            }
            Some(_) | None => lock().done.push(field),
        }
    }
}
