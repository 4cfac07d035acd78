//! How one composition of a history goes about its layers.

use std::{fmt, num::NonZeroUsize, time::Duration};

use fastrand::Rng;
use hitbox_backend::{
    CompositionLayer, RaceLoserPolicy, RefillPolicy, RepairBackoff, RepairPolicy,
};
use hitbox_scenarios::{ReadKind, WriteKind};

/// A read policy and a write policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyPair {
    pub(crate) read: ReadKind,
    pub(crate) write: WriteKind,
}

impl PolicyPair {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of_read = |read| WriteKind::ALL.map(|write| Self { read, write });
        ReadKind::ALL.into_iter().flat_map(of_read)
    }

    fn draw(random: &mut Rng) -> Self {
        Self {
            read: ReadKind::ALL[random.usize(0..ReadKind::ALL.len())],
            write: WriteKind::ALL[random.usize(0..WriteKind::ALL.len())],
        }
    }
}

impl fmt::Display for PolicyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.read.as_str(), self.write.as_str())
    }
}

/// A [`RepairPolicy`], apart from its pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepairKind {
    Background,
    OnNextOperation,
    Never,
}

impl RepairKind {
    pub(crate) const ALL: [Self; 3] = [Self::Background, Self::OnNextOperation, Self::Never];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::OnNextOperation => "on-next-operation",
            Self::Never => "never",
        }
    }

    /// In the background is where most can go wrong.
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..4) {
            0..2 => Self::Background,
            2 => Self::OnNextOperation,
            _ => Self::Never,
        }
    }
}

/// How values get from one layer to the other.
pub(super) const REFILLS: [RefillPolicy; 3] = [
    RefillPolicy::Always,
    RefillPolicy::Repair,
    RefillPolicy::Never,
];

pub(super) const fn refill_as_str(refill: RefillPolicy) -> &'static str {
    match refill {
        RefillPolicy::Always => "always",
        RefillPolicy::Repair => "repair",
        RefillPolicy::Never => "never",
        // There are no others in `REFILLS`.
        _ => "other",
    }
}

/// What becomes of work that is handed to the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackgroundKind {
    /// It runs, unless it is cancelled.
    Runs,
    /// The same, but what is to happen later is dropped.
    RunsWithoutClock,
    /// `DisabledOffload`.
    Disabled,
}

impl BackgroundKind {
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..10) {
            0..2 => Self::Disabled,
            2 => Self::RunsWithoutClock,
            _ => Self::Runs,
        }
    }
}

/// Who makes repairs, after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repairs {
    InBackground,
    ByReads,
    Never,
}

/// What a composition remembers of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// All of them.
    Ample,
    /// So few pending repairs that layers come to be distrusted as a whole.
    OwesFew(NonZeroUsize),
    /// So few that are quiet that most are forgotten.
    ForgetsQuiet,
}

impl Memory {
    fn draw(random: &mut Rng) -> Self {
        match random.usize(0..8) {
            bound @ 1..=2 => NonZeroUsize::new(bound).map_or(Self::Ample, Self::OwesFew),
            3 => Self::ForgetsQuiet,
            _ => Self::Ample,
        }
    }

    /// What is forgotten when too many repairs are pending is forgotten in the order of a hash map, unless the keys are
    /// of different shards; what is forgotten because it is quiet has to be of one shard.
    pub(super) const fn wants_other_keys_than(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::OwesFew(_), Self::ForgetsQuiet) | (Self::ForgetsQuiet, Self::OwesFew(_))
        )
    }

    /// `None`: the default.
    pub(super) fn capacity(self) -> Option<NonZeroUsize> {
        /// One for each shard of a composition.
        const ONE_EACH: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");
        match self {
            Self::Ample => None,
            Self::OwesFew(capacity) => Some(capacity),
            Self::ForgetsQuiet => Some(ONE_EACH),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) policies: PolicyPair,
    pub(super) read_loser: RaceLoserPolicy,
    pub(super) write_loser: RaceLoserPolicy,
    pub(super) refill: RefillPolicy,
    pub(super) l1_ttl: Option<Duration>,
    pub(super) repair: RepairKind,
    pub(super) pace: RepairBackoff,
    pub(super) background: BackgroundKind,
    pub(super) memory: Memory,
}

impl Rules {
    pub(super) fn draw(policies: PolicyPair, random: &mut Rng) -> Self {
        let loser = |random: &mut Rng| match random.u8(0..4) {
            0 => RaceLoserPolicy::Drop,
            _ => RaceLoserPolicy::Offload,
        };
        Self {
            policies,
            read_loser: loser(random),
            write_loser: loser(random),
            refill: REFILLS[random.usize(0..REFILLS.len())],
            l1_ttl: (random.u8(0..3) == 0).then(|| Duration::from_secs(random.u64(1..20))),
            repair: RepairKind::draw(random),
            pace: draw_pace(random),
            background: BackgroundKind::draw(random),
            memory: Memory::draw(random),
        }
    }

    pub(super) fn draw_with_policies(random: &mut Rng) -> Self {
        let policies = PolicyPair::draw(random);
        Self::draw(policies, random)
    }

    pub(super) const fn repair_policy(&self) -> RepairPolicy {
        match self.repair {
            RepairKind::Background => RepairPolicy::Background(self.pace),
            RepairKind::OnNextOperation => RepairPolicy::OnNextOperation,
            RepairKind::Never => RepairPolicy::Never,
        }
    }

    pub(super) const fn repairs(&self) -> Repairs {
        match (self.repair, self.background) {
            (RepairKind::Background, BackgroundKind::Runs) => Repairs::InBackground,
            (
                RepairKind::Background,
                BackgroundKind::RunsWithoutClock | BackgroundKind::Disabled,
            )
            | (RepairKind::OnNextOperation, _) => Repairs::ByReads,
            (RepairKind::Never, _) => Repairs::Never,
        }
    }

    /// How long `layer` may keep what it takes.
    pub(super) const fn cap(&self, layer: CompositionLayer) -> Option<Duration> {
        match layer {
            CompositionLayer::L1 => self.l1_ttl,
            CompositionLayer::L2 => None,
        }
    }

    /// Whether the slower write of a race is dropped when the other has succeeded.
    pub(super) fn drops_losing_writes(&self) -> bool {
        self.policies.write == WriteKind::Race && self.write_loser == RaceLoserPolicy::Drop
    }

    /// Whether a write that nothing disturbs reaches both layers.
    pub(super) fn writes_both_layers(&self) -> bool {
        let loses = self.write_loser == RaceLoserPolicy::Drop
            || self.background == BackgroundKind::Disabled;
        self.policies.write != WriteKind::Race || !loses
    }
}

/// Pauses from so short that a repair meets the operations of the same moment, and limits both shorter
/// and longer than time passes at once. Whole seconds for a limit: see `Setting::granularity`.
fn draw_pace(random: &mut Rng) -> RepairBackoff {
    let mut one_of = |choices: [u64; 3]| choices[random.usize(0..choices.len())];
    RepairBackoff::new()
        .initial(Duration::from_millis(one_of([2, 100, 2_000])))
        .max(Duration::from_secs(one_of([1, 5, 30])))
        .attempt_timeout(Duration::from_secs(one_of([1, 5, 50])))
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            policies,
            read_loser,
            write_loser,
            refill,
            l1_ttl,
            repair,
            pace,
            background,
            memory,
        } = self;
        write!(
            f,
            "{policies}, refill {refill:?}, read loser {read_loser:?}, write loser {write_loser:?}, \
             l1_ttl {l1_ttl:?}, repair {}, {pace:?}, background {background:?}, record {memory:?}",
            repair.as_str()
        )
    }
}
