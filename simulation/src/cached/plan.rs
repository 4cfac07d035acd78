//! Histories to try, from seeds.

use std::{fmt, time::Duration};

use fastrand::Rng;

use crate::{
    setting::{Setting, Subject},
    step::{ClockStep, Fault, Faulted, Late},
};

const STEPS: usize = 240;

/// Steps between two audits.
const EPISODE: usize = 60;

/// What can happen. As `crate::step::Step`, it does not look at the state: any selection of the steps of a history is a
/// history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Somebody calls the cache.
    Call(Act),
    /// A loader that runs comes to an end.
    EndLoad {
        pick: usize,
        end: End,
    },
    /// One operation of a layer that waits gets on: to its effect, or to its answer.
    Open {
        pick: usize,
        fault: Option<Faulted>,
    },
    /// A caller goes.
    Leave {
        pick: usize,
        late: Late,
    },
    /// A caller is not polled any more, until the next audit.
    Hold {
        pick: usize,
    },
    Advance {
        millis: u64,
        late: Late,
    },
    SetClock(ClockStep),
    Break {
        pick: usize,
        fault: Fault,
    },
    Heal {
        pick: usize,
    },
    Restart {
        pick: usize,
    },
    Evict {
        pick: usize,
        key: usize,
    },
    Arrive {
        pick: usize,
    },
    Audit,
}

/// What somebody asks of the cache. Keys of bulk calls are a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Get { key: usize },
    GetOrLoad { key: usize, loader: Loader },
    Refresh { key: usize, loader: Loader },
    GetManyOrLoad { keys: u8, loader: Loader },
    Insert { key: usize },
    Remove { key: usize },
    RemoveMany { keys: u8 },
    Expire { key: usize },
}

/// How a loader goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    /// It ends when the history says so, and in an audit by itself.
    Waits,
    /// It ends at no time.
    Hangs,
    /// It has ended as soon as it is called.
    Ends(End),
}

/// What a loader comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Value,
    /// It says itself for how long it is fresh.
    Brief,
    Uncached,
    Absent,
    Fails,
    Panics,
}

/// What is set for the cache of a history.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheRules {
    pub(super) ttl: Duration,
    pub(super) absent_ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) refreshes_ahead: bool,
    pub(super) retry_after: Duration,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) hard_timeout: Option<Duration>,
    pub(super) load_deadline: Duration,
    pub(super) max_loads: usize,
    pub(super) max_fills: usize,
    pub(super) fill_patience: Duration,
}

/// For how long a value is fresh of which the loader says so.
pub(super) const BRIEF: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) subject: Subject,
    pub(super) seed: u64,
    pub(super) setting: Setting,
    pub(super) rules: CacheRules,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(subject: &Subject, seed: u64) -> Self {
        let Subject {
            policies, layers, ..
        } = *subject;
        // Beside those of histories without a cache.
        let place =
            64 + 16 * (policies.read as u64) + 4 * (policies.write as u64) + layers.number();
        let mut random = Rng::with_seed(seed ^ place << 56);
        let setting = Setting::draw(subject, &mut random);
        let rules = CacheRules::draw(&mut random);
        let weather = Weather::draw(&mut random);
        let mut steps = Vec::with_capacity(STEPS + STEPS / EPISODE);
        for at in 1..=STEPS {
            steps.push(weather.step(&setting, &mut random));
            if at % EPISODE == 0 {
                steps.push(Step::Audit);
            }
        }
        Self {
            subject: *subject,
            seed,
            setting,
            rules,
            steps,
        }
    }
}

impl CacheRules {
    fn draw(random: &mut Rng) -> Self {
        let seconds = |random: &mut Rng, of: [u64; 4]| Duration::from_secs(of[random.usize(0..4)]);
        let within = |random: &mut Rng, of: [u64; 4]| {
            Some(seconds(random, of)).filter(|time| !time.is_zero())
        };
        let stale_if_error = seconds(random, [0, 20, 60, 600]);
        // Without something to fall back on, or beyond the hard one, it would be refused.
        let soft_timeout = within(random, [0, 0, 1, 1]).filter(|_| !stale_if_error.is_zero());
        Self {
            ttl: seconds(random, [2, 10, 60, 600]),
            absent_ttl: seconds(random, [0, 0, 5, 30]),
            stale_while_revalidate: seconds(random, [0, 0, 5, 30]),
            stale_if_error,
            refreshes_ahead: random.u8(0..4) == 0,
            retry_after: seconds(random, [0, 1, 5, 5]),
            soft_timeout,
            hard_timeout: within(random, [0, 0, 2, 10]),
            load_deadline: seconds(random, [1, 5, 20, 60]),
            max_loads: [1, 2, 1_024, 1_024][random.usize(0..4)],
            max_fills: [1, 1_024, 1_024, 1_024][random.usize(0..4)],
            fill_patience: seconds(random, [1, 5, 5, 5]),
        }
    }
}

/// How often what happens, out of 1,000.
struct Weather {
    calls: u32,
    ends: u32,
    leaves: u32,
    holds: u32,
    breaks: u32,
    faults: u32,
}

impl Weather {
    fn draw(random: &mut Rng) -> Self {
        let mut one_of = |rates: [u32; 4]| rates[random.usize(0..rates.len())];
        Self {
            calls: one_of([120, 200, 260, 320]),
            ends: one_of([60, 120, 200, 250]),
            leaves: one_of([0, 5, 20, 60]),
            holds: one_of([0, 0, 5, 20]),
            breaks: one_of([0, 0, 10, 20]),
            faults: one_of([0, 0, 30, 200]),
        }
    }

    fn step(&self, setting: &Setting, random: &mut Rng) -> Step {
        type Kind = fn(&Weather, &Setting, &mut Rng) -> Step;
        let weighted: [(u32, Kind); 12] = [
            (self.calls, |_, setting, random| {
                Step::Call(Act::draw(setting, random))
            }),
            (self.ends, |_, _, random| Step::EndLoad {
                pick: random.usize(0..64),
                end: End::draw(random),
            }),
            (self.leaves, |_, _, random| Step::Leave {
                pick: random.usize(0..64),
                late: draw_late(random),
            }),
            (self.holds, |_, _, random| Step::Hold {
                pick: random.usize(0..64),
            }),
            (self.breaks, |_, _, random| Step::Break {
                pick: random.usize(0..64),
                fault: match random.bool() {
                    true => Fault::Unavailable,
                    false => Fault::Refused,
                },
            }),
            (self.breaks * 2, |_, _, random| Step::Heal {
                pick: random.usize(0..64),
            }),
            (50, |_, setting, random| Step::Advance {
                millis: draw_millis(setting, random),
                late: draw_late(random),
            }),
            (3, |_, _, random| {
                Step::SetClock(match random.bool() {
                    true => ClockStep::Forward,
                    false => ClockStep::Back,
                })
            }),
            (5, |_, _, random| Step::Restart {
                pick: random.usize(0..64),
            }),
            (20, |_, setting, random| Step::Evict {
                pick: random.usize(0..64),
                key: random.usize(0..setting.keys),
            }),
            (15, |_, _, random| Step::Arrive {
                pick: random.usize(0..64),
            }),
            // What is left.
            (u32::MAX, |weather, _, random| {
                let strikes = random.u32(0..1_000) < weather.faults;
                Step::Open {
                    pick: random.usize(0..64),
                    fault: strikes.then(|| Faulted {
                        fault: Fault::ALL[random.usize(0..Fault::ALL.len())],
                        keys: random.u8(..),
                    }),
                }
            }),
        ];
        let mut dice = random.u32(0..1_000);
        for (weight, kind) in weighted {
            if dice < weight {
                return kind(self, setting, random);
            }
            dice -= weight;
        }
        Step::Audit
    }
}

impl Act {
    fn draw(setting: &Setting, random: &mut Rng) -> Self {
        let key = random.usize(0..setting.keys);
        // A bulk call has the key, and perhaps others.
        let keys = 1 << key | random.u8(0..1 << setting.keys);
        let loader = Loader::draw(random);
        match random.u8(0..20) {
            0 => Self::Get { key },
            1..10 => Self::GetOrLoad { key, loader },
            10 => Self::Refresh { key, loader },
            11..13 => Self::GetManyOrLoad { keys, loader },
            13..15 => Self::Insert { key },
            15..18 => Self::Remove { key },
            18 => Self::RemoveMany { keys },
            _ => Self::Expire { key },
        }
    }
}

impl Loader {
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..20) {
            0 => Self::Hangs,
            1..7 => Self::Ends(End::draw(random)),
            _ => Self::Waits,
        }
    }
}

impl End {
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..20) {
            0 => Self::Panics,
            1..4 => Self::Fails,
            4..6 => Self::Absent,
            6 => Self::Uncached,
            7..9 => Self::Brief,
            _ => Self::Value,
        }
    }
}

fn draw_late(random: &mut Rng) -> Late {
    match random.bool() {
        true => Late::Possible,
        false => Late::Never,
    }
}

/// Some time: often short, sometimes longer than anything is kept.
fn draw_millis(setting: &Setting, random: &mut Rng) -> u64 {
    let millis = match random.u8(0..8) {
        0..4 => random.u64(1..1_000),
        4..7 => random.u64(1_000..10_000),
        _ => random.u64(10_000..90_000),
    };
    millis.next_multiple_of(setting.granularity().as_millis() as u64)
}

impl fmt::Display for CacheRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
