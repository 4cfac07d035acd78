//! What a read must not trust.

use hitbox_core::{CacheValue, CompositionLayer, Raw, Stamp, clock::Moment};

use crate::ReadOutcome;

/// What a read must not trust, taken when it begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::composition) struct FenceSnapshot {
    /// `None`: nothing stands, and all is trusted.
    pub(super) standing: Option<Standing>,
    /// How many writes and removes had ended.
    pub(super) ends: u64,
}

/// What stands of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Per layer. Zero: there is no fence.
    pub(super) fences: [Stamp; 2],
    /// Values at or below it are stale. Zero: none.
    pub(super) soft_expiry: Stamp,
}

impl Standing {
    pub(super) const NOTHING: Self = Self {
        fences: [Stamp::ZERO; 2],
        soft_expiry: Stamp::ZERO,
    };

    fn allows(&self, layer: CompositionLayer, created: Stamp) -> bool {
        is_above(created, self.fences[layer as usize])
    }
}

/// Whether a value with this stamp is above what stands at `standing`. Zero: nothing does.
fn is_above(created: Stamp, standing: Stamp) -> bool {
    // A stamp from far in the future would be above everything: it proves nothing.
    standing == Stamp::ZERO || (created > standing && created.is_within_drift())
}

impl FenceSnapshot {
    /// Whether a value with this stamp, found in `layer`, may be served.
    #[inline]
    pub(in crate::composition) fn allows(&self, layer: CompositionLayer, created: Stamp) -> bool {
        let standing = self.standing.as_ref();
        standing.is_none_or(|standing| standing.allows(layer, created))
    }

    /// Whether another read may serve exactly what this one may.
    pub(in crate::composition) fn trusts_the_same_as(&self, other: &Self) -> bool {
        self.standing == other.standing
    }

    /// Makes a value that was found stale, if its key has been expired since it was created.
    #[inline]
    pub(in crate::composition) fn age(&self, outcome: &mut ReadOutcome, moment: &Moment) {
        if let Some(standing) = &self.standing
            && let Ok(Some(value)) = outcome
            && !is_above(value.created(), standing.soft_expiry)
        {
            make_stale(value, moment);
        }
    }

    /// Whether there is anything that must not be trusted.
    #[inline]
    pub(in crate::composition) fn is_fenced(&self) -> bool {
        let standing = self.standing.as_ref();
        standing.is_some_and(|standing| standing.fences != [Stamp::ZERO; 2])
    }
}

#[cold]
fn make_stale(value: &mut CacheValue<Raw>, moment: &Moment) {
    *value = value.clone().stale_by(moment);
}
