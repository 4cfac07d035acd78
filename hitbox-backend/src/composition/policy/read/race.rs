use super::{Observed, ReadDecision, ReadStep};
use crate::composition::{CompositionLayer, RaceLoserPolicy};

/// Asks both layers concurrently and takes the first live value.
///
/// The policy for two layers of similar speed, where the slower one of a moment must not decide
/// the latency. A layer that misses or fails does not end the race: the other one is waited for.
/// An L1 that answers without waiting has won before L2 is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaceReadPolicy {
    loser: RaceLoserPolicy,
}

impl RaceReadPolicy {
    /// The policy; the loser's read is handed to the background.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loser: RaceLoserPolicy::Offload,
        }
    }

    /// The policy with this treatment of the loser's read.
    #[must_use]
    pub const fn loser(mut self, loser: RaceLoserPolicy) -> Self {
        self.loser = loser;
        self
    }
}

impl ReadDecision for RaceReadPolicy {
    #[inline]
    fn next(&self, l1: Observed, l2: Observed) -> ReadStep {
        use CompositionLayer::{L1, L2};
        use Observed::{Failed, Hit, Miss, NotAsked, Pending};
        match (l1, l2) {
            (NotAsked, _) => ReadStep::Ask(L1),
            (Hit(_), _) => ReadStep::Answer(L1),
            (_, NotAsked) => ReadStep::Ask(L2),
            (_, Hit(_)) => ReadStep::Answer(L2),
            (Pending, _) | (_, Pending) => ReadStep::Wait,
            (Miss | Failed, Miss | Failed) => ReadStep::NoHit,
        }
    }

    #[inline]
    fn if_left_behind(&self) -> RaceLoserPolicy {
        self.loser
    }
}
