//! What a write does by each policy.

use hitbox_backend::CompositionLayer::{self, L1, L2};

use super::WriteKind;

/// Whose error a write returns when these layers fail; `None` if it succeeds.
pub(super) fn blamed(write: WriteKind, failing: &[CompositionLayer]) -> Option<CompositionLayer> {
    match (failing, write) {
        ([], _) => None,
        ([one], WriteKind::Sequential | WriteKind::Strict) => Some(*one),
        ([_], WriteKind::OptimisticParallel | WriteKind::Race) => None,
        (_, WriteKind::Sequential) => Some(L1),
        (_, WriteKind::OptimisticParallel | WriteKind::Race | WriteKind::Strict) => Some(L2),
    }
}

/// The layers that are asked to take the value when these layers fail.
pub(super) fn asked(write: WriteKind, failing: &[CompositionLayer]) -> &'static [CompositionLayer] {
    match write {
        WriteKind::Sequential if failing.contains(&L1) => &[L1],
        WriteKind::Sequential
        | WriteKind::OptimisticParallel
        | WriteKind::Race
        | WriteKind::Strict => &[L1, L2],
    }
}

/// The layers that confirm the write when these layers fail.
pub(super) fn confirming(write: WriteKind, failing: &[CompositionLayer]) -> Vec<CompositionLayer> {
    let mut layers = asked(write, failing).to_vec();
    layers.retain(|layer| !failing.contains(layer));
    layers
}
