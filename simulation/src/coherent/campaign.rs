//! Many histories, of a few processes and of a thousand.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    history::{Enough, History},
    judge::Verdicts,
    mistake::Mistake,
    scene::Size,
};
use crate::seeds::seed_of;

/// One history in so many is of a fleet.
const FLEETS: u64 = 400;

/// A rule that is broken has to be found in so many histories.
const SEARCHED: u64 = 10_000;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Histories(u64),
    Until(Instant),
}

pub(crate) struct Summary {
    histories: u64,
    happened: u64,
    verdicts: Verdicts,
    findings: Vec<String>,
    /// The rules that were broken on purpose, and in which history that was found.
    broken: Vec<(Mistake, Option<u64>)>,
    took: Duration,
}

/// Runs histories on all processors. The first one has the seed itself.
pub(crate) fn run(seed: u64, asked: Asked) -> Summary {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new(Summary::empty());
    let work = || {
        let mut own = Summary::empty();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let goes_on = match asked {
                Asked::Histories(histories) => number < histories,
                Asked::Until(end) => Instant::now() < end,
            };
            if !goes_on {
                break;
            }
            own.add_history(seed_of(seed, number));
        }
        total
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(own);
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.took = began.elapsed();
    total
}

/// The first history in which readers see that this rule is broken.
fn find(mistake: Mistake, seed: u64) -> Option<u64> {
    let broken = mistake.breaks();
    (0..SEARCHED).find(|number| {
        let history = History::new(seed_of(seed, *number), Size::Small, Some(mistake));
        let (verdicts, _) = history.run(Enough::OnceBroken(broken));
        verdicts.violations_of(broken) > 0
    })
}

/// Decided by the seed alone, so that it can be repeated.
fn size_of(seed: u64) -> Size {
    if seed.is_multiple_of(FLEETS) {
        Size::Fleet
    } else {
        Size::Small
    }
}

impl Summary {
    fn empty() -> Self {
        Self {
            histories: 0,
            happened: 0,
            verdicts: Verdicts::default(),
            findings: Vec::new(),
            broken: Vec::new(),
            took: Duration::ZERO,
        }
    }

    fn add_history(&mut self, seed: u64) {
        let (verdicts, happened) = History::new(seed, size_of(seed), None).run(Enough::AtItsEnd);
        if let Some(first) = verdicts.first {
            self.findings.push(format!(
                "seed {seed}: {first}\n    again: cargo xtask model --calls fleet --operations 1 --seed {seed}"
            ));
        }
        self.histories += 1;
        self.happened += happened;
        self.verdicts.add(&verdicts);
    }

    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.happened += other.happened;
        self.verdicts.add(&other.verdicts);
        self.findings.extend(other.findings);
    }

    /// Breaks each rule on purpose, to see that it is found.
    pub(crate) fn break_rules(&mut self, seed: u64) {
        self.broken = Mistake::ALL
            .map(|mistake| (mistake, find(mistake, seed)))
            .into();
    }

    /// Histories in which something was wrong, and broken rules in none of which anything was.
    pub(crate) fn violations(&self) -> usize {
        let missed = self.broken.iter().filter(|(_, found)| found.is_none());
        self.findings.len() + missed.count()
    }

    pub(crate) fn to_json(&self) -> Value {
        let Verdicts {
            reads,
            copies,
            hot_copies,
            joined,
            stalest_copy,
            stalest_joined,
            ..
        } = self.verdicts;
        json!({
            "histories": self.histories,
            "events": self.happened,
            "reads": reads,
            "hits_of_l1": copies,
            "hits_of_l1_of_keys_just_changed": hot_copies,
            "joined": joined,
            "stalest_hit_of_l1_us": stalest_copy,
            "stalest_joined_us": stalest_joined,
            "violations": self.violations(),
            "findings": self.findings,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.histories == 0 {
            return Ok(());
        }
        let Verdicts {
            reads,
            copies,
            hot_copies,
            joined,
            stalest_copy,
            ..
        } = self.verdicts;
        writeln!(
            f,
            "fleets: {} histories, {} events, {reads} reads, of these {copies} hits of L1 ({hot_copies} of keys changed within \
             twice the bound) and {joined} joined; the stalest hit {:.1} ms; {} violations, in {:.1} s",
            self.histories,
            self.happened,
            stalest_copy as f64 / 1_000.0,
            self.verdicts.violations(),
            self.took.as_secs_f64(),
        )?;
        self.findings
            .iter()
            .try_for_each(|finding| writeln!(f, "  {finding}"))?;
        for (mistake, found) in &self.broken {
            let found = found.map(|number| format!("found in history {}", number + 1));
            let found = found.as_deref().unwrap_or("NOT FOUND");
            writeln!(f, "  broken on purpose: {mistake:?}: {found}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_copy_is_staler_than_the_bound() {
        let seed = fastrand::u64(..);
        let summary = run(seed, Asked::Histories(40));
        assert_eq!(summary.violations(), 0, "seed {seed}: {summary}");
        assert!(summary.verdicts.hot_copies > 1_000, "{summary}");
        assert!(summary.verdicts.joined > 100, "{summary}");
    }

    #[test]
    fn a_fleet_of_a_thousand_keeps_the_bound() {
        let seed = fastrand::u64(..);
        let (verdicts, happened) = History::new(seed, Size::Fleet, None).run(Enough::AtItsEnd);
        assert!(happened > 1_000_000, "{happened}");
        assert_eq!(
            verdicts.violations(),
            0,
            "seed {seed}: {:?}",
            verdicts.first.map(|first| first.to_string())
        );
    }

    #[test]
    fn every_broken_rule_is_found() {
        let seed = fastrand::u64(..);
        let mut summary = Summary::empty();
        summary.break_rules(seed);
        assert_eq!(summary.violations(), 0, "seed {seed}: {:?}", summary.broken);
    }

    #[test]
    fn the_same_seed_has_the_same_history() {
        let run = |seed| {
            let (verdicts, happened) = History::new(seed, Size::Small, None).run(Enough::AtItsEnd);
            (
                verdicts.reads,
                verdicts.copies,
                verdicts.stalest_copy,
                happened,
            )
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
