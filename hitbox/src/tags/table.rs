//! The marks of tags, in so many bytes. No I/O, and no clock: whoever asks says how old a value is.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hitbox_backend::{TagSet, tags::Severity};

use super::marks::Marks;

/// Enough that two cores rarely meet in one; each costs two empty maps.
const SHARDS: usize = 16;

/// What a tag takes of memory beside its text, as docs/bounds.md says: its marks, its place in two maps, and the text's
/// two counts of owners.
const OVERHEAD: usize = 160;

/// Which tags a value has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coverage<'v> {
    /// None.
    Nothing,
    Tags(&'v TagSet),
    /// It may have had any: nobody has said which tags what is absent would have.
    AnyTag,
}

/// What the table knows of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) marks: Marks,
    /// Whether there may be newer ones that it does not know.
    pub(super) knowledge: Knowledge,
}

/// What a store has said of tags, for which there may be no room in the table.
pub(super) type Learnt<'t> = HashMap<&'t str, Marks>;

/// Whether all is known that may have been done to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    Complete,
    /// The table began later than the value, or has forgotten something since.
    Partial,
}

/// The marks of all tags that it has room for.
///
/// A tag that is not in it has no mark above the *floor*. When there are too many tags, the oldest go, and the floor rises
/// to their marks. So of a value above the floor everything is known; of one at or below it, what the tags say that are
/// there and have been there for long enough.
pub(super) struct Table {
    /// No mark and no floor is above this: a value that is has nothing to fear, and costs one comparison.
    newest: AtomicU64,
    /// At or below this, what was done to everything is known as far as it was learned.
    start: AtomicU64,
    /// How often something may have been missed.
    gaps: AtomicU64,
    floor: AtomicU64,
    /// At or below this, what a store says of a tag is not to be trusted: a mark was not stored.
    lost: AtomicU64,
    /// Of what invalidates everything.
    all: Moments,
    /// The newest of any tag.
    any: Moments,
    shards: Box<[RwLock<Shard>]>,
    /// Nobody outside can choose tags that collide.
    hasher: RandomState,
    /// Of each shard, in bytes.
    room: usize,
}

/// Marks that are always there.
#[derive(Default)]
struct Moments {
    hard: AtomicU64,
    soft: AtomicU64,
    /// One more than how many gaps there had been when they were learned last.
    learned: AtomicU64,
}

#[derive(Default)]
struct Shard {
    tags: HashMap<Arc<str>, Entry, RandomState>,
    /// From the one whose marks were raised longest ago on.
    order: BTreeMap<u64, Arc<str>>,
    turn: u64,
    bytes: usize,
}

struct Entry {
    marks: Marks,
    /// Nothing is known of what was done to the tag up to here.
    since: u64,
    /// Its place in the order.
    turn: u64,
}

impl Moments {
    fn marks(&self) -> Marks {
        Marks {
            hard: self.hard.load(Ordering::Acquire),
            soft: self.soft.load(Ordering::Acquire),
        }
    }

    fn raise(&self, marks: Marks) {
        self.hard.fetch_max(marks.hard, Ordering::AcqRel);
        self.soft.fetch_max(marks.soft, Ordering::AcqRel);
    }

    fn find(&self, age: u64, since: Since) -> Found {
        // First: what is learned is there once it is said to be.
        let is_known = age > since.start || self.learned.load(Ordering::Acquire) == since.gap.0 + 1;
        Found {
            marks: self.marks(),
            knowledge: Knowledge::of(is_known),
        }
    }
}

impl Knowledge {
    const fn of(is_complete: bool) -> Self {
        if is_complete {
            Self::Complete
        } else {
            Self::Partial
        }
    }

    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Complete, Self::Complete) => Self::Complete,
            (Self::Partial, _) | (_, Self::Partial) => Self::Partial,
        }
    }
}

impl Found {
    fn and(self, other: Self) -> Self {
        Self {
            marks: self.marks.combine(other.marks),
            knowledge: self.knowledge.and(other.knowledge),
        }
    }
}

impl Table {
    /// One that takes so many bytes at most, and knows nothing of values at or below `start`.
    pub(super) fn new(memory: usize, start: u64) -> Self {
        Self {
            newest: AtomicU64::new(start),
            start: AtomicU64::new(start),
            gaps: AtomicU64::new(0),
            floor: AtomicU64::new(start),
            lost: AtomicU64::new(0),
            all: Moments::default(),
            any: Moments::default(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            room: memory / SHARDS,
        }
    }

    /// Whether nothing here can have invalidated a value of this age.
    #[inline]
    pub(super) fn is_newer_than_all(&self, age: u64) -> bool {
        age > self.newest.load(Ordering::Acquire)
    }

    /// What is known of a value.
    #[cfg(test)]
    fn find(&self, age: u64, coverage: Coverage<'_>) -> Found {
        self.find_with(age, coverage, &Learnt::new())
    }

    /// What is known of a value, where so much has just been learned.
    pub(super) fn find_with(&self, age: u64, coverage: Coverage<'_>, learnt: &Learnt<'_>) -> Found {
        let found = self.all.find(age, self.since());
        match coverage {
            Coverage::Nothing => found,
            Coverage::AnyTag => found.and(self.any.find(age, self.since())),
            Coverage::Tags(tags) => tags.iter().fold(found, |found, tag| {
                found.and(self.find_tag(age, tag, learnt))
            }),
        }
    }

    fn find_tag(&self, age: u64, tag: &str, learnt: &Learnt<'_>) -> Found {
        let shard = self.shard(tag).read();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        let known = shard.tags.get(tag).map(|entry| (entry.marks, entry.since));
        drop(shard);
        // After the look: whoever drops a tag raises the floor before.
        let (marks, since) = known.unwrap_or_else(|| (Marks::NONE, self.floor()));
        let found = Found {
            marks,
            knowledge: Knowledge::of(age > since),
        };
        match learnt.get(tag) {
            Some(learnt) => Found {
                marks: marks.combine(*learnt),
                knowledge: Knowledge::Complete,
            },
            None => found,
        }
    }

    /// What is known of a tag, if that is everything.
    pub(super) fn known(&self, tag: &str) -> Option<Marks> {
        let shard = self.shard(tag).read();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        let entry = shard.tags.get(tag)?;
        (entry.since == 0).then_some(entry.marks)
    }

    /// The marks of what invalidates everything.
    pub(super) fn of_all(&self) -> Marks {
        self.all.marks()
    }

    /// The newest marks of any tag.
    pub(super) fn of_any(&self) -> Marks {
        self.any.marks()
    }

    /// The tag has been invalidated.
    pub(super) fn raise(&self, tag: &str, severity: Severity, mark: u64) {
        let marks = Marks::of(severity, mark);
        let _all_that_is_known = self.note(tag, marks, Learned::Nothing);
        self.any.raise(marks);
        // Last: who sees it sees the rest.
        self.newest.fetch_max(mark, Ordering::AcqRel);
    }

    /// Everything has been invalidated.
    pub(super) fn raise_all(&self, severity: Severity, mark: u64) {
        self.all.raise(Marks::of(severity, mark));
        self.newest.fetch_max(mark, Ordering::AcqRel);
    }

    /// A store says this of the tag; `None`: nothing, so it may have been invalidated at any moment of which nothing is
    /// known here. Returns all that was ever done to it. `gap` was taken before the store was asked.
    pub(super) fn learn(&self, tag: &str, stored: Option<Marks>, gap: Gap) -> Marks {
        let unknown = match stored {
            Some(_) => self.lost.load(Ordering::Acquire),
            None => self.floor(),
        };
        let marks = stored.unwrap_or_default();
        let marks = marks.combine(Marks::of(Severity::Hard, unknown));
        self.newest.fetch_max(marks.newest(), Ordering::AcqRel);
        self.note(tag, marks, Learned::All(gap))
    }

    /// A store says this of what invalidates everything, and of the newest invalidation of any tag. `gap` was taken
    /// before it was asked.
    pub(super) fn learn_of_all(&self, all: Marks, any: Marks, gap: Gap) {
        let newest = all.newest().max(any.newest());
        self.newest.fetch_max(newest, Ordering::AcqRel);
        for (moments, marks) in [(&self.all, all), (&self.any, any)] {
            moments.raise(marks);
            // Who asked before a gap may be answered after who asked since.
            moments.learned.fetch_max(gap.0 + 1, Ordering::AcqRel);
        }
    }

    /// What was done up to here may have been missed: nothing is known any more but what is newer.
    pub(super) fn note_gap(&self, upto: u64) {
        self.newest.fetch_max(upto, Ordering::AcqRel);
        self.start.fetch_max(upto, Ordering::AcqRel);
        self.floor.fetch_max(upto, Ordering::AcqRel);
        // What is being learned from before this is not noted any more; what has been is forgotten.
        self.gaps.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            while let Some(forgotten) = shard.forget_oldest() {
                self.floor.fetch_max(forgotten, Ordering::AcqRel);
            }
        }
    }

    /// Which gap is the newest: to be asked before a store is.
    pub(super) fn gap(&self) -> Gap {
        Gap(self.gaps.load(Ordering::Acquire))
    }

    fn since(&self) -> Since {
        // In this order: whoever sees a gap sees how far it goes.
        let gap = self.gap();
        Since {
            gap,
            start: self.start.load(Ordering::Acquire),
        }
    }

    /// A mark could not be stored: what a store says of any tag, up to there, is not to be trusted.
    pub(super) fn lose(&self, mark: u64) {
        self.lost.fetch_max(mark, Ordering::AcqRel);
    }

    fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    /// Returns what is known of the tag now.
    fn note(&self, tag: &str, marks: Marks, learned: Learned) -> Marks {
        let shard = self.shard(tag).write();
        // No code that holds the lock leaves a shard half-changed.
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        if let Learned::All(gap) = learned
            && gap != self.gap()
        {
            return marks;
        }
        let marks = shard.note(tag, marks, learned, self.floor());
        while shard.bytes > self.room {
            let Some(forgotten) = shard.forget_oldest() else {
                break;
            };
            // Before anybody can look for it in vain.
            self.floor.fetch_max(forgotten, Ordering::AcqRel);
        }
        marks
    }

    fn shard(&self, tag: &str) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(tag) as usize % SHARDS]
    }

    /// What the tags take of memory, in bytes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let of_shard = |shard: &RwLock<Shard>| shard.read().map_or(0, |shard| shard.bytes);
        self.shards.iter().map(of_shard).sum()
    }
}

/// How much is known of a tag by what is noted of it.
#[derive(Clone, Copy)]
enum Learned {
    Nothing,
    /// If there has been no gap since.
    All(Gap),
}

/// Counts the gaps in what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap(u64);

/// From when on all is known, without a store.
#[derive(Clone, Copy)]
struct Since {
    gap: Gap,
    start: u64,
}

impl Shard {
    fn note(&mut self, tag: &str, marks: Marks, learned: Learned, floor: u64) -> Marks {
        self.turn += 1;
        let turn = self.turn;
        let (text, before) = match self.tags.remove_entry(tag) {
            Some((text, entry)) => {
                self.order.remove(&entry.turn);
                (text, Some(entry))
            }
            None => {
                self.bytes += cost(tag);
                (Arc::from(tag), None)
            }
        };
        let since = match learned {
            Learned::All(_) => 0,
            Learned::Nothing => before.as_ref().map_or(floor, |entry| entry.since),
        };
        let marks = before.map_or(marks, |entry| entry.marks.combine(marks));
        self.order.insert(turn, Arc::clone(&text));
        self.tags.insert(text, Entry { marks, since, turn });
        marks
    }

    /// The newest mark of the tag that is forgotten.
    fn forget_oldest(&mut self) -> Option<u64> {
        let (_, tag) = self.order.pop_first()?;
        let entry = self.tags.remove(&tag)?;
        self.bytes -= cost(&tag);
        Some(entry.marks.newest())
    }
}

fn cost(tag: &str) -> usize {
    OVERHEAD + tag.len()
}

#[cfg(test)]
mod tests;
