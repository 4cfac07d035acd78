use std::{fmt, time::Duration};

use crate::{
    Extent, Failure, Row, Runner, Target, Unit,
    bodies::Size,
    sampling::{self, Clock, Sample},
};

/// An operation, and the same with the parts alone.
#[derive(Debug)]
pub struct Contest {
    pub(crate) ours: Runner,
    pub(crate) floor: Option<Runner>,
    pub(crate) chunk: Duration,
}

impl Contest {
    /// An operation and what it is compared with, if there is such a thing.
    #[must_use]
    pub fn new(ours: Runner, floor: Option<Runner>) -> Self {
        Self {
            ours,
            floor,
            chunk: sampling::CHUNK,
        }
    }

    /// An operation and what it is compared with.
    #[must_use]
    pub fn between(ours: Runner, floor: Runner) -> Self {
        Self::new(ours, Some(floor))
    }

    /// The same, measured in longer or shorter chunks than usual: for what has a beginning and an end.
    #[must_use]
    pub const fn in_chunks_of(mut self, chunk: Duration) -> Self {
        self.chunk = chunk;
        self
    }
}

/// What can be counted of a case, beside its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Nothing that would be the same the next time.
    Nothing,
    /// Allocations and instructions.
    AllocationsAndInstructions,
}

/// What is made of a contest's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Time,
    CpuTime,
    Throughput,
}

impl Reading {
    const fn clock(self) -> Clock {
        match self {
            Self::Time | Self::Throughput => Clock::Wall,
            Self::CpuTime => Clock::ThreadCpu,
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Time => Unit::Nanoseconds,
            Self::CpuTime => Unit::CpuNanoseconds,
            Self::Throughput => Unit::PerSecond,
        }
    }

    fn of(self, sample: Sample) -> Sample {
        let per_second = |nanoseconds: f64| 1e9 / nanoseconds;
        match self {
            Self::Time | Self::CpuTime => sample,
            Self::Throughput => Sample {
                ours: per_second(sample.ours),
                floor: sample.floor.map(per_second),
            },
        }
    }
}

/// One row of the table.
pub struct Case {
    name: String,
    target: Option<Target>,
    quick: bool,
    counts: Counts,
    how: How,
}

type Build = Box<dyn Fn() -> Result<Contest, Failure>>;
type Measure = Box<dyn Fn(Extent) -> Result<Vec<Sample>, Failure>>;

enum How {
    Contest(Reading, Build),
    Measured(Unit, Measure),
}

impl Case {
    /// A case whose operation and floor are timed in turn. `build` makes what they work on.
    pub fn contest(
        name: impl Into<String>,
        build: impl Fn() -> Result<Contest, Failure> + 'static,
    ) -> Self {
        let how = How::Contest(Reading::Time, Box::new(build));
        Self::new(name.into(), Counts::AllocationsAndInstructions, how)
    }

    /// A case that has its own way to get at its samples.
    pub fn measured(
        name: impl Into<String>,
        unit: Unit,
        measure: impl Fn(Extent) -> Result<Vec<Sample>, Failure> + 'static,
    ) -> Self {
        let how = How::Measured(unit, Box::new(measure));
        Self::new(name.into(), Counts::Nothing, how)
    }

    fn new(name: String, counts: Counts, how: How) -> Self {
        Self {
            name,
            target: None,
            quick: false,
            counts,
            how,
        }
    }

    /// What it is to reach.
    #[must_use]
    pub const fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Measured in quick runs, too.
    #[must_use]
    pub const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// Measured in quick runs, too, if this is the size that those ask for.
    #[must_use]
    pub fn quick_at(self, size: Size) -> Self {
        if size == Size::ONE_KB {
            self.quick()
        } else {
            self
        }
    }

    /// What else can be counted of it. Of contests everything, of others nothing, if not said.
    #[must_use]
    pub const fn counts(mut self, counts: Counts) -> Self {
        self.counts = counts;
        self
    }

    /// Times what the calling thread computes, not what it waits.
    #[must_use]
    pub fn by_cpu_time(self) -> Self {
        self.read_as(Reading::CpuTime)
    }

    /// Tells how much is done in a second, not how long one takes.
    #[must_use]
    pub fn as_throughput(self) -> Self {
        self.read_as(Reading::Throughput)
    }

    fn read_as(mut self, reading: Reading) -> Self {
        if let How::Contest(time, _) = &mut self.how {
            *time = reading;
        }
        self
    }

    /// Its name: `question/what/with what`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn is_quick(&self) -> bool {
        self.quick
    }

    pub(crate) const fn counted(&self) -> Counts {
        self.counts
    }

    /// Whether it is two operations, and not something else that is measured.
    pub(crate) const fn is_contest(&self) -> bool {
        matches!(self.how, How::Contest(..))
    }

    /// What it works on, for the programs that count.
    pub(crate) fn build(&self) -> Result<Option<Contest>, Failure> {
        match &self.how {
            How::Contest(_, build) => build().map(Some),
            How::Measured(..) => Ok(None),
        }
    }

    /// Measures it.
    ///
    /// # Errors
    ///
    /// What its operations return.
    pub fn measure(&self, extent: Extent) -> Result<Row, Failure> {
        let (unit, samples) = match &self.how {
            How::Measured(unit, measure) => (*unit, measure(extent)?),
            How::Contest(reading, build) => {
                let times = sampling::samples(&mut build()?, reading.clock(), extent)?;
                let samples = times.into_iter().map(|times| reading.of(times));
                (reading.unit(), samples.collect())
            }
        };
        let row = Row::of(&self.name, unit, self.target, &samples);
        row.ok_or_else(|| "nothing was measured".into())
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
