//! A process: its L1s, what each has heard, and which of its operations are under way.

use hitbox_backend::coherence::Hearing;
use hitbox_core::clock::Tick;

use super::{
    mistake::Mistake,
    scene::{Kind, Micros, Nest, Scene},
    truth::{Place, Version},
};

pub(super) struct Process {
    pub(super) kind: Kind,
    /// From the one next to L2 outwards.
    pub(super) levels: Vec<Level>,
    pub(super) keys: Vec<KeyState>,
    /// Nothing happens in it before then.
    pub(super) paused_until: Micros,
    /// How often its link to L2 has been cut.
    pub(super) cuts: u32,
    /// Its link to L2 answers nothing before then.
    pub(super) hangs_until: Micros,
    /// What its clock shows when the virtual one shows zero.
    clock: i64,
}

/// An L1, and its listener.
pub(super) struct Level {
    pub(super) hearing: Hearing,
    copies: Vec<Option<Copied>>,
    /// How many news of each key have been applied.
    news: Vec<u32>,
    /// What was heard last.
    pub(super) mark: Option<u64>,
    pub(super) cuts: u32,
    pub(super) hangs_until: Micros,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    pub(super) version: Version,
    pub(super) seen: Tick,
}

/// What a process knows of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyState {
    /// How many own changes have begun or ended.
    pub(super) changes: u32,
    pub(super) changing: bool,
    /// L2 has not confirmed an own change: it is not asked until it is repaired.
    pub(super) dirty: bool,
    /// The newest that a reader has been given, or that an own change has put there.
    pub(super) given: Place,
    /// The read of L2 that is under way.
    pub(super) reading: Option<Reading>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) call: usize,
    pub(super) began: Micros,
    /// How many own changes of the key there had been.
    pub(super) changes: u32,
}

impl KeyState {
    pub(super) fn begin_change(&mut self) {
        self.changing = true;
        self.changes += 1;
    }

    pub(super) fn end_change(&mut self) {
        self.changing = false;
        self.changes += 1;
    }

    /// Whether nothing has been done to the key here since there had been so many changes, and L2 is trusted.
    pub(super) fn is_undisturbed_since(&self, changes: u32) -> bool {
        self.changes == changes && !self.changing && !self.dirty
    }
}

/// A value that a reader is given, and what it is to be copied as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) version: Version,
    pub(super) seen: Tick,
    /// How many news of the key each level had heard when the read began.
    pub(super) news: [u32; 2],
}

impl Process {
    pub(super) fn new(scene: &Scene, kind: Kind, clock: i64) -> Self {
        let levels = match kind.layers {
            Nest::One => 1,
            Nest::Two => 2,
        };
        let began = Tick::from_nanos(clock);
        let level = |_| Level {
            hearing: Hearing::new(scene.bound, began),
            copies: vec![None; scene.keys],
            news: vec![0; scene.keys],
            mark: None,
            cuts: 0,
            hangs_until: 0,
        };
        Self {
            kind,
            levels: (0..levels).map(level).collect(),
            keys: vec![KeyState::default(); scene.keys],
            paused_until: 0,
            cuts: 0,
            hangs_until: 0,
            clock,
        }
    }

    /// What its clock shows.
    pub(super) fn tick(&self, now: Micros) -> Tick {
        Tick::from_nanos(self.clock + now as i64 * 1_000)
    }

    pub(super) fn news_of(&self, key: usize) -> [u32; 2] {
        [0, 1].map(|level| self.levels.get(level).map_or(0, |level| level.news[key]))
    }

    /// The outermost L1 that may answer, and what it vouches for.
    pub(super) fn look(
        &self,
        key: usize,
        now: Tick,
        mistake: Option<Mistake>,
    ) -> Option<(usize, Copied)> {
        let outermost_first = self.levels.iter().enumerate().rev();
        outermost_first
            .filter_map(|(number, level)| {
                let credit = level.hearing.credit();
                let copy = level.copies[key]?;
                let covered =
                    credit.covers(copy.seen, now) || mistake == Some(Mistake::AgeNotLookedAt);
                let seen = match mistake {
                    Some(Mistake::CopyOfCopySeenNow) => now,
                    _ => copy.seen,
                };
                covered.then_some((number, Copied { seen, ..copy }))
            })
            .next()
    }

    /// What the innermost L1 holds, whatever it is worth.
    pub(super) fn held(&self, key: usize) -> Option<Copied> {
        self.levels[0].copies[key]
    }

    pub(super) fn drop_copies(&mut self, key: usize) {
        self.levels
            .iter_mut()
            .for_each(|level| level.copies[key] = None);
    }
}

/// So few that keys share them.
const SLOTS: u64 = 1_024;

/// Three keys share a slot.
const fn hash_of(key: usize) -> u64 {
    key as u64 * SLOTS + key as u64 / 3
}

impl Level {
    /// Takes a copy of what a reader is about to be handed, or of what a writer has written, if it is to be kept; else what
    /// else is there goes.
    pub(super) fn answer(
        &mut self,
        number: usize,
        key: usize,
        answer: Answer,
        keep: Keep,
        mistake: Option<Mistake>,
    ) {
        let Answer { version, seen, .. } = answer;
        let slot = self.hearing.slot(hash_of(key));
        let kept = match mistake {
            Some(Mistake::NewsNotLookedFor | Mistake::InsertsThenLooks) => true,
            Some(Mistake::CountsNews) => self.news[key] == answer.news[number],
            _ => slot.keeps(version.stamp(), seen),
        };
        let other = self.copies[key].is_some_and(|copy| copy.version != version);
        if keep == Keep::IfCurrent && kept {
            self.copies[key] = Some(Copied { version, seen });
        } else if other && mistake != Some(Mistake::OtherVersionStays) {
            self.copies[key] = None;
        }
    }

    /// L2, or what stands for it, has answered a read that began at `seen`.
    pub(super) fn note_answer(&self, key: usize, version: Version, seen: Tick, now: Tick) {
        let mut slot = self.hearing.slot(hash_of(key));
        slot.note_answer(version.stamp(), seen, now);
    }

    /// Whether a reader may join a read of L2 that began then.
    pub(super) fn may_join(&self, key: usize, began: Tick) -> bool {
        began > self.hearing.slot(hash_of(key)).answered()
    }

    /// What [`Mistake::InsertsThenLooks`] does late.
    pub(super) fn look_for_news(&mut self, key: usize) {
        if let Some(copy) = self.copies[key]
            && !self
                .hearing
                .slot(hash_of(key))
                .keeps(copy.version.stamp(), copy.seen)
        {
            self.copies[key] = None;
        }
    }

    /// A key has been changed elsewhere. `own`: if it was here, this is what has been put there.
    pub(super) fn hear(&mut self, key: usize, own: Option<Version>, now: Tick) {
        self.news[key] += 1;
        self.hearing.slot(hash_of(key)).note_news(now);
        if own.is_none() || self.copies[key].map(|copy| copy.version) != own {
            self.copies[key] = None;
        }
    }
}

/// Whether a copy is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    IfCurrent,
    Never,
}
