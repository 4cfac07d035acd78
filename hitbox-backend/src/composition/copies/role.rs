//! What a layer of a coherent composition is, and what its answers count for.

use std::sync::{Arc, OnceLock};

use hitbox_core::{
    BoxContext, CacheKey, CacheStatus,
    clock::{Moment, Tick},
};

use super::shared::{Shared, hash};
use crate::{ReadOutcome, coherence::Credit, composition::miss::mark_miss};

/// What a layer is in coherence.
pub(in crate::composition) enum Role {
    /// L1: it holds copies of what L2 holds.
    Copies(Arc<Shared>),
    /// L2: all that it answers was current when it was asked.
    Store(Arc<Shared>),
    /// L2 as a coherent composition: it says itself as of when it vouches for what it answers.
    CopiesOfStore(Arc<Shared>),
}

/// Set when the composition is made coherent.
pub(in crate::composition) type OnceCoherent = OnceLock<Role>;

/// A read that is about to begin.
pub(in crate::composition) enum Look<'a> {
    /// Taken before a copy is looked for: see [`Hearing::credit`](crate::coherence::Hearing::credit).
    ForCopy(&'a Shared, Credit),
    InStore(&'a Shared, Tick),
}

impl Role {
    /// To be called before the layer is read.
    #[inline]
    pub(in crate::composition) fn look(&self) -> Look<'_> {
        match self {
            Self::Copies(shared) => Look::ForCopy(shared, shared.hearing.credit()),
            Self::Store(shared) => Look::InStore(shared, Tick::now()),
            Self::CopiesOfStore(shared) => Look::InStore(shared, Tick::UNKNOWN),
        }
    }
}

impl Look<'_> {
    /// Makes an answer of the layer what the composition gets to see: a copy that nothing vouches for is a miss.
    #[inline]
    pub(in crate::composition) fn judge(
        &self,
        key: &CacheKey,
        outcome: &mut ReadOutcome,
        context: Option<&mut BoxContext>,
    ) {
        let Ok(Some(value)) = outcome else {
            return;
        };
        let now = Tick::now();
        match self {
            // Who copies it elsewhere takes it for what it was when it was seen: it costs no hit to find out more.
            Self::ForCopy(_, credit) if credit.covers(value.seen(), now) => {}
            Self::ForCopy(_, credit) if credit.offers(value.seen(), now) => {
                *value = value.clone().stale_by(&Moment::default());
                if let Some(context) = context {
                    context.set_status(CacheStatus::Stale);
                }
            }
            Self::ForCopy(shared, _) => {
                shared.counts.unvouched.add(1);
                context.into_iter().for_each(mark_miss);
                *outcome = Ok(None);
            }
            Self::InStore(shared, began) => {
                if *began > Tick::UNKNOWN {
                    // It was current then, whatever the value says of itself.
                    *value = value.clone().seen_at(*began);
                }
                let mut slot = shared.hearing.slot(hash(key));
                slot.note_answer(value.created(), value.seen(), now);
            }
        }
    }
}
