use serde_json::{Value, json};

use super::programs::Line;

/// One row: what a question's program has measured of a case, and what was counted of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    figures: Value,
}

/// Allocations that do not come with an operation but now and then, such as moka's own, are no
/// reason to miss a target.
const OCCASIONAL: f64 = 0.05;

impl Measured {
    pub(super) fn new(line: Line) -> Self {
        Self {
            figures: line.figures,
        }
    }

    /// One that was kept; `None` if it is none.
    pub(super) fn from_json(figures: Value) -> Option<Self> {
        figures["case"].is_string().then_some(Self { figures })
    }

    pub(super) const fn to_json(&self) -> &Value {
        &self.figures
    }

    /// Adds what a counting program has printed.
    pub(super) fn count(&mut self, counts: &Value) {
        for what in ["allocations", "instructions"] {
            if counts[what].is_number() {
                self.figures[what] = json!({ "ours": counts[what], "floor": counts["floor"] });
            }
        }
    }

    pub(super) fn case(&self) -> &str {
        self.figures["case"].as_str().unwrap_or_default()
    }

    pub(super) fn unit(&self) -> &str {
        self.figures["unit"].as_str().unwrap_or_default()
    }

    pub(super) fn median(&self) -> Option<f64> {
        self.figures["median"].as_f64()
    }

    pub(super) fn floor(&self) -> Option<f64> {
        self.figures["floor"].as_f64()
    }

    pub(super) fn ratio(&self) -> Option<f64> {
        self.figures["ratio"].as_f64()
    }

    /// The lower and the upper one.
    pub(super) fn ratio_quartiles(&self) -> Option<(f64, f64)> {
        let quartiles = &self.figures["ratio_quartiles"];
        quartiles[0].as_f64().zip(quartiles[1].as_f64())
    }

    pub(super) fn allocations(&self) -> Option<f64> {
        self.figures["allocations"]["ours"].as_f64()
    }

    pub(super) fn allocations_of_floor(&self) -> Option<f64> {
        self.figures["allocations"]["floor"].as_f64()
    }

    pub(super) fn instructions(&self) -> Option<f64> {
        self.figures["instructions"]["ours"].as_f64()
    }

    pub(super) fn instructions_of_floor(&self) -> Option<f64> {
        self.figures["instructions"]["floor"].as_f64()
    }

    /// In words; empty if there is none.
    pub(super) fn target(&self) -> String {
        let target = &self.figures["target"];
        let mut parts = Vec::new();
        if let Some(most) = target["at_most"].as_f64() {
            parts.push(format!("<= {most}"));
        }
        if let Some(least) = target["at_least"].as_f64() {
            parts.push(format!(">= {least}"));
        }
        if target["exactly"] == true {
            parts.push("= floor".to_owned());
        }
        if let Some(most) = target["allocations"].as_u64() {
            parts.push(format!("{most} alloc"));
        }
        parts.join(", ")
    }

    /// In words; empty if there is no target.
    pub(super) fn reached(&self) -> String {
        let target = &self.figures["target"];
        if !target.is_object() {
            return String::new();
        }
        let most = target["allocations"].as_f64().map(|most| most + OCCASIONAL);
        let unequal = self.figures["unequal"].as_f64();
        let parts = [
            ("ratio", is_at_most(self.ratio(), &target["at_most"])),
            ("ratio", is_at_least(self.ratio(), &target["at_least"])),
            ("count", is_none(unequal, &target["exactly"])),
            ("alloc", is_at_most(self.allocations(), &json!(most))),
        ];
        let of = |reached| {
            let parts = parts.iter().filter(move |(_, outcome)| *outcome == reached);
            parts.map(|(part, _)| *part).collect::<Vec<_>>().join(", ")
        };
        match (of(Outcome::Missed), of(Outcome::NotMeasured)) {
            (missed, unknown) if !missed.is_empty() && !unknown.is_empty() => {
                format!("no: {missed}; not measured: {unknown}")
            }
            (missed, _) if !missed.is_empty() => format!("no: {missed}"),
            (_, unknown) if !unknown.is_empty() => format!("not measured: {unknown}"),
            _ => "yes".to_owned(),
        }
    }
}

/// What has become of one part of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    NotAskedFor,
    Reached,
    Missed,
    /// Neither reached nor missed: there is no figure.
    NotMeasured,
}

fn outcome(
    figure: Option<f64>,
    bound: Option<f64>,
    holds: impl FnOnce(f64, f64) -> bool,
) -> Outcome {
    match (figure, bound) {
        (_, None) => Outcome::NotAskedFor,
        (None, Some(_)) => Outcome::NotMeasured,
        (Some(figure), Some(bound)) => match holds(figure, bound) {
            true => Outcome::Reached,
            false => Outcome::Missed,
        },
    }
}

fn is_at_most(figure: Option<f64>, most: &Value) -> Outcome {
    outcome(figure, most.as_f64(), |figure, most| figure <= most)
}

fn is_at_least(figure: Option<f64>, least: &Value) -> Outcome {
    outcome(figure, least.as_f64(), |figure, least| figure >= least)
}

/// Of samples that must not be: those of counts that are not their floor.
fn is_none(figure: Option<f64>, asked_for: &Value) -> Outcome {
    let most = (*asked_for == true).then_some(0.0);
    outcome(figure, most, |figure, most| figure <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(ratio: f64, target: &Value, allocations: f64) -> Measured {
        let figures = json!({ "case": "a/b", "ratio": ratio, "target": target });
        let mut measured = Measured::from_json(figures).unwrap();
        measured.count(&json!({ "case": "a/b", "allocations": allocations, "floor": 0.0 }));
        measured
    }

    #[test]
    fn a_target_is_reached_in_every_part_or_not() {
        let target = || json!({ "at_most": 1.4, "allocations": 1 });
        assert_eq!(measured(1.4, &target(), 1.008).reached(), "yes");
        assert_eq!(measured(1.5, &target(), 1.0).reached(), "no: ratio");
        assert_eq!(measured(1.5, &target(), 2.0).reached(), "no: ratio, alloc");
        assert_eq!(measured(1.0, &target(), 2.0).target(), "<= 1.4, 1 alloc");
    }

    #[test]
    fn throughput_is_to_be_no_less() {
        let target = || json!({ "at_least": 0.92 });
        assert_eq!(measured(0.91, &target(), 9.0).reached(), "no: ratio");
        assert_eq!(measured(0.93, &target(), 9.0).reached(), "yes");
        assert_eq!(measured(9.0, &Value::Null, 9.0).reached(), "");
    }

    #[test]
    fn a_count_is_to_be_the_floor_even_if_that_is_nothing() {
        let counted = |unequal: &Value| {
            let figures = json!({
                "case": "a/b", "median": 1.0, "floor": 0.0, "ratio": null,
                "unequal": unequal, "target": { "exactly": true },
            });
            Measured::from_json(figures).unwrap()
        };
        assert_eq!(counted(&json!(0)).target(), "= floor");
        assert_eq!(counted(&json!(0)).reached(), "yes");
        assert_eq!(counted(&json!(1)).reached(), "no: count");
        assert_eq!(counted(&Value::Null).reached(), "not measured: count");
    }

    #[test]
    fn what_is_not_measured_is_not_reached() {
        let of = |ratio: &Value| {
            let target = json!({ "at_most": 1.4, "allocations": 1 });
            let figures = json!({ "case": "a/b", "ratio": ratio, "target": target });
            Measured::from_json(figures).unwrap().reached()
        };
        assert_eq!(of(&json!(1.0)), "not measured: alloc");
        assert_eq!(of(&json!(1.5)), "no: ratio; not measured: alloc");
        assert_eq!(of(&Value::Null), "not measured: ratio, alloc");
        let throughput = json!({ "case": "a/b", "target": { "at_least": 0.9 } });
        let throughput = Measured::from_json(throughput).unwrap();
        assert_eq!(throughput.reached(), "not measured: ratio");
    }
}
