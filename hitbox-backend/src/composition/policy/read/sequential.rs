use super::{Observed, ReadDecision, ReadStep};
use crate::composition::CompositionLayer;

/// Asks L1, and L2 only if L1 has no live value.
///
/// The policy for a fast L1 in front of a slow or costly L2: a hit in L1 costs L2 nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialReadPolicy;

impl SequentialReadPolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl ReadDecision for SequentialReadPolicy {
    #[inline]
    fn next(&self, l1: Observed, l2: Observed) -> ReadStep {
        use CompositionLayer::{L1, L2};
        use Observed::{Failed, Hit, Miss, NotAsked, Pending};
        match (l1, l2) {
            (NotAsked, _) => ReadStep::Ask(L1),
            (Hit(_), _) => ReadStep::Answer(L1),
            (Pending, _) | (_, Pending) => ReadStep::Wait,
            (Miss | Failed, NotAsked) => ReadStep::Ask(L2),
            (Miss | Failed, Hit(_)) => ReadStep::Answer(L2),
            (Miss | Failed, Miss | Failed) => ReadStep::NoHit,
        }
    }
}
