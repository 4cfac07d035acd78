//! What is known of the versions of each key.
//!
//! Each key is changed by one process at a time, one change after the other, and each change makes a newer version. So a
//! version that was confirmed had taken effect before the next change began, and was replaced by it.
//!
//! Two things are known less well, and nothing is held against them. A change *in doubt* (one that has failed, that the death
//! of its process has cut short, or that took so long that it may have been sent twice) may take effect late, in place of a newer
//! version, which the guarantee says. And what a master has acknowledged may be unknown to the replica that takes its place: then an
//! older version is back, until the key's process has changed it once more.

use std::{io, path::PathBuf};

use super::{
    fault::Forgetting,
    record::{self, Act, Record},
    worker::KEYS,
};

/// A change that takes longer may have been sent a second time, after its connection had broken or had been silent.
const SENT_ONCE: u64 = 100_000_000;

/// A change that was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    version: u32,
    began: u64,
    /// When it was confirmed.
    ended: u64,
}

/// All changes of a round.
#[derive(Debug)]
pub(super) struct Truth {
    /// Of each key, those that were confirmed, by version.
    changes: Vec<Vec<Change>>,
    forgetting: Option<Forgetting>,
}

impl Truth {
    pub(super) fn of(
        changes: impl IntoIterator<Item = Record>,
        forgetting: Option<Forgetting>,
    ) -> Self {
        let mut by_key = vec![Vec::new(); KEYS];
        for record in changes {
            if record.act == Act::Changed
                && let Some(of_key) = by_key.get_mut(usize::from(record.key))
            {
                of_key.push(Change {
                    version: record.version,
                    began: record.began,
                    ended: record.ended,
                });
            }
        }
        for of_key in &mut by_key {
            of_key.sort_by_key(|change| change.version);
        }
        Self {
            changes: by_key,
            forgetting,
        }
    }

    /// What these processes have written down.
    pub(super) fn told_by(
        journals: &[(usize, PathBuf)],
        forgetting: Option<Forgetting>,
    ) -> io::Result<Self> {
        let mut changes = Vec::new();
        for (_, path) in journals {
            for record in record::read(path)? {
                let record = record?;
                if record.act == Act::Changed {
                    changes.push(record);
                }
            }
        }
        Ok(Self::of(changes, forgetting))
    }

    fn of_key(&self, key: u16) -> &[Change] {
        self.changes
            .get(usize::from(key))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether it is known that this version took effect before the next one did.
    pub(super) fn is_ordered(&self, key: u16, version: u32) -> bool {
        let of_key = self.of_key(key);
        let found = of_key.binary_search_by_key(&version, |change| change.version);
        let found = found.ok().and_then(|at| of_key.get(at));
        found.is_some_and(|change| change.ended - change.began <= SENT_ONCE)
    }

    /// The number of the first change of these that somebody who is answered at `ended` can count on: the server may have
    /// forgotten those before it.
    fn counted(&self, of_key: &[Change], ended: u64) -> usize {
        match self.forgetting {
            Some(Forgetting { from, until }) if ended >= from => {
                of_key.partition_point(|change| change.began <= until)
            }
            _ => 0,
        }
    }

    /// How old an answer with this version is: for how long, when its read began, a newer one had been confirmed.
    pub(super) fn staleness(&self, read: &Record) -> u64 {
        let of_key = self.of_key(read.key);
        let newer = of_key.partition_point(|change| change.version <= read.version);
        let newer = newer.max(self.counted(of_key, read.ended));
        let newer = of_key.get(newer);
        newer.map_or(0, |change| read.began.saturating_sub(change.ended))
    }

    /// Whether a process that has been given this version can count on that when it is answered at `ended`.
    pub(super) fn is_remembered(&self, key: u16, version: u32, ended: u64) -> bool {
        let of_key = self.of_key(key);
        let at = of_key.partition_point(|change| change.version < version);
        at >= self.counted(of_key, ended)
    }

    /// Whether a change of the key was confirmed in that time.
    pub(super) fn is_changed_within(&self, key: u16, from: u64, until: u64) -> bool {
        let of_key = self.of_key(key);
        // One after the other, so in the order of their ends, too.
        let first = of_key.partition_point(|change| change.ended < from);
        of_key
            .get(first)
            .is_some_and(|change| change.ended <= until)
    }

    pub(super) fn len(&self) -> u64 {
        self.changes.iter().map(|of_key| of_key.len() as u64).sum()
    }
}
