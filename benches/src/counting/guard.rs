//! What a hit may cost: the counts of a checked-in file, and by how much those of now exceed them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// The compiler that this was built with.
pub const RUSTC: &str = env!("BENCHES_RUSTC");

/// Growth by more than this is a regression.
const TOLERANCE: f64 = 0.02;

/// And so many allocations more are none that come with each operation: moka has some now and then.
const OCCASIONAL: f64 = 0.05;

/// The calibration may differ by this and still be that of the same machine.
const SAME: f64 = 0.005;

/// The counts of one case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Allocations of one operation.
    pub allocations: f64,
    /// Instructions of one operation, if there was a valgrind to count them.
    pub instructions: Option<f64>,
}

/// The counts of all cases of the hit path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The compiler.
    pub rustc: String,
    /// Instructions of what no code of this workspace is in: they say whether another machine, with
    /// its C library and its way to copy memory, can be compared with.
    pub calibration: Option<f64>,
    /// By the name of the case.
    pub cases: BTreeMap<String, Count>,
}

/// What a comparison has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Why instructions were not compared, if they were not.
    pub without_instructions: Option<String>,
    /// What has grown too much, or is missing, in words.
    pub regressions: Vec<String>,
    /// What has shrunk so much that it should be recorded, in words.
    pub improvements: Vec<String>,
}

impl Counted {
    /// Compares these counts with those that were recorded.
    #[must_use]
    pub fn against(&self, recorded: &Self) -> Comparison {
        let without_instructions = self.incomparable_with(recorded);
        let mut comparison = Comparison {
            without_instructions,
            regressions: Vec::new(),
            improvements: Vec::new(),
        };
        for (case, now) in &self.cases {
            match recorded.cases.get(case) {
                Some(before) => comparison.compare(case, before, now),
                None => comparison.regressions.push(format!("{case}: not recorded")),
            }
        }
        for case in recorded.cases.keys() {
            if !self.cases.contains_key(case) {
                let gone = format!("{case}: recorded, but there is no such case");
                comparison.regressions.push(gone);
            }
        }
        comparison
    }

    fn incomparable_with(&self, recorded: &Self) -> Option<String> {
        let (Some(now), Some(before)) = (self.calibration, recorded.calibration) else {
            return Some("no valgrind here, or none where the counts were recorded".to_owned());
        };
        if self.rustc != recorded.rustc {
            return Some(format!(
                "built by {}, recorded by {}",
                self.rustc, recorded.rustc
            ));
        }
        let differs = (now / before - 1.0).abs() > SAME;
        differs.then(|| {
            format!(
                "what is not hitbox's takes {now:.0} instructions here and took {before:.0} where \
                 the counts were recorded"
            )
        })
    }
}

impl Comparison {
    fn compare(&mut self, case: &str, before: &Count, now: &Count) {
        let tolerated = (before.allocations * TOLERANCE).max(OCCASIONAL);
        let (had, has) = (before.allocations, now.allocations);
        self.one(case, "allocations", had, has, tolerated);
        if self.without_instructions.is_some() {
            return;
        }
        match (before.instructions, now.instructions) {
            (Some(before), Some(now)) => {
                self.one(case, "instructions", before, now, before * TOLERANCE);
            }
            (Some(_), None) => {
                let lost = format!("{case}: instructions were recorded, and none are counted");
                self.regressions.push(lost);
            }
            (None, _) => {
                let missing = format!("{case}: its instructions are not recorded");
                self.regressions.push(missing);
            }
        }
    }

    fn one(&mut self, case: &str, what: &str, before: f64, now: f64, tolerated: f64) {
        let line = || format!("{case}: {before:.2} {what} were recorded, and it takes {now:.2}");
        if now > before + tolerated {
            self.regressions.push(line());
        } else if now < before - tolerated {
            self.improvements.push(line());
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.without_instructions {
            writeln!(f, "instructions are not compared: {reason}")?;
        }
        for improvement in &self.improvements {
            writeln!(f, "less than recorded: {improvement}")?;
        }
        for regression in &self.regressions {
            writeln!(f, "TOO MUCH: {regression}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(allocations: f64, instructions: f64) -> Counted {
        let count = Count {
            allocations,
            instructions: Some(instructions),
        };
        Counted {
            rustc: "rustc 1".to_owned(),
            calibration: Some(1_000.0),
            cases: BTreeMap::from([("hit/a".to_owned(), count)]),
        }
    }

    #[test]
    fn growth_of_more_than_two_in_a_hundred_is_a_regression() {
        let recorded = counted(1.0, 2_000.0);
        let within = counted(1.04, 2_040.0).against(&recorded);
        assert_eq!(
            (within.regressions.len(), within.improvements.len()),
            (0, 0)
        );
        assert_eq!(
            counted(1.0, 2_041.0).against(&recorded).regressions.len(),
            1
        );
        assert_eq!(
            counted(2.0, 2_041.0).against(&recorded).regressions.len(),
            2
        );
        let improved = counted(1.0, 1_900.0).against(&recorded);
        assert!(improved.regressions.is_empty());
        assert_eq!(improved.improvements.len(), 1);
    }

    #[test]
    fn what_did_not_allocate_must_not() {
        assert!(
            counted(0.008, 1.0)
                .against(&counted(0.0, 1.0))
                .regressions
                .is_empty()
        );
        assert_eq!(
            counted(0.5, 1.0)
                .against(&counted(0.0, 1.0))
                .regressions
                .len(),
            1
        );
    }

    #[test]
    fn instructions_of_another_compiler_or_machine_are_not_compared() {
        let recorded = counted(1.0, 2_000.0);
        for differ in [
            |counted: &mut Counted| counted.rustc = "rustc 2".to_owned(),
            |counted: &mut Counted| counted.calibration = Some(1_010.0),
            |counted: &mut Counted| counted.calibration = None,
        ] {
            let mut now = counted(1.5, 9_000.0);
            differ(&mut now);
            let compared = now.against(&recorded);
            assert!(compared.without_instructions.is_some());
            assert_eq!(compared.regressions.len(), 1, "{compared}");
        }
    }

    #[test]
    fn instructions_of_a_case_that_were_not_counted_are_missed() {
        let mut uncounted = counted(1.0, 2_000.0);
        let count = uncounted.cases.get_mut("hit/a").unwrap();
        count.instructions = None;
        let recorded = counted(1.0, 2_000.0);
        assert_eq!(uncounted.against(&recorded).regressions.len(), 1);
        assert_eq!(recorded.against(&uncounted).regressions.len(), 1);
    }

    #[test]
    fn a_case_that_is_not_recorded_is_not_let_through() {
        let mut recorded = counted(1.0, 2_000.0);
        let count = recorded.cases.remove("hit/a").unwrap();
        recorded.cases.insert("hit/b".to_owned(), count);
        assert_eq!(
            counted(1.0, 2_000.0).against(&recorded).regressions.len(),
            2
        );
    }
}
