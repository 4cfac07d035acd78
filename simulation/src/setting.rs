//! Under what a history happens.

use std::{fmt, time::Duration};

use fastrand::Rng;
use hitbox_backend::CompositionLayer;

use super::{
    place::Place,
    rules::{Memory, PolicyPair, RepairKind, Repairs, Rules},
};

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// A map that also returns what has expired.
    Memory,
    Moka,
    Sled,
}

impl StoreKind {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Moka, Self::Sled];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Moka => "moka",
            Self::Sled => "sled",
        }
    }

    /// The shares that the help of the task names. sled's is small: opening it takes as long as many
    /// histories.
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..100) {
            0..2 => Self::Sled,
            2..27 => Self::Moka,
            _ => Self::Memory,
        }
    }
}

/// Of which kinds the stores of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layers {
    /// Each of any kind, whatever the others are.
    Mixed,
    All(StoreKind),
}

impl Layers {
    pub(crate) const ALL: [Self; 4] = [
        Self::Mixed,
        Self::All(StoreKind::Memory),
        Self::All(StoreKind::Moka),
        Self::All(StoreKind::Sled),
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::All(kind) => kind.as_str(),
        }
    }

    /// Tells the histories of one seed apart.
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Mixed => 3,
            Self::All(kind) => kind as u64,
        }
    }

    fn draw(self, random: &mut Rng) -> [StoreKind; 3] {
        match self {
            Self::Mixed => [(); 3].map(|()| StoreKind::draw(random)),
            Self::All(kind) => [kind; 3],
        }
    }
}

/// Which layer of the composition is a composition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nesting {
    Neither,
    L1,
    L2,
}

impl Nesting {
    pub(crate) const ALL: [Self; 3] = [Self::Neither, Self::L1, Self::L2];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Neither => "none",
            Self::L1 => "L1",
            Self::L2 => "L2",
        }
    }

    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..6) {
            0 => Self::L1,
            1 => Self::L2,
            _ => Self::Neither,
        }
    }

    const fn layer(self) -> Option<CompositionLayer> {
        match self {
            Self::Neither => None,
            Self::L1 => Some(CompositionLayer::L1),
            Self::L2 => Some(CompositionLayer::L2),
        }
    }
}

/// How old written values may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loads {
    /// Stamped as they are written.
    Immediate,
    /// Also stamped long before they are written, and written again later.
    Overlapping,
}

/// Which operations of a store have to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// All.
    Awaited,
    /// Single reads are answered at once, and never fail.
    ReadsAtOnce,
    /// Most single writes, too.
    AtOnce,
}

impl Answers {
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..6) {
            0..3 => Self::Awaited,
            3 => Self::ReadsAtOnce,
            _ => Self::AtOnce,
        }
    }
}

/// What is asked for: the rest is left to the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) policies: PolicyPair,
    pub(crate) layers: Layers,
    pub(crate) repair: Option<RepairKind>,
}

/// A composition that is a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nested {
    pub(super) layer: CompositionLayer,
    pub(super) rules: Rules,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Of the stores in the order of their places; there are two, or three where one is nested.
    stores: [StoreKind; 3],
    pub(super) outer: Rules,
    pub(super) nested: Option<Nested>,
    pub(super) loads: Loads,
    pub(super) keys: usize,
    /// In the same order.
    pub(super) answers: [Answers; 3],
}

impl Setting {
    pub(super) fn draw(subject: &Subject, random: &mut Rng) -> Self {
        let mut outer = Rules::draw(subject.policies, random);
        // Drawn all the same: whether it was asked for changes nothing else.
        outer.repair = subject.repair.unwrap_or(outer.repair);
        let nested = Nesting::draw(random).layer().map(|layer| {
            let mut rules = Rules::draw_with_policies(random);
            if outer.memory.wants_other_keys_than(rules.memory) {
                rules.memory = Memory::Ample;
            }
            Nested { layer, rules }
        });
        let memories = [Some(&outer), nested.as_ref().map(|nested| &nested.rules)];
        let ample = |rules: &Rules| rules.memory == Memory::Ample;
        Self {
            stores: subject.layers.draw(random),
            outer,
            nested,
            loads: match random.bool() {
                true => Loads::Immediate,
                false => Loads::Overlapping,
            },
            keys: match memories.into_iter().flatten().all(ample) {
                true => random.usize(1..=3),
                false => 4,
            },
            answers: [(); 3].map(|()| Answers::draw(random)),
        }
    }

    /// What the stores are, in the order of their places.
    pub(super) fn stores(&self) -> &[StoreKind] {
        match self.nested {
            None => &self.stores[..2],
            Some(_) => &self.stores,
        }
    }

    /// Whether a layer answers undisturbed reads without being waited for. `None`: a composition in its place may,
    /// or may not.
    pub(super) fn answers_reads_at_once(&self, layer: CompositionLayer) -> Option<bool> {
        let places = Place::all(self.nested_layer()).into_iter();
        let answers = places.zip(self.answers);
        let mut of_layer = answers.filter(|(place, _)| place.outer == layer);
        match self.nested_layer() == Some(layer) {
            true => of_layer
                .all(|(_, answers)| answers == Answers::Awaited)
                .then_some(false),
            false => of_layer
                .next()
                .map(|(_, answers)| answers != Answers::Awaited),
        }
    }

    pub(super) fn nesting(&self) -> Nesting {
        match self.nested_layer() {
            None => Nesting::Neither,
            Some(CompositionLayer::L1) => Nesting::L1,
            Some(CompositionLayer::L2) => Nesting::L2,
        }
    }

    pub(super) fn nested_layer(&self) -> Option<CompositionLayer> {
        self.nested.map(|nested| nested.layer)
    }

    /// Those of the compositions that there are.
    pub(super) fn all_rules(&self) -> impl Iterator<Item = &Rules> {
        let nested = self.nested.as_ref().map(|nested| &nested.rules);
        [&self.outer].into_iter().chain(nested)
    }

    pub(super) fn repairs_in_background(&self) -> bool {
        self.all_rules()
            .any(|rules| rules.repairs() == Repairs::InBackground)
    }

    /// Whether the composition may have forgotten a write that a later one is older than. Then the
    /// older value may come back: `docs/fences.md`, "What is bounded".
    ///
    /// That a nested composition forgets is of no account: the outer one asks it for nothing older than
    /// what it remembers itself.
    pub(super) fn forgets_writes(&self) -> bool {
        self.outer.memory == Memory::ForgetsQuiet && self.loads == Loads::Overlapping
    }

    /// Whether what a composition forgets depends on where its keys are.
    pub(super) fn forgets_by_shard(&self) -> bool {
        self.all_rules()
            .any(|rules| rules.memory == Memory::ForgetsQuiet)
    }

    /// Whether a bulk write may go on that nobody waits for and that holds no turn: where the losers
    /// of a race are dropped, but not the bulk operation that they were part of. It counts as one
    /// without an answer, so it must take effect while the fences stand.
    pub(super) fn bulk_writes_outlive_drops(&self) -> bool {
        self.all_rules().any(Rules::drops_losing_writes)
    }

    /// Such a bulk write to a composition takes as long as that composition takes with all of its
    /// layers, one after the other, for which there is no bound here.
    pub(super) fn writes_in_bulk(&self) -> bool {
        self.nested.is_none() || !self.outer.drops_losing_writes()
    }

    /// Time passes in multiples of this.
    pub(super) fn granularity(&self) -> Duration {
        let of_store = |kind: &StoreKind| match kind {
            StoreKind::Memory => Duration::from_millis(1),
            // moka expires by the real clock, which stands almost still in a history: what it is given
            // to keep must not be about to expire.
            StoreKind::Moka | StoreKind::Sled => Duration::from_millis(500),
        };
        let coarsest = self.stores().iter().map(of_store).max();
        coarsest.unwrap_or(Duration::from_millis(1))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stores: _,
            outer,
            nested,
            loads,
            keys,
            answers,
        } = self;
        let stores: Vec<_> = self.stores().iter().map(|kind| kind.as_str()).collect();
        let stores = stores.join(", ");
        write!(
            f,
            "stores {stores}, {keys} keys, loads {loads:?}, answers {answers:?}; composition: {outer}"
        )?;
        match nested {
            None => Ok(()),
            Some(Nested { layer, rules }) => write!(f, "; nested as {layer}: {rules}"),
        }
    }
}
