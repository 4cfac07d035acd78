//! One key of a shard: what is known of it, and who changes it.

use hitbox_core::CompositionLayer;
use tokio::time::Instant;

use super::{
    key_state::KeyState,
    waiters::{Waiter, Waiters},
};
use crate::Invalidations;

/// Which permits a change has from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Permits {
    /// None: it asks for them.
    Later,
    /// Those that are free.
    IfFree,
}

/// Whether a change may touch a layer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum TryPermit {
    /// It has the permit.
    Held,
    /// Another operation has it.
    Busy,
    /// Something newer has been done to the key: there is nothing to do.
    Overtaken,
}

/// One key.
pub(super) struct Entry {
    pub(super) state: KeyState<Instant>,
    pub(super) waiters: Waiters,
    /// It stands in the shard's queue of idle keys.
    pub(super) queued: bool,
}

impl Entry {
    /// A key of which nothing is known, but that it may have been invalidated so far.
    pub(super) fn after(forgotten: Invalidations) -> Self {
        Self {
            state: KeyState::after(forgotten),
            waiters: Waiters::default(),
            queued: false,
        }
    }

    pub(super) fn take(&mut self, layer: CompositionLayer) {
        self.waiters.take(layer);
        self.state.set_out(layer);
    }

    /// Takes the permit, if nobody has it.
    pub(super) fn take_if_free(&mut self, layer: CompositionLayer) -> bool {
        let free = !self.waiters.is_busy_in(layer);
        if free {
            self.take(layer);
        }
        free
    }

    pub(super) fn hand_on(&mut self, layer: CompositionLayer) -> Option<Waiter> {
        self.state.set_out(layer);
        self.waiters.hand_on(layer)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.is_idle() && !self.waiters.is_busy()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.is_empty() && !self.waiters.is_busy()
    }
}
