use super::{WriteDecision, WriteObserved, WriteStep};
use crate::composition::{CompositionLayer, RaceLoserPolicy};

/// Writes both layers concurrently and returns at the first success.
///
/// The slower layer's write goes on in the background, or is dropped. Until it has confirmed, that
/// layer is not trusted with the key. Where the loser is dropped, an L1 that is written without waiting
/// has won before L2 is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaceWritePolicy {
    loser: RaceLoserPolicy,
}

impl RaceWritePolicy {
    /// The policy; the loser's write is handed to the background.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loser: RaceLoserPolicy::Offload,
        }
    }

    /// The policy with this treatment of the loser's write.
    #[must_use]
    pub const fn loser(mut self, loser: RaceLoserPolicy) -> Self {
        self.loser = loser;
        self
    }
}

impl WriteDecision for RaceWritePolicy {
    #[inline]
    fn next(&self, l1: WriteObserved, l2: WriteObserved) -> WriteStep {
        use CompositionLayer::{L1, L2};
        use WriteObserved::{Failed, NotAsked, Pending, Written};
        match (l1, l2) {
            (NotAsked, _) => WriteStep::Write(L1),
            (Written, NotAsked) if self.loser == RaceLoserPolicy::Drop => WriteStep::Done,
            (_, NotAsked) => WriteStep::Write(L2),
            (Written, _) | (_, Written) => WriteStep::Done,
            (Pending, _) | (_, Pending) => WriteStep::Wait,
            (Failed, Failed) => WriteStep::Fail(L2),
        }
    }

    #[inline]
    fn if_left_behind(&self) -> RaceLoserPolicy {
        self.loser
    }
}
