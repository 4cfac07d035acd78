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
        let mut missed = Vec::new();
        let too_much = over(self.ratio(), target["at_most"].as_f64());
        let too_little = over(target["at_least"].as_f64(), self.ratio());
        if too_much || too_little {
            missed.push("ratio");
        }
        let most = target["allocations"].as_f64().map(|most| most + OCCASIONAL);
        if over(self.allocations(), most) {
            missed.push("alloc");
        }
        match missed.is_empty() {
            true => "yes".to_owned(),
            false => format!("no: {}", missed.join(", ")),
        }
    }
}

fn over(figure: Option<f64>, most: Option<f64>) -> bool {
    figure.zip(most).is_some_and(|(figure, most)| figure > most)
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
}
