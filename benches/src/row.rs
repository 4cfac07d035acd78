use serde_json::{Value, json};

use crate::{sampling::Sample, statistics::Quartiles, target::Target};

/// What the figures of a case are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds for an operation.
    Nanoseconds,
    /// Nanoseconds of the CPU for an operation.
    CpuNanoseconds,
    /// Operations in a second.
    PerSecond,
    /// A number of something for an operation.
    Count,
    /// Bytes for an entry.
    Bytes,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::CpuNanoseconds => "ns CPU",
            Self::PerSecond => "/s",
            Self::Count => "count",
            Self::Bytes => "bytes",
        }
    }
}

/// What was measured of a case.
#[derive(Clone, Debug)]
pub struct Row {
    case: String,
    unit: Unit,
    target: Option<Target>,
    ours: Quartiles,
    floor: Option<Quartiles>,
    ratio: Option<Quartiles>,
    samples: usize,
    unequal: Option<usize>,
}

impl Row {
    /// `None` of no samples.
    pub(crate) fn of(
        case: &str,
        unit: Unit,
        target: Option<Target>,
        samples: &[Sample],
    ) -> Option<Self> {
        let floors = samples.iter().filter_map(|sample| sample.floor);
        let ratios = samples.iter().filter_map(Sample::ratio);
        let equal: Option<Vec<bool>> = samples.iter().map(Sample::is_equal).collect();
        Some(Self {
            case: case.to_owned(),
            unit,
            target,
            ours: Quartiles::of(samples.iter().map(|sample| sample.ours))?,
            floor: Quartiles::of(floors),
            ratio: Quartiles::of(ratios),
            samples: samples.len(),
            unequal: equal.map(|equal| equal.iter().filter(|equal| !**equal).count()),
        })
    }

    /// One line of JSON: what `cargo xtask bench` reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let median = |quartiles: Option<Quartiles>| quartiles.map(|quartiles| quartiles.median);
        json!({
            "case": self.case,
            "unit": self.unit.as_str(),
            "median": self.ours.median,
            "floor": median(self.floor),
            "ratio": median(self.ratio),
            "ratio_quartiles": self.ratio.map(|ratio| [ratio.lower, ratio.upper]),
            "samples": self.samples,
            "unequal": self.unequal,
            "target": self.target.map(Target::to_json),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unequal(samples: &[(f64, Option<f64>)]) -> Value {
        let samples = samples.iter().map(|&(ours, floor)| Sample { ours, floor });
        let samples: Vec<_> = samples.collect();
        let row = Row::of("a/b", Unit::Count, Some(Target::exactly()), &samples).unwrap();
        row.to_json()["unequal"].clone()
    }

    #[test]
    fn samples_that_are_not_their_floor_are_counted() {
        assert_eq!(unequal(&[(1.0, Some(1.0)), (0.0, Some(0.0))]), 0);
        assert_eq!(unequal(&[(1.0, Some(0.0)), (0.0, Some(0.0))]), 1);
        assert_eq!(unequal(&[(1.0, Some(2.0))]), 1);
        assert_eq!(unequal(&[(1.0, None)]), Value::Null);
    }
}
