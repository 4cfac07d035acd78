//! What a read must not trust.

use hitbox_core::{CompositionLayer, Stamp};

/// What a read must not trust, taken when it begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::composition) struct FenceSnapshot {
    /// Per layer. Zero: there is no fence.
    pub(super) fences: [Stamp; 2],
    /// How many writes and removes had ended.
    pub(super) ends: u64,
}

impl FenceSnapshot {
    /// Whether a value with this stamp, found in `layer`, may be served.
    #[inline]
    pub(in crate::composition) fn allows(&self, layer: CompositionLayer, created: Stamp) -> bool {
        let fence = self.fences[layer as usize];
        // A stamp from far in the future would pass every fence: it proves nothing.
        fence == Stamp::ZERO || (created > fence && created.is_within_drift())
    }

    /// Whether there is anything that must not be trusted.
    #[inline]
    pub(in crate::composition) fn is_fenced(&self) -> bool {
        self.fences != [Stamp::ZERO; 2]
    }
}
