//! Under what a history happens.

use std::{fmt, num::NonZeroUsize, time::Duration};

use fastrand::Rng;
use hitbox_backend::{
    RaceLoserPolicy, RefillPolicy,
    conformance::composition::{ReadKind, WriteKind},
};

/// What both layers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerKind {
    /// A map that also returns what has expired.
    Memory,
    Moka,
    Sled,
}

impl LayerKind {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Moka, Self::Sled];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Moka => "moka",
            Self::Sled => "sled",
        }
    }
}

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
}

impl fmt::Display for PolicyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.read.as_str(), self.write.as_str())
    }
}

/// What becomes of work that is handed to the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackgroundKind {
    /// It runs, unless it is cancelled.
    Runs,
    /// `DisabledOffload`.
    Disabled,
}

/// How old written values may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loads {
    /// Stamped as they are written.
    Immediate,
    /// Also stamped long before they are written, and written again later.
    Overlapping,
}

/// What a composition remembers of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// All of them.
    Ample,
    /// So few that may owe something that layers come to be distrusted as a whole.
    OwesFew(NonZeroUsize),
    /// So few that are quiet that most are forgotten.
    ForgetsQuiet,
}

impl Memory {
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
pub(super) struct Setting {
    pub(super) policies: PolicyPair,
    pub(super) layers: LayerKind,
    pub(super) read_loser: RaceLoserPolicy,
    pub(super) write_loser: RaceLoserPolicy,
    pub(super) refill: RefillPolicy,
    pub(super) l1_ttl: Option<Duration>,
    pub(super) background: BackgroundKind,
    pub(super) loads: Loads,
    pub(super) memory: Memory,
    pub(super) keys: usize,
}

impl Setting {
    pub(super) fn draw(policies: PolicyPair, layers: LayerKind, random: &mut Rng) -> Self {
        let loser = |random: &mut Rng| match random.u8(0..4) {
            0 => RaceLoserPolicy::Drop,
            _ => RaceLoserPolicy::Offload,
        };
        let refills = [
            RefillPolicy::Always,
            RefillPolicy::Repair,
            RefillPolicy::Never,
        ];
        let memory = match random.usize(0..8) {
            bound @ 1..=2 => NonZeroUsize::new(bound).map_or(Memory::Ample, Memory::OwesFew),
            3 => Memory::ForgetsQuiet,
            _ => Memory::Ample,
        };
        Self {
            policies,
            layers,
            read_loser: loser(random),
            write_loser: loser(random),
            refill: refills[random.usize(0..refills.len())],
            l1_ttl: (random.u8(0..3) == 0).then(|| Duration::from_secs(random.u64(1..20))),
            background: match random.u8(0..5) {
                0 => BackgroundKind::Disabled,
                _ => BackgroundKind::Runs,
            },
            loads: match random.bool() {
                true => Loads::Immediate,
                false => Loads::Overlapping,
            },
            memory,
            keys: match memory {
                Memory::Ample => random.usize(1..=3),
                Memory::OwesFew(_) | Memory::ForgetsQuiet => 4,
            },
        }
    }

    /// Whether the composition may have forgotten a write that a later one is older than. Then the
    /// older value may come back: `docs/fences.md`, "What is bounded".
    pub(super) fn forgets_writes(&self) -> bool {
        self.memory == Memory::ForgetsQuiet && self.loads == Loads::Overlapping
    }

    /// Whether a bulk write may go on that nobody waits for and that holds no turn: where the losers
    /// of a race are dropped, but not the bulk operation that they were part of. It counts as one
    /// without an answer, so it must take effect while the fences stand.
    pub(super) fn bulk_writes_outlive_drops(&self) -> bool {
        self.policies.write == WriteKind::Race && self.write_loser == RaceLoserPolicy::Drop
    }

    /// Whether a write that nothing disturbs reaches both layers.
    pub(super) fn writes_both_layers(&self) -> bool {
        let loses = self.write_loser == RaceLoserPolicy::Drop
            || self.background == BackgroundKind::Disabled;
        self.policies.write != WriteKind::Race || !loses
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            policies,
            layers,
            read_loser,
            write_loser,
            refill,
            l1_ttl,
            background,
            loads,
            memory,
            keys,
        } = self;
        write!(
            f,
            "{policies}, {} layers, {keys} keys, refill {refill:?}, read loser {read_loser:?}, \
             write loser {write_loser:?}, l1_ttl {l1_ttl:?}, background {background:?}, \
             loads {loads:?}, record {memory:?}",
            layers.as_str()
        )
    }
}
