use super::{WriteDecision, WriteObserved, WriteStep};
use crate::composition::CompositionLayer;

/// Writes L1, then L2, and stops at the first failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialWritePolicy;

impl SequentialWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl WriteDecision for SequentialWritePolicy {
    #[inline]
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        use CompositionLayer::{L1, L2};
        use WriteObserved::{Failed, NotAsked, Pending, Written};
        match (l1, l2) {
            (NotAsked, _) => WriteStep::Write(L1),
            (Pending, _) | (_, Pending) => WriteStep::Wait,
            (Failed, _) => WriteStep::Fail(L1),
            (Written, NotAsked) => WriteStep::Write(L2),
            (Written, Written) => WriteStep::Done,
            (Written, Failed) => WriteStep::Fail(L2),
        }
    }
}
