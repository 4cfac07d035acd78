use std::{ops::RangeInclusive, time::Duration};

use super::{Failure, Fault, FaultKind, Late, dice::Dice, target::Target};

/// Far from what a duration can hold.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How probable each fault is, for the operations of one kind.
///
/// Each probability lies between 0 and 1, and together they are at most 1: a call meets one fault or
/// none. [`ChaosBuilder::build`](super::ChaosBuilder::build) refuses what is not so. Setting a fault
/// twice adds a second one beside the first: two ranges of delays, two kinds of failure.
///
/// ```
/// use std::time::Duration;
/// use hitbox_backend::chaos::{Chaos, Failure};
///
/// let one_in_three = Chaos::new()
///     .fail(0.1)
///     .fail_with(0.03, Failure::Throttled)
///     .delay(0.2, Duration::from_millis(1)..=Duration::from_millis(20));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Chaos {
    chances: Vec<Chance>,
}

#[derive(Clone, Debug)]
struct Chance {
    probability: f64,
    fault: Template,
}

#[derive(Clone, Debug)]
enum Template {
    DelayWithin(RangeInclusive<Duration>),
    Exactly(Fault),
}

impl Chaos {
    /// Sums of decimal fractions, such as ten times 0.1, miss 1 by less than this.
    const ROUNDING: f64 = 1e-9;

    /// No faults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chances: Vec::new(),
        }
    }

    /// [`Fault::Fail`] with [`Failure::Unavailable`].
    #[must_use]
    pub fn fail(self, probability: f64) -> Self {
        self.fail_with(probability, Failure::Unavailable)
    }

    /// [`Fault::Fail`] with an error of your choice.
    #[must_use]
    pub fn fail_with(self, probability: f64, failure: Failure) -> Self {
        self.exactly(probability, Fault::Fail(failure))
    }

    /// [`Fault::Delay`], by a time drawn evenly from `range`.
    #[must_use]
    pub fn delay(self, probability: f64, range: RangeInclusive<Duration>) -> Self {
        self.or(probability, Template::DelayWithin(range))
    }

    /// [`Fault::Hang`].
    #[must_use]
    pub fn hang(self, probability: f64) -> Self {
        self.exactly(probability, Fault::Hang)
    }

    /// [`Fault::HangAfterEffect`].
    #[must_use]
    pub fn hang_after_effect(self, probability: f64) -> Self {
        self.exactly(probability, Fault::HangAfterEffect)
    }

    /// [`Fault::LoseAnswer`].
    #[must_use]
    pub fn lose_answer(self, probability: f64) -> Self {
        self.exactly(probability, Fault::LoseAnswer)
    }

    /// [`Fault::Late`]. For writes and removes.
    #[must_use]
    pub fn late(self, probability: f64, late: Late) -> Self {
        self.exactly(probability, Fault::Late(late))
    }

    /// [`Fault::Repeat`]. For writes and removes.
    #[must_use]
    pub fn repeat(self, probability: f64, late: Late) -> Self {
        self.exactly(probability, Fault::Repeat(late))
    }

    /// [`Fault::BreakOff`].
    #[must_use]
    pub fn break_off(self, probability: f64) -> Self {
        self.exactly(probability, Fault::BreakOff)
    }

    /// [`Fault::Tear`]. For reads and writes.
    #[must_use]
    pub fn tear(self, probability: f64) -> Self {
        self.exactly(probability, Fault::Tear)
    }

    /// [`Fault::Corrupt`]. For reads and writes.
    #[must_use]
    pub fn corrupt(self, probability: f64) -> Self {
        self.exactly(probability, Fault::Corrupt)
    }

    /// [`Fault::Distort`]. For reads and writes.
    #[must_use]
    pub fn distort(self, probability: f64) -> Self {
        self.exactly(probability, Fault::Distort)
    }

    fn exactly(self, probability: f64, fault: Fault) -> Self {
        self.or(probability, Template::Exactly(fault))
    }

    fn or(mut self, probability: f64, fault: Template) -> Self {
        self.chances.push(Chance { probability, fault });
        self
    }

    /// What is wrong with these settings as those of `target`.
    pub(super) fn check(&self, target: Target) -> Result<(), String> {
        let mut sum = 0.0;
        for Chance { probability, fault } in &self.chances {
            let kind = fault.kind();
            if let Some(why) = target.refusal(kind) {
                return Err(format!("{target}: {kind}: {why}"));
            }
            if !(0.0..=1.0).contains(probability) {
                return Err(format!(
                    "{target}: {kind}: {probability} is no probability: use 0 to 1"
                ));
            }
            if let Template::DelayWithin(range) = fault
                && range.is_empty()
            {
                return Err(format!(
                    "{target}: {kind}: the range {range:?} is empty: put the shorter time first"
                ));
            }
            if let Template::DelayWithin(range) = fault
                && *range.end() > LONGEST_DELAY
            {
                return Err(format!(
                    "{target}: {kind}: {:?} is over a day: use a day or less, or hang",
                    range.end()
                ));
            }
            sum += probability;
        }
        if sum > 1.0 + Self::ROUNDING {
            return Err(format!(
                "{target}: the probabilities add up to {sum}: a call meets at most one fault, so \
                 use at most 1 in all"
            ));
        }
        Ok(())
    }

    pub(super) fn draw(&self, dice: &mut Dice) -> Option<Fault> {
        let point = dice.unit();
        let mut upto = 0.0;
        let met = self.chances.iter().find(|chance| {
            upto += chance.probability;
            point < upto
        })?;
        Some(match &met.fault {
            Template::Exactly(fault) => *fault,
            Template::DelayWithin(range) => {
                let span = range.end().saturating_sub(*range.start());
                Fault::Delay(*range.start() + span.mul_f64(dice.unit()))
            }
        })
    }
}

impl Template {
    const fn kind(&self) -> FaultKind {
        match self {
            Self::DelayWithin(_) => FaultKind::Delay,
            Self::Exactly(fault) => fault.kind(),
        }
    }
}
