//! The read of a layer that has none beneath it.

use crate::composition::{CompositionLayer, Observed, ReadDecision, ReadStep};

/// Asks L1 alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstAlone;

impl ReadDecision for FirstAlone {
    fn next(&self, l1: Observed, _l2: Observed) -> ReadStep {
        match l1 {
            Observed::NotAsked => ReadStep::Ask(CompositionLayer::L1),
            Observed::Pending => ReadStep::Wait,
            Observed::Hit(_) => ReadStep::Answer(CompositionLayer::L1),
            Observed::Miss | Observed::Failed => ReadStep::NoHit,
        }
    }
}
