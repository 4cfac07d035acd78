use std::{fmt, time::Duration};

use serde_json::{Value, json};
use xtask::{Failure, table::Table};

use super::{record::Record, scenario::Outcome};

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every promise was kept.
    Held,
    /// One was not, or the scenario could not go on.
    Broken,
    /// This machine cannot produce the fault: why not.
    NotRun(String),
}

/// A scenario that has ended.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) record: Record,
    pub(super) duration: Duration,
}

impl Ended {
    pub(super) fn new(name: impl Into<String>, verdict: Verdict, record: Record) -> Self {
        Self {
            name: name.into(),
            verdict,
            record,
            duration: Duration::ZERO,
        }
    }

    pub(super) fn of(name: String, outcome: Result<Outcome, Failure>) -> Self {
        match outcome {
            Ok(Outcome::Ran(record)) if record.violations().is_empty() => {
                Self::new(name, Verdict::Held, record)
            }
            Ok(Outcome::Ran(record)) => Self::new(name, Verdict::Broken, record),
            Ok(Outcome::NotRun(reason)) => {
                Self::new(name, Verdict::NotRun(reason), Record::default())
            }
            Err(failure) => {
                let mut record = Record::default();
                record.violation(failure.to_string());
                Self::new(name, Verdict::Broken, record)
            }
        }
    }

    pub(super) fn add_panics(&mut self, panics: Vec<String>) {
        for panic in panics {
            self.record.violation(panic);
            self.verdict = Verdict::Broken;
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Broken => "BROKEN",
            Self::NotRun(_) => "not run",
        })
    }
}

/// How many scenarios ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) held: u64,
    pub(crate) broken: u64,
    pub(crate) not_run: u64,
}

/// All scenarios of a run. Displayed as what was broken, the table, and the totals.
pub(crate) struct Report {
    ended: Vec<Ended>,
    took: Duration,
}

impl Report {
    pub(super) const fn new(ended: Vec<Ended>, took: Duration) -> Self {
        Self { ended, took }
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for one in &self.ended {
            match one.verdict {
                Verdict::Held => tally.held += 1,
                Verdict::Broken => tally.broken += 1,
                Verdict::NotRun(_) => tally.not_run += 1,
            }
        }
        tally
    }

    fn table(&self) -> String {
        let header = [
            "fault",
            "callers saw",
            "worst call",
            "works again",
            "lost",
            "verdict",
        ];
        let mut table = Table::new(header, 6);
        for one in &self.ended {
            let (lost, worst) = match &one.verdict {
                Verdict::NotRun(reason) => (reason.clone(), "-".to_owned()),
                Verdict::Held | Verdict::Broken => {
                    (one.record.what_was_lost(), milliseconds(one.record.worst()))
                }
            };
            let recovery = one.record.recovery();
            table.push([
                one.name.clone(),
                one.record.to_string(),
                worst,
                recovery.map_or_else(|| "-".to_owned(), milliseconds),
                lost,
                one.verdict.to_string(),
            ]);
        }
        table.render()
    }

    /// One object: `totals`, and `scenarios` with an object for each.
    pub(super) fn to_json(&self) -> String {
        let Tally {
            held,
            broken,
            not_run,
        } = self.tally();
        let scenarios: Vec<Value> = self.ended.iter().map(to_json).collect();
        let whole = json!({
            "totals": {
                "held": held,
                "broken": broken,
                "not_run": not_run,
                "seconds": self.took.as_secs_f64(),
            },
            "scenarios": scenarios,
        });
        format!("{whole:#}\n")
    }
}

fn to_json(one: &Ended) -> Value {
    let reason = match &one.verdict {
        Verdict::NotRun(reason) => Some(reason),
        Verdict::Held | Verdict::Broken => None,
    };
    json!({
        "fault": one.name,
        "verdict": one.verdict.to_string(),
        "not_run_because": reason,
        "callers_saw": one.record.to_string(),
        "worst_call_milliseconds": one.record.worst().as_secs_f64() * 1e3,
        "works_again_after_milliseconds": one.record.recovery().map(|time| time.as_secs_f64() * 1e3),
        "lost": one.record.what_was_lost(),
        "violations": one.record.violations(),
        "seconds": one.duration.as_secs_f64(),
    })
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", (duration.as_secs_f64() * 1e3).ceil())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.ended {
            if one.verdict == Verdict::Broken {
                let complaint = one.record.complaint().replace('\n', "\n    ");
                writeln!(f, "BROKEN {}\n    {complaint}", one.name)?;
            }
        }
        let Tally {
            held,
            broken,
            not_run,
        } = self.tally();
        write!(f, "\n{}\n", self.table())?;
        writeln!(
            f,
            "{held} held, {broken} broken, {not_run} not run, in {:.1} s",
            self.took.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_is_told_and_counted() {
        let mut broken = Record::default();
        broken.violation("an older value");
        let ended = vec![
            Ended::of("good".into(), Ok(Outcome::Ran(Record::default()))),
            Ended::of("bad".into(), Ok(Outcome::Ran(broken))),
            Ended::of("worse".into(), Err("no server".into())),
            Ended::of("impossible".into(), Ok(Outcome::NotRun("no root".into()))),
        ];
        let report = Report::new(ended, Duration::from_millis(1_234));
        let expected = Tally {
            held: 1,
            broken: 2,
            not_run: 1,
        };
        assert_eq!(report.tally(), expected);
        let text = report.to_string();
        assert!(text.contains("BROKEN bad\n    an older value\n"), "{text}");
        assert!(text.contains("BROKEN worse\n    no server\n"), "{text}");
        assert!(text.contains("no root"), "{text}");
        assert!(text.ends_with("1 held, 2 broken, 1 not run, in 1.2 s\n"));
    }

    #[test]
    fn a_panic_breaks_what_otherwise_held() {
        let mut one = Ended::of("good".into(), Ok(Outcome::Ran(Record::default())));
        one.add_panics(Vec::new());
        assert_eq!(one.verdict, Verdict::Held);
        one.add_panics(vec!["a panic".into()]);
        assert_eq!(one.verdict, Verdict::Broken);
    }
}
