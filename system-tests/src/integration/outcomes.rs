use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{case::Ended, matrix};

/// How many cases passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(super) fn of<'e>(ended: impl IntoIterator<Item = &'e Ended>) -> Self {
        let mut tally = Self::default();
        for one in ended {
            match one.outcome {
                Ok(()) => tally.passed += 1,
                Err(_) => tally.failed += 1,
            }
        }
        tally
    }
}

/// All cases of a run. Displayed as the failures, the table, and the totals.
pub(crate) struct Outcomes {
    ended: Vec<Ended>,
    took: Duration,
}

impl Outcomes {
    pub(super) const fn new(ended: Vec<Ended>, took: Duration) -> Self {
        Self { ended, took }
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally::of(&self.ended)
    }

    /// One object: `totals`, and `cases` with an object for each.
    pub(super) fn to_json(&self) -> String {
        let Tally { passed, failed } = self.tally();
        let cases: Vec<Value> = self.ended.iter().map(case_to_json).collect();
        let whole = json!({
            "totals": {
                "cases": cases.len(),
                "passed": passed,
                "failed": failed,
                "milliseconds": milliseconds(self.took),
            },
            "cases": cases,
        });
        format!("{whole:#}\n")
    }
}

fn case_to_json(one: &Ended) -> Value {
    let (outcome, message) = match &one.outcome {
        Ok(()) => ("passed", None),
        Err(message) => ("failed", Some(message)),
    };
    json!({
        "pair": one.id.pair,
        "read": one.id.read,
        "write": one.id.write,
        "mode": one.id.mode,
        "scenario": one.id.scenario,
        "outcome": outcome,
        "milliseconds": milliseconds(one.took),
        "message": message,
    })
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.ended {
            if let Err(message) = &one.outcome {
                writeln!(
                    f,
                    "FAILED {}\n    {}",
                    one.id,
                    message.replace('\n', "\n    ")
                )?;
            }
        }
        writeln!(f, "\npassed/failed:\n\n{}", matrix::render(&self.ended))?;
        let Tally { passed, failed } = self.tally();
        let took = self.took.as_secs_f64();
        writeln!(f, "{} cases in {took:.1} s", self.ended.len())?;
        writeln!(f, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{super::case::CaseId, *};

    fn outcomes() -> Outcomes {
        let ended = |scenario, outcome| Ended {
            id: CaseId {
                pair: "moka+sled".into(),
                read: "race",
                write: "strict",
                mode: "dyn",
                scenario: Cow::Borrowed(scenario),
            },
            outcome,
            took: Duration::from_micros(1500),
        };
        let all = vec![
            ended("round trip", Ok(())),
            ended("refill", Err("expected a hit\ngot a miss".into())),
        ];
        Outcomes::new(all, Duration::from_millis(3))
    }

    #[test]
    fn json_holds_totals_and_every_case() {
        let json: Value = serde_json::from_str(&outcomes().to_json()).unwrap();
        let totals = json!({ "cases": 2, "passed": 1, "failed": 1, "milliseconds": 3.0 });
        assert_eq!(json["totals"], totals);
        let failed = json!({
            "pair": "moka+sled",
            "read": "race",
            "write": "strict",
            "mode": "dyn",
            "scenario": "refill",
            "outcome": "failed",
            "milliseconds": 1.5,
            "message": "expected a hit\ngot a miss",
        });
        assert_eq!(json["cases"][1], failed);
        assert_eq!(json["cases"][0]["message"], Value::Null);
        assert_eq!(json["cases"][0]["outcome"], "passed");
    }

    #[test]
    fn failures_come_with_their_messages_and_totals_come_last() {
        let text = outcomes().to_string();
        let failure =
            "FAILED moka+sled/race/strict/dyn/refill\n    expected a hit\n    got a miss\n";
        assert!(text.starts_with(failure), "{text}");
        assert!(text.contains("moka+sled  race             1/1"), "{text}");
        assert!(text.ends_with("\n1 passed, 1 failed\n"), "{text}");
    }
}
