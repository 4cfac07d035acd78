//! What a history is drawn from: how many processes there are, what they do, what goes wrong.

use std::time::Duration;

use fastrand::Rng;

/// Virtual time, in microseconds.
pub(super) type Micros = u64;

pub(super) const MILLI: Micros = 1_000;
pub(super) const SECOND: Micros = 1_000_000;

/// The size of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A few processes that meet in a few keys.
    Small,
    /// A fleet of a thousand.
    Fleet,
}

#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) kinds: Vec<Kind>,
    pub(super) keys: usize,
    pub(super) bound: Duration,
    pub(super) lasts: Micros,
    /// Between two calls of a process, on average.
    pub(super) pause: Micros,
    /// How many of a hundred calls change something.
    pub(super) changes: u8,
    /// Between two faults, on average, of the whole fleet.
    pub(super) fault_every: Micros,
    /// Between two questions of a listener.
    pub(super) pace: Micros,
    /// How many entries of the log an answer has room for.
    pub(super) room: usize,
    /// How many entries the log keeps.
    pub(super) log: usize,
    pub(super) join_within: Micros,
}

/// How a process is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) layers: Nest,
    pub(super) refill: Refill,
    pub(super) reads: Reads,
    pub(super) writes: Writes,
    /// Two compositions of one process announce as one.
    pub(super) origin: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nest {
    One,
    /// An L1 over a composition of an L1 and L2.
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refill {
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    Sequential,
    /// Asks L2 whatever L1 has, and takes L2's answer.
    Parallel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// L1 has the value before L2 has confirmed it.
    L1First,
    L2First,
}

impl Scene {
    /// The bound, in virtual time.
    pub(super) fn bound_micros(&self) -> Micros {
        self.bound.as_micros() as Micros
    }

    pub(super) fn draw(random: &mut Rng, size: Size) -> Self {
        let bound = [20, 100, 250, 1_000][random.usize(..4)] * MILLI;
        let (processes, keys, pause, fault_every, lasts) = match size {
            Size::Small => (
                random.usize(2..=8),
                random.usize(1..=6),
                random.u64(200..=8 * MILLI),
                random.u64(5 * MILLI..=300 * MILLI),
                4 * SECOND + 10 * bound,
            ),
            Size::Fleet => (1_000, 64, 20 * MILLI, 2 * MILLI, 6 * SECOND),
        };
        let changes = match size {
            Size::Small => random.u8(2..=40),
            Size::Fleet => 2,
        };
        Self {
            kinds: (0..processes)
                .map(|number| Kind::draw(random, number))
                .collect(),
            keys,
            bound: Duration::from_micros(bound),
            lasts,
            pause,
            changes,
            fault_every,
            pace: (bound / 16).min(25 * MILLI),
            room: [2, 20, 1_000][random.usize(..3)],
            log: [5, 100, 100_000][random.usize(..3)],
            join_within: (10 * MILLI).min(bound / 4),
        }
    }
}

impl Kind {
    fn draw(random: &mut Rng, number: usize) -> Self {
        Self {
            layers: if random.u8(..100) < 30 {
                Nest::Two
            } else {
                Nest::One
            },
            refill: if random.u8(..100) < 15 {
                Refill::Never
            } else {
                Refill::Always
            },
            reads: if random.u8(..100) < 20 {
                Reads::Parallel
            } else {
                Reads::Sequential
            },
            writes: if random.bool() {
                Writes::L1First
            } else {
                Writes::L2First
            },
            origin: if random.u8(..100) < 30 {
                number / 2 * 2
            } else {
                number
            },
        }
    }
}
