use super::{Observed, ReadDecision, ReadStep};
use crate::composition::CompositionLayer;

/// Asks both layers concurrently, waits for both, and takes the value with the longest remaining life.
///
/// A value that never expires beats any other; a tie goes to L1. The policy for layers that are
/// written by others too, where the longer-lived value is the fresher one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParallelReadPolicy;

impl ParallelReadPolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl ReadDecision for ParallelReadPolicy {
    #[inline]
    fn next(&self, l1: Observed, l2: Observed) -> ReadStep {
        use CompositionLayer::{L1, L2};
        use Observed::{Failed, Hit, Miss, NotAsked, Pending};
        match (l1, l2) {
            (NotAsked, _) => ReadStep::Ask(L1),
            (_, NotAsked) => ReadStep::Ask(L2),
            (Pending, _) | (_, Pending) => ReadStep::Wait,
            (Hit(one), Hit(two)) => ReadStep::Answer(if two > one { L2 } else { L1 }),
            (Hit(_), Miss | Failed) => ReadStep::Answer(L1),
            (Miss | Failed, Hit(_)) => ReadStep::Answer(L2),
            (Miss | Failed, Miss | Failed) => ReadStep::NoHit,
        }
    }
}
