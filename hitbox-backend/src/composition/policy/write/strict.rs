use super::{WriteDecision, WriteObserved, WriteStep};
use crate::composition::CompositionLayer;

/// Writes both layers concurrently, waits for both, and succeeds only if both took the value.
///
/// On failure the error is that of the layer that failed; L2's if both did.
#[derive(Clone, Copy, Debug, Default)]
pub struct StrictWritePolicy;

impl StrictWritePolicy {
    /// The policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl WriteDecision for StrictWritePolicy {
    #[inline]
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        use CompositionLayer::{L1, L2};
        use WriteObserved::{Failed, NotAsked, Pending, Written};
        match (l1, l2) {
            (NotAsked, _) => WriteStep::Write(L1),
            (_, NotAsked) => WriteStep::Write(L2),
            (Pending, _) | (_, Pending) => WriteStep::Wait,
            (Written, Written) => WriteStep::Done,
            (Failed, Written) => WriteStep::Fail(L1),
            (Written | Failed, Failed) => WriteStep::Fail(L2),
        }
    }
}
