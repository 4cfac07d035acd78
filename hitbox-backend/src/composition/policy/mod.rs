//! How a composition reads, writes and refills.

mod observed;
mod race_loser;
mod read;
mod read_decision;
mod refill;
mod repair;
mod write;
mod write_decision;

use std::{num::NonZeroUsize, time::Duration};

pub use race_loser::RaceLoserPolicy;
pub use read::{
    CompositionReadPolicy, Observed, ParallelReadPolicy, RaceReadPolicy, ReadDecision, ReadResult,
    ReadStep, SequentialReadPolicy,
};
pub use refill::RefillPolicy;
pub use repair::{RepairBackoff, RepairPolicy};
pub use write::{
    CompositionWritePolicy, OptimisticParallelWritePolicy, RaceWritePolicy, SequentialWritePolicy,
    StrictWritePolicy, WriteDecision, WriteObserved, WriteStep,
};

/// How a composition reads, writes and refills: a value to build one with.
///
/// ```
/// use std::time::Duration;
/// use hitbox_backend::{CompositionPolicy, ParallelReadPolicy, RefillPolicy, StrictWritePolicy};
///
/// let policy = CompositionPolicy::new()
///     .read(ParallelReadPolicy::new())
///     .write(StrictWritePolicy::new())
///     .refill(RefillPolicy::Repair)
///     .l1_ttl(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
pub struct CompositionPolicy<R = SequentialReadPolicy, W = OptimisticParallelWritePolicy> {
    pub(super) read: R,
    pub(super) write: W,
    pub(super) rules: Rules,
}

/// The part of a policy that is the same whatever the read and write policies are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) refill: RefillPolicy,
    pub(super) repair: RepairPolicy,
    pub(super) l1_ttl: Option<Duration>,
    pub(super) record_capacity: NonZeroUsize,
    /// Zero: no read joins another.
    pub(super) join_within: Duration,
}

const DEFAULT_RECORD_CAPACITY: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// Longer than most reads of a server take, and shorter than anybody notices.
const DEFAULT_JOIN_WITHIN: Duration = Duration::from_millis(10);

impl CompositionPolicy {
    /// Sequential reads, optimistic parallel writes, refill always, repair in the background.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: SequentialReadPolicy::new(),
            write: OptimisticParallelWritePolicy::new(),
            rules: Rules {
                refill: RefillPolicy::Always,
                repair: RepairPolicy::Background(RepairBackoff::new()),
                l1_ttl: None,
                record_capacity: DEFAULT_RECORD_CAPACITY,
                join_within: DEFAULT_JOIN_WITHIN,
            },
        }
    }
}

impl Default for CompositionPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, W> CompositionPolicy<R, W> {
    /// Reads by this policy.
    #[must_use]
    pub fn read<P>(self, read: P) -> CompositionPolicy<P, W> {
        CompositionPolicy {
            read,
            write: self.write,
            rules: self.rules,
        }
    }

    /// Writes by this policy.
    #[must_use]
    pub fn write<P>(self, write: P) -> CompositionPolicy<R, P> {
        CompositionPolicy {
            read: self.read,
            write,
            rules: self.rules,
        }
    }

    /// Copies answers between the layers by this policy.
    #[must_use]
    pub fn refill(mut self, refill: RefillPolicy) -> Self {
        self.rules.refill = refill;
        self
    }

    /// Brings layers that failed a write or a remove up to date by this policy.
    #[must_use]
    pub fn repair(mut self, repair: RepairPolicy) -> Self {
        self.rules.repair = repair;
        self
    }

    /// Bounds how long L1 keeps a value, whatever the value's own expiry: written or refilled
    /// values expire in L1 after this at the latest. [`RefillPolicy::Repair`] then copies nothing
    /// from L1 to L2. Zero: L1 keeps nothing. More than a clock can count: no bound.
    ///
    /// Zero is a bound like any other: L1 keeps nothing, and every read goes to L2. A composition that is
    /// made with it logs a warning.
    ///
    /// A composition around this one does not know of the bound: where this one is its L1, and its L2 has lost
    /// a value, a repair copies L1's to it, and that expires there as early.
    #[must_use]
    pub fn l1_ttl(mut self, l1_ttl: Duration) -> Self {
        self.rules.l1_ttl = Some(l1_ttl);
        self
    }

    /// How many keys may have a repair pending, and how many more the composition remembers for what was last done
    /// to them. 16,384 by default, at about 650 bytes each, half of which is room that the map keeps free.
    ///
    /// When more repairs are pending than this, the composition forgets these keys, and logs a warning. Nothing of a
    /// forgotten key that is older than that moment is trusted: it costs misses of these keys until they are
    /// written or refilled, never a stale answer. A layer's filter of forgotten keys takes 29 bytes for each key
    /// of `keys` (460 KiB by default), from the first time on that too many repairs of the layer are pending. It takes one other key
    /// in 1,000 for a forgotten one when 16 times as many as `keys` are forgotten, and all of them in the end.
    /// [`CompositionBackend::layer_fence`](crate::CompositionBackend::layer_fence) tells, and
    /// [`clear_layer_fence`](crate::CompositionBackend::clear_layer_fence) ends it.
    #[must_use]
    pub fn record_capacity(mut self, keys: NonZeroUsize) -> Self {
        self.rules.record_capacity = keys;
        self
    }

    /// For how long others may join a read of L2 that is under way: 10 milliseconds by default. Zero: each reads by
    /// itself.
    ///
    /// So many who ask at once for a key that only L2 has cost it one read, and another one each time that so long has
    /// passed. A reader gets what L2 held when the read began that he has joined: it may lack what *another process*
    /// has changed in L2 since, by this time at the most. What this composition and its clones change is never
    /// lacking, whatever the time: nobody joins a read that began before such a change has ended.
    ///
    /// Single reads join that want the same type, in the same tokio runtime, if they have the usual
    /// [context](hitbox_core::CacheContext) and L2 does not answer in place. Where compositions nest, with a wrapper
    /// between them, the times of both add up. Bulk reads, repairs, and reads by a policy that is a future of its own do not.
    #[must_use]
    pub fn join_reads_within(mut self, time: Duration) -> Self {
        self.rules.join_within = time;
        self
    }
}
