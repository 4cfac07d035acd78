//! Alternates an operation and its floor in chunks of a fraction of a millisecond.

use std::time::{Duration, Instant};

use test_servers::lateness::processor_time;

use crate::{Extent, Failure, Runner, case::Contest};

/// One look at an operation and its floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What the operation took, in the case's unit.
    pub ours: f64,
    /// What its floor took.
    pub floor: Option<f64>,
}

impl Sample {
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.floor
            .filter(|floor| *floor > 0.0)
            .map(|floor| self.ours / floor)
    }

    /// Whether the operation is what its floor is: of counts, which are exact.
    pub(crate) fn is_equal(&self) -> Option<bool> {
        self.floor
            .map(|floor| (self.ours - floor).abs() < f64::EPSILON)
    }
}

/// What a chunk is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// What the caller waits.
    Wall,
    /// What this thread computes: nothing of what a server or another thread does.
    ThreadCpu,
}

impl Clock {
    fn time(self, run: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
        match self {
            Self::Wall => {
                let began = Instant::now();
                run()?;
                Ok(began.elapsed())
            }
            Self::ThreadCpu => {
                let began = processor_time();
                run()?;
                Ok(processor_time().saturating_sub(began))
            }
        }
    }
}

/// Long enough for the clock, short enough that most chunks are not interrupted by the scheduler.
pub(crate) const CHUNK: Duration = Duration::from_micros(200);

const FEWEST_SAMPLES: usize = 10;

/// Samples of the operation and its floor, in nanoseconds for one operation.
///
/// # Errors
///
/// What the operations return.
pub fn samples(
    contest: &mut Contest,
    clock: Clock,
    extent: Extent,
) -> Result<Vec<Sample>, Failure> {
    let (most, limit) = match extent {
        Extent::Quick => (150, Duration::from_millis(300)),
        Extent::Full => (600, Duration::from_millis(1_500)),
    };
    let mut ours = Chunk::calibrate(&mut contest.ours, clock, contest.chunk)?;
    let mut floor = match &mut contest.floor {
        Some(floor) => Some(Chunk::calibrate(floor, clock, contest.chunk)?),
        None => None,
    };
    let began = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < most && (samples.len() < FEWEST_SAMPLES || began.elapsed() < limit) {
        samples.push(match &mut floor {
            None => Sample {
                ours: ours.nanoseconds()?,
                floor: None,
            },
            // One between two of the other, so that a machine which grows slower or faster
            // meanwhile favours neither; and each in turn, so that neither always comes first.
            Some(floor) => {
                let (ours, floor) = match samples.len() % 2 {
                    0 => between(&mut ours, floor)?,
                    _ => {
                        let (floor, ours) = between(floor, &mut ours)?;
                        (ours, floor)
                    }
                };
                Sample {
                    ours,
                    floor: Some(floor),
                }
            }
        });
    }
    Ok(samples)
}

/// A sample of two measurements, of which each comes first in turn: neither is always the one that
/// finds the machine as the other has left it.
///
/// # Errors
///
/// What they return.
pub fn in_turn(
    number: usize,
    mut ours: impl FnMut() -> Result<f64, Failure>,
    mut floor: impl FnMut() -> Result<f64, Failure>,
) -> Result<Sample, Failure> {
    let (ours, floor) = match number % 2 {
        0 => {
            let ours = ours()?;
            (ours, floor()?)
        }
        _ => {
            let floor = floor()?;
            (ours()?, floor)
        }
    };
    Ok(Sample {
        ours,
        floor: Some(floor),
    })
}

/// Two chunks of `inner` between two of `outer`: the mean of each.
fn between(inner: &mut Chunk<'_>, outer: &mut Chunk<'_>) -> Result<(f64, f64), Failure> {
    let before = outer.nanoseconds()?;
    let one = inner.nanoseconds()?;
    let two = inner.nanoseconds()?;
    let after = outer.nanoseconds()?;
    Ok(((one + two) / 2.0, (before + after) / 2.0))
}

/// A runner, with the number of operations that take it about as long as a chunk is to take.
struct Chunk<'r> {
    runner: &'r mut Runner,
    clock: Clock,
    times: u64,
}

impl<'r> Chunk<'r> {
    /// Finds that number, and so warms up whatever there is to warm up.
    fn calibrate(runner: &'r mut Runner, clock: Clock, length: Duration) -> Result<Self, Failure> {
        let mut chunk = Self {
            clock,
            times: 1,
            runner,
        };
        // The first call pays for what is made once.
        chunk.nanoseconds()?;
        let length = length.as_nanos() as f64;
        loop {
            let most = chunk.runner.most();
            let took = chunk.nanoseconds()? * chunk.times as f64;
            if took >= length / 2.0 || chunk.times >= most {
                return Ok(chunk);
            }
            chunk.times = (chunk.times * 2).min(most);
        }
    }

    /// What one of the operations takes.
    fn nanoseconds(&mut self) -> Result<f64, Failure> {
        self.runner.prepare()?;
        let times = self.times;
        let took = self.clock.time(|| self.runner.run(times))?;
        Ok(took.as_nanos() as f64 / times as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc, thread};

    use super::*;

    #[test]
    fn twice_the_work_is_about_twice_the_time() {
        let working = |rounds: u32| {
            Runner::new(move |times| {
                for round in 0..times * u64::from(rounds) {
                    std::hint::black_box(round);
                }
                Ok(())
            })
        };
        let mut contest = Contest::new(working(2_000), Some(working(1_000)));
        for clock in [Clock::Wall, Clock::ThreadCpu] {
            let samples = samples(&mut contest, clock, Extent::Quick).unwrap();
            let mut ratios: Vec<f64> = samples.iter().filter_map(Sample::ratio).collect();
            ratios.sort_by(f64::total_cmp);
            let median = ratios[ratios.len() / 2];
            assert!((1.8..2.2).contains(&median), "{clock:?}: {median}");
        }
    }

    #[test]
    fn a_preparation_serves_no_more_operations_than_it_says() {
        let left = Rc::new(Cell::new(0_u64));
        let used = Rc::clone(&left);
        let runner = Runner::new(move |times| {
            used.set(used.get().checked_sub(times).ok_or("not prepared")?);
            Ok(())
        });
        let runner = runner.prepared(7, move || {
            left.set(7);
            Ok(())
        });
        let mut contest = Contest::new(runner, None);
        assert!(samples(&mut contest, Clock::Wall, Extent::Quick).is_ok());
    }

    #[test]
    fn the_clock_of_a_thread_stands_still_while_it_sleeps() {
        let began = processor_time();
        thread::sleep(Duration::from_millis(50));
        assert!(processor_time() - began < Duration::from_millis(25));
    }
}
