//! What a process waits for.

use hitbox_core::clock::Tick;

use super::{
    process::Answer,
    scene::Micros,
    truth::{Place, Version},
};

#[derive(Debug)]
pub(super) struct Call {
    pub(super) process: usize,
    pub(super) key: usize,
    /// When its command was sent.
    pub(super) seen: Tick,
    /// How many own changes of the key there had been when it began.
    pub(super) changes: u32,
    /// How many news of the key each L1 had heard by then.
    pub(super) news: [u32; 2],
    /// How often the link had been cut when its command was sent.
    pub(super) cuts: u32,
    pub(super) doing: Doing,
}

impl Call {
    /// What L1s are to make of this value, which the call has brought.
    pub(super) const fn answer(&self, version: Version) -> Answer {
        Answer {
            version,
            seen: self.seen,
            news: self.news,
        }
    }
}

#[derive(Debug)]
pub(super) enum Doing {
    Read {
        /// What L1 has vouched for.
        in_l1: Option<Version>,
        leader: Waiter,
        joined: Vec<Waiter>,
    },
    Change {
        version: Option<Version>,
    },
    Repair,
    Lease {
        token: u64,
    },
    /// Loads, and then stores what it has.
    Fill {
        token: u64,
        version: Version,
    },
}

/// A reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) began: Micros,
    /// What its process had been given by then.
    pub(super) given: Place,
}
