use super::{WriteDecision, WriteObserved, WriteStep};
use crate::composition::CompositionLayer;

/// Writes both layers concurrently, waits for both, and is content if one took the value.
///
/// The default: a failing layer costs a line in the log, not the write.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptimisticParallelWritePolicy;

impl OptimisticParallelWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl WriteDecision for OptimisticParallelWritePolicy {
    #[inline]
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        use CompositionLayer::{L1, L2};
        use WriteObserved::{Failed, NotAsked, Pending, Written};
        match (l1, l2) {
            (NotAsked, _) => WriteStep::Write(L1),
            (_, NotAsked) => WriteStep::Write(L2),
            (Pending, _) | (_, Pending) => WriteStep::Wait,
            (Written, _) | (_, Written) => WriteStep::Done,
            (Failed, Failed) => WriteStep::Fail(L2),
        }
    }
}
