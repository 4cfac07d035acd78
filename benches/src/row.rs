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
        Some(Self {
            case: case.to_owned(),
            unit,
            target,
            ours: Quartiles::of(samples.iter().map(|sample| sample.ours))?,
            floor: Quartiles::of(floors),
            ratio: Quartiles::of(ratios),
            samples: samples.len(),
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
            "target": self.target.map(Target::to_json),
        })
    }
}
