//! Histories to try, from seeds.

use fastrand::Rng;

use super::{
    setting::{Loads, Setting, Subject},
    step::{Act, Age, ClockStep, Draft, Fault, Faulted, Late, Step, Thoroughness, Which},
};

/// So long that several failures meet, and so short that a failed history is quickly shrunk.
const STEPS: usize = 240;

/// Steps between two audits.
const EPISODE: usize = 60;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) subject: Subject,
    pub(super) seed: u64,
    pub(super) setting: Setting,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(subject: &Subject, seed: u64) -> Self {
        let Subject {
            policies, layers, ..
        } = *subject;
        // Each pair of policies gets histories of its own.
        let place = 16 * (policies.read as u64) + 4 * (policies.write as u64) + layers.number();
        let mut random = Rng::with_seed(seed ^ place << 56);
        let setting = Setting::draw(subject, &mut random);
        let weather = Weather::draw(&setting, &mut random);
        let mut steps = Vec::with_capacity(STEPS + STEPS / EPISODE);
        for at in 1..=STEPS {
            steps.push(weather.step(&setting, &mut random));
            if at % EPISODE == 0 {
                let last = at == STEPS;
                steps.push(Step::Audit(if last || random.u8(0..4) == 0 {
                    Thoroughness::Settle
                } else {
                    Thoroughness::Look
                }));
            }
        }
        Self {
            subject: *subject,
            seed,
            setting,
            steps,
        }
    }
}

/// How much goes wrong, out of 1,000.
struct Weather {
    calls: u32,
    faults: u32,
    cancels: u32,
    breaks: u32,
    /// Repairs that begin, and meet what comes next.
    repairs: u32,
    /// How often those that came last get on first.
    overtaking: u32,
}

impl Weather {
    fn draw(setting: &Setting, random: &mut Rng) -> Self {
        let mut one_of = |rates: [u32; 4]| rates[random.usize(0..rates.len())];
        Self {
            // With many, gates are opened about as often as they need to get through. With few, keys come
            // to rest: nothing is repaired that something is under way for.
            calls: one_of([80, 160, 260, 260]),
            faults: one_of([0, 30, 100, 300]),
            cancels: one_of([0, 5, 20, 40]),
            breaks: one_of([0, 0, 10, 20]),
            repairs: match setting.repairs_in_background() {
                true => one_of([20, 50, 50, 100]),
                false => 0,
            },
            overtaking: one_of([0, 0, 300, 700]),
        }
    }

    fn step(&self, setting: &Setting, random: &mut Rng) -> Step {
        const RARE: u32 = 10;
        let weighted = [
            (self.calls, Kind::Call),
            (self.cancels, Kind::Cancel),
            (self.breaks, Kind::Break),
            (self.breaks * 2, Kind::Heal),
            (RARE * 3, Kind::Advance),
            (self.repairs, Kind::Background),
            (RARE, Kind::Expiry),
            (RARE / 2, Kind::Clock),
            (RARE, Kind::Restart),
            (RARE * 2, Kind::Evict),
            (RARE * 2, Kind::Arrive),
        ];
        let mut dice = random.u32(0..1_000);
        for (weight, kind) in weighted {
            if dice < weight {
                return self.rarer(kind, setting, random);
            }
            dice -= weight;
        }
        let fault = (random.u32(0..1_000) < self.faults).then(|| Faulted {
            fault: Fault::ALL[random.usize(0..Fault::ALL.len())],
            keys: random.u8(..),
        });
        Step::Open {
            which: match random.u32(0..1_000) < self.overtaking {
                true => Which::Newest,
                false => Which::Any,
            },
            pick: random.usize(0..64),
            fault,
        }
    }

    fn rarer(&self, kind: Kind, setting: &Setting, random: &mut Rng) -> Step {
        match kind {
            Kind::Call => Step::Call(draw_act(setting, random)),
            Kind::Cancel => Step::Cancel {
                pick: random.usize(0..64),
                late: draw_late(random),
            },
            Kind::Break => Step::Break {
                pick: random.usize(0..64),
                fault: match random.u8(0..5) {
                    0..2 => Fault::Unavailable,
                    2..4 => Fault::Refused,
                    _ => Fault::Repeated,
                },
            },
            Kind::Heal => Step::Heal {
                pick: random.usize(0..64),
            },
            Kind::Advance => Step::Advance {
                millis: draw_millis(setting, random),
                late: draw_late(random),
            },
            Kind::Background => Step::AdvanceToBackground,
            Kind::Expiry => Step::AdvanceToExpiry,
            Kind::Clock => Step::SetClock(match random.bool() {
                true => ClockStep::Forward,
                false => ClockStep::Back,
            }),
            Kind::Restart => Step::Restart {
                pick: random.usize(0..64),
            },
            Kind::Evict => Step::Evict {
                pick: random.usize(0..64),
                key: random.usize(0..setting.keys),
            },
            Kind::Arrive => Step::Arrive {
                pick: random.usize(0..64),
            },
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Call,
    Cancel,
    Break,
    Heal,
    Advance,
    Background,
    Expiry,
    Clock,
    Restart,
    Evict,
    Arrive,
}

fn draw_late(random: &mut Rng) -> Late {
    match random.bool() {
        true => Late::Possible,
        false => Late::Never,
    }
}

fn draw_act(setting: &Setting, random: &mut Rng) -> Act {
    let key = random.usize(0..setting.keys);
    // A bulk operation has the key, and perhaps others.
    let keys = 1 << key | random.u8(0..1 << setting.keys);
    match random.u8(0..20) {
        0..7 => Act::Read { key },
        7..9 => Act::ReadMany { keys },
        14..16 if setting.writes_in_bulk() => Act::WriteMany {
            keys,
            draft: draw_draft(setting, random),
        },
        9..16 => Act::Write {
            key,
            draft: draw_draft(setting, random),
        },
        16..19 => Act::Remove { key },
        _ => Act::RemoveMany { keys },
    }
}

fn draw_draft(setting: &Setting, random: &mut Rng) -> Draft {
    let mut life = || (random.u8(0..3) > 0).then(|| draw_millis(setting, random));
    let (expire, stale) = (life(), life());
    let pick = random.usize(0..64);
    let age = match (setting.loads, random.u8(0..6)) {
        (Loads::Overlapping, 0..2) => Age::Loaded { pick },
        (Loads::Overlapping, 2) => Age::Again { pick },
        (Loads::Overlapping, _) | (Loads::Immediate, _) => Age::New,
    };
    Draft { expire, stale, age }
}

/// Some time: often short, sometimes longer than anything is remembered.
fn draw_millis(setting: &Setting, random: &mut Rng) -> u64 {
    let millis = match random.u8(0..8) {
        0..3 => random.u64(1..1_000),
        3..6 => random.u64(1_000..10_000),
        _ => random.u64(10_000..90_000),
    };
    // Its milliseconds are few.
    millis.next_multiple_of(setting.granularity().as_millis() as u64)
}
