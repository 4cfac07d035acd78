//! Whether an answer may be given.

use std::fmt;

use super::{
    mistake::Promise,
    scene::Micros,
    truth::{Place, Truth, Version},
};

/// Who has answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An L1.
    Copy,
    /// L2, whom this reader has asked.
    Store,
    /// L2, whom another reader had asked before.
    Joined,
}

/// A read that has been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) process: usize,
    pub(super) key: usize,
    pub(super) version: Version,
    pub(super) source: Source,
    /// When it began, and what its process had been given by then.
    pub(super) began: Micros,
    pub(super) given: Place,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    pub(super) reads: u64,
    pub(super) copies: u64,
    /// Copies of keys that had been changed within twice the bound.
    pub(super) hot_copies: u64,
    pub(super) joined: u64,
    pub(super) stalest_copy: Micros,
    pub(super) stalest_joined: Micros,
    pub(super) over_the_bound: u64,
    pub(super) over_the_join: u64,
    pub(super) older_than_given: u64,
    pub(super) first: Option<Violation>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Violation {
    answered: Answered,
    now: Micros,
    stale: Option<Micros>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answered {
            process,
            key,
            source,
            began,
            ..
        } = self.answered;
        write!(
            f,
            "at {} us process {process} is answered by {source:?} for key {key}, asked at {began} us, ",
            self.now
        )?;
        match self.stale {
            Some(stale) => write!(f, "with what had been replaced {stale} us before"),
            None => f.write_str("with something older than it had been given"),
        }
    }
}

impl Verdicts {
    /// Judges an answer by what had been confirmed when its read began.
    pub(super) fn judge(
        &mut self,
        truth: &Truth,
        answered: Answered,
        now: Micros,
        bound: Micros,
        join_within: Micros,
    ) {
        let Answered {
            key,
            version,
            source,
            began,
            given,
            ..
        } = answered;
        self.reads += 1;
        let replaced = truth.replaced_at(key, version);
        let stale = replaced.and_then(|at| began.checked_sub(at)).unwrap_or(0);
        let allowed = match source {
            Source::Copy => {
                self.copies += 1;
                let changed = truth.last_change(key).and_then(|at| began.checked_sub(at));
                self.hot_copies += u64::from(changed.is_some_and(|ago| ago <= 2 * bound));
                self.stalest_copy = self.stalest_copy.max(stale);
                bound
            }
            Source::Store => 0,
            Source::Joined => {
                self.joined += 1;
                self.stalest_joined = self.stalest_joined.max(stale);
                join_within
            }
        };
        let over = stale > allowed;
        let older = truth.place(version) < given;
        match source {
            Source::Copy => self.over_the_bound += u64::from(over),
            Source::Store | Source::Joined => self.over_the_join += u64::from(over),
        }
        self.older_than_given += u64::from(older);
        if (over || older) && self.first.is_none() {
            let stale = over.then_some(stale);
            self.first = Some(Violation {
                answered,
                now,
                stale,
            });
        }
    }

    pub(super) fn violations_of(&self, promise: Promise) -> u64 {
        match promise {
            Promise::Bound => self.over_the_bound,
            Promise::Store => self.over_the_join,
            Promise::Order => self.older_than_given,
        }
    }

    pub(super) fn violations(&self) -> u64 {
        self.over_the_bound + self.over_the_join + self.older_than_given
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.copies += other.copies;
        self.hot_copies += other.hot_copies;
        self.joined += other.joined;
        self.stalest_copy = self.stalest_copy.max(other.stalest_copy);
        self.stalest_joined = self.stalest_joined.max(other.stalest_joined);
        self.over_the_bound += other.over_the_bound;
        self.over_the_join += other.over_the_join;
        self.older_than_given += other.older_than_given;
        self.first = self.first.or(other.first);
    }
}
