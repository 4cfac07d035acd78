//! What can happen in a history.
//!
//! A step says what happens without looking at the state: where it picks one of several, it has a
//! number that is taken modulo how many there are. So any selection of the steps of a history is a
//! history again, which is what shrinking needs.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new task calls the composition.
    Call(Act),
    /// One operation of a layer that waits gets on: to its effect, or to its answer.
    Open {
        which: Which,
        pick: usize,
        fault: Option<Faulted>,
    },
    /// A task is dropped where it stands, be it a caller or in the background, or what is to be done
    /// there later.
    Cancel {
        pick: usize,
        late: Late,
    },
    /// Time passes. What gives up meanwhile may take effect later.
    Advance {
        millis: u64,
        late: Late,
    },
    /// Time passes until the next value expires.
    AdvanceToExpiry,
    /// Time passes until the next deferred work of the background begins, if that is soon.
    AdvanceToBackground,
    /// The wall clock is set. No time passes.
    SetClock(ClockStep),
    /// All operations of a store fail from now on, in the same way.
    Break {
        pick: usize,
        fault: Fault,
    },
    Heal {
        pick: usize,
    },
    /// A store restarts: one in memory is empty then.
    Restart {
        pick: usize,
    },
    /// A store lets go of a key by itself.
    Evict {
        pick: usize,
        key: usize,
    },
    /// What a layer was asked to do takes effect after all, long after it has failed.
    Arrive {
        pick: usize,
    },
    /// Everything ends, undisturbed, and what is left is checked.
    Audit(Thoroughness),
}

/// Which of those that wait may get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Any,
    /// One of the few that have come last: whole calls get through while others wait.
    Newest,
}

/// By how much the wall clock is set: ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockStep {
    Forward,
    Back,
}

/// What an audit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// Looks only.
    Look,
    /// Also lets time pass, in which repairs must settle everything, and writes every key, which must
    /// settle everything, too.
    Settle,
}

/// Whether what was asked of a layer may reach it after nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Never,
    Possible,
}

/// A fault, and which keys of a bulk operation it strikes: a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faulted {
    pub(super) fault: Fault,
    pub(super) keys: u8,
}

impl Faulted {
    pub(super) fn strikes(self, at: usize, of: usize) -> bool {
        of == 1 || self.keys >> (at % 8) & 1 == 1
    }
}

/// What goes wrong with an operation that has not taken effect. One that has loses its answer,
/// whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails without effect, but the caller cannot know that.
    Unavailable,
    /// It fails without effect, and says so.
    Refused,
    /// A write is refused for its size, and leaves the key absent.
    TooLarge,
    /// It fails, and takes effect later.
    Late,
    /// It takes effect by a second attempt, and says so: the first takes effect later. A read is answered.
    Repeated,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [
        Self::Unavailable,
        Self::Refused,
        Self::TooLarge,
        Self::Late,
        Self::Repeated,
    ];
}

/// What a task asks of the composition. Keys of bulk operations are a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Read { key: usize },
    ReadMany { keys: u8 },
    Write { key: usize, draft: Draft },
    WriteMany { keys: u8, draft: Draft },
    Remove { key: usize },
    RemoveMany { keys: u8 },
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    /// Milliseconds from now.
    pub(super) expire: Option<u64>,
    pub(super) stale: Option<u64>,
    pub(super) age: Age,
}

/// Since when there is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Its load began just now.
    New,
    /// Its load began before other operations that have been called since.
    Loaded { pick: usize },
    /// It was written before.
    Again { pick: usize },
}

/// The keys whose bits are set.
pub(super) fn keys_of(bits: u8, count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(move |key| bits >> key & 1 == 1)
}
