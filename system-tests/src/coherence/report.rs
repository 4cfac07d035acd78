//! What is printed of all rounds.

use std::{fmt, time::Duration};

use serde_json::json;
use xtask::table::Table;

use super::{fault::Fault, judge::Findings, round::Round};

/// What a second finds at least, on a machine that has little time for it: a run that finds less has tried too little to say
/// anything.
const LEAST_CHANGED_ELSEWHERE: f64 = 500.0;

/// The same of hits under each fault that was put, with a bound of [`LONG`] or more. With shorter ones faults are shorter, too.
const LEAST_UNDER: f64 = 40.0;
const LONG: Duration = Duration::from_millis(100);

/// All rounds of one bound.
struct OfBound {
    bound: Duration,
    rounds: u64,
    findings: Findings,
    /// The round with the stalest hit, or the first with something wrong in it.
    worst: Round,
}

/// All rounds of a run.
#[derive(Default)]
pub(super) struct Report {
    bounds: Vec<OfBound>,
    /// What is to be found at least.
    least_changed_elsewhere: f64,
    least_under: f64,
    /// What a round that is broken on purpose has found, or failed to.
    controls: Vec<(Round, Findings)>,
}

impl Report {
    pub(super) fn add(&mut self, round: Round, findings: &Findings) {
        let seconds = round.lasts.as_secs_f64();
        self.least_changed_elsewhere += LEAST_CHANGED_ELSEWHERE * seconds;
        let share = round.bound.as_secs_f64() / LONG.as_secs_f64();
        self.least_under += LEAST_UNDER * seconds * share.min(1.0);
        let Some(of_bound) = self.bounds.iter_mut().find(|one| one.bound == round.bound) else {
            self.bounds.push(OfBound {
                bound: round.bound,
                rounds: 1,
                findings: findings.clone(),
                worst: round,
            });
            return;
        };
        let was_well = of_bound.findings.violations() == 0;
        let is_well = findings.violations() == 0;
        if was_well && (!is_well || findings.stalest > of_bound.findings.stalest) {
            of_bound.worst = round;
        }
        of_bound.rounds += 1;
        of_bound.findings.absorb(findings);
    }

    pub(super) fn add_control(&mut self, round: Round, findings: Findings) {
        self.controls.push((round, findings));
    }

    /// What is wrong, in a line each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        for one in &self.bounds {
            if let Some(first) = &one.findings.first {
                let replay = one.worst.replay();
                all.push(format!("{:?}: {first}; again: {replay}", one.bound));
            }
        }
        for (round, findings) in &self.controls {
            if findings.violations() == 0 {
                all.push(format!(
                    "{:?} was not found: nothing is checked",
                    round.broken
                ));
            }
        }
        if self.bounds.is_empty() {
            return all;
        }
        let total = self.total();
        let mut least = |what: &str, found: u64, least: f64| {
            if (found as f64) < least {
                all.push(format!(
                    "too little was tried: {found} {what}, of {least:.0}"
                ));
            }
        };
        least(
            "hits of keys that another process had changed",
            total.changed_elsewhere,
            self.least_changed_elsewhere,
        );
        for (fault, (under, times)) in Fault::ALL.iter().zip(total.under.iter().zip(total.times)) {
            if times > 0 {
                least(fault.name(), *under, self.least_under);
            }
        }
        if total.in_doubt * 4 > total.hits {
            all.push("nothing could be held against more than a quarter of the hits".into());
        }
        all
    }

    fn total(&self) -> Findings {
        let mut total = Findings::default();
        for one in &self.bounds {
            total.absorb(&one.findings);
        }
        total
    }

    fn of_bounds(&self) -> String {
        let header = [
            "bound",
            "rounds",
            "changes",
            "reads",
            "hits of L1",
            "changed elsewhere within 2 bounds",
            "in doubt",
            "stalest",
            "over the bound",
            "older than before",
        ];
        let mut table = Table::new(header, 0);
        let all = self.bounds.iter().map(|one| {
            let bound = format!("{:?}", one.bound);
            (bound, one.rounds, one.findings.clone())
        });
        let rounds = self.bounds.iter().map(|one| one.rounds).sum();
        let total = ("all".to_owned(), rounds, self.total());
        for (bound, rounds, found) in all.chain([total]) {
            table.push([
                bound,
                rounds.to_string(),
                number(found.changes),
                number(found.reads),
                number(found.hits),
                number(found.changed_elsewhere),
                number(found.in_doubt),
                format!("{:.1} ms", found.stalest.as_secs_f64() * 1e3),
                found.over.to_string(),
                found.older_than_before.to_string(),
            ]);
        }
        table.render()
    }

    fn of_faults(&self) -> String {
        let mut header = vec!["hits of L1 under".to_owned(), "times".to_owned()];
        header.extend(self.bounds.iter().map(|one| format!("{:?}", one.bound)));
        header.push("all".into());
        let mut table = Table::new(header, 1);
        let total = self.total();
        for fault in Fault::ALL {
            let at = fault as usize;
            let mut row = vec![fault.name().to_owned(), total.times[at].to_string()];
            row.extend(self.bounds.iter().map(|one| number(one.findings.under[at])));
            row.push(number(total.under[at]));
            table.push(row);
        }
        table.render()
    }

    pub(super) fn to_json(&self) -> String {
        let bounds = self.bounds.iter().map(|one| {
            json!({
                "bound_milliseconds": one.bound.as_millis() as u64,
                "reads": one.findings.reads,
                "hits": one.findings.hits,
                "changed_elsewhere": one.findings.changed_elsewhere,
                "stalest_milliseconds": one.findings.stalest.as_secs_f64() * 1e3,
                "over": one.findings.over,
                "older_than_before": one.findings.older_than_before,
                "replay": one.worst.replay(),
            })
        });
        let total = self.total();
        let whole = json!({
            "reads": total.reads,
            "hits": total.hits,
            "violations": total.violations(),
            "complaints": self.complaints(),
            "bounds": bounds.collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.bounds.is_empty() {
            write!(f, "\n{}\n{}\n", self.of_bounds(), self.of_faults())?;
            for one in &self.bounds {
                writeln!(
                    f,
                    "the stalest of {:?} again: {}",
                    one.bound,
                    one.worst.replay()
                )?;
            }
        }
        for complaint in self.complaints() {
            writeln!(f, "WRONG {complaint}")?;
        }
        Ok(())
    }
}

/// `1,234,567`.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coherence::{server::Replica, settings::Broken};

    const ROUND: Round = Round {
        bound: Duration::from_millis(20),
        replica: Replica::None,
        seed: 7,
        lasts: Duration::from_secs(10),
        broken: None,
    };

    /// Enough of everything.
    fn findings() -> Findings {
        Findings {
            reads: 2_000_000,
            hits: 1_234_567,
            changed_elsewhere: 1_000_000,
            under: [10_000; Fault::ALL.len()],
            times: [1; Fault::ALL.len()],
            ..Findings::default()
        }
    }

    fn complaints(findings: &Findings) -> Vec<String> {
        let mut report = Report::default();
        report.add(ROUND, findings);
        report.add(ROUND, findings);
        report.complaints()
    }

    #[test]
    fn what_is_wrong_and_what_was_not_tried_is_complained_of() {
        assert_eq!(complaints(&findings()), Vec::<String>::new());
        let over = Findings {
            over: 1,
            first: Some("process 3 ..".into()),
            ..findings()
        };
        let found = complaints(&over);
        assert!(
            found[0].ends_with("process 3 ..; again: cargo xtask coherence --bound 20 --seed 7")
        );
        let mut little = findings();
        little.under[3] = 10;
        assert!(complaints(&little)[0].contains(Fault::ALL[3].name()));
        little.times[3] = 0;
        assert_eq!(complaints(&little).len(), 0);
        little.changed_elsewhere = 10;
        assert!(complaints(&little)[0].contains("another process"));
        little = findings();
        little.in_doubt = 500_000;
        assert!(complaints(&little)[0].contains("quarter"));
    }

    #[test]
    fn the_round_to_play_again_is_the_worst() {
        let mut report = Report::default();
        for (seed, stalest, over) in [(1, 5, 0), (2, 9, 0), (3, 7, 1), (4, 19, 0)] {
            let found = Findings {
                over,
                stalest: Duration::from_millis(stalest),
                first: (over > 0).then(|| "..".into()),
                ..findings()
            };
            report.add(Round { seed, ..ROUND }, &found);
            let worst = [1, 2, 3, 3][seed as usize - 1];
            assert_eq!(report.bounds[0].worst.seed, worst);
        }
    }

    #[test]
    fn a_control_that_finds_nothing_is_complained_of() {
        let mut report = Report::default();
        let round = Round {
            broken: Some(Broken::Deaf),
            ..ROUND
        };
        report.add_control(
            round,
            Findings {
                over: 1,
                ..findings()
            },
        );
        assert_eq!(report.complaints().len(), 0);
        report.add_control(round, findings());
        assert!(report.complaints()[0].contains("Deaf"));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
