//! The state of one key: pure data and transitions, no locks and no clocks.

use std::collections::VecDeque;

use hitbox_core::Stamp;
use tokio::{sync::mpsc, time::Instant};

use super::{
    drive::{Drivers, Handoff},
    turn::Afterwards,
};
use crate::composition::{CompositionLayer, OwedCause};

/// A write or remove, with the stamp that orders it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// With the stamp of the value.
    Write(Stamp),
    /// With a stamp of its own.
    Remove(Stamp),
}

impl Change {
    /// The highest stamp that this change makes outdated.
    fn outdates(self) -> Stamp {
        match self {
            Self::Write(created) => created.predecessor(),
            Self::Remove(stamp) => stamp,
        }
    }
}

/// Somebody who waits for a turn: the operation, and where it waits.
pub(super) type Waiter = (u64, mpsc::UnboundedSender<Handoff>);

/// How a change of records changes the ledger's counts.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Keys with a fence that reads must look at.
    pub(super) fenced: isize,
    /// Keys that owe something with no operation under way.
    pub(super) owing: isize,
    /// Per layer: keys that it can be repaired for.
    pub(super) repairable: [isize; 2],
    /// Layers of keys that wait for a late effect.
    pub(super) unsettled: isize,
}

impl Standing {
    /// Adds what one record counts for.
    pub(super) fn add(&mut self, record: &Record) {
        self.count(record, 1);
    }

    /// Takes out what one record counted for.
    pub(super) fn subtract(&mut self, record: &Record) {
        self.count(record, -1);
    }

    fn count(&mut self, record: &Record, times: isize) {
        self.fenced += times * isize::from(record.is_fenced());
        self.owing += times * isize::from(record.is_owing());
        for layer in CompositionLayer::BOTH {
            let state = &record.layers[layer as usize];
            self.repairable[layer as usize] += times * isize::from(record.is_repairable(layer));
            self.unsettled += times * isize::from(state.unsettled_until.is_some());
        }
    }
}

/// What a layer has yet to do for the newest write or remove of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Debt {
    #[default]
    None,
    /// It has confirmed, but something older may have taken effect after that.
    Unverified,
    /// It has not confirmed.
    Unconfirmed,
}

/// What is known of one key.
#[derive(Default)]
pub(super) struct Record {
    /// The stamp of the newest value written; zero: none that is remembered.
    pub(super) written: Stamp,
    /// The stamp of the newest remove; zero: none that is remembered.
    pub(super) removed: Stamp,
    /// Identifies the newest write or remove; zero: none that is remembered.
    pub(super) newest: u64,
    /// Writes and removes under way.
    pub(super) under_way: usize,
    /// The ledger's count of ends when the last of them ended.
    pub(super) ended: u64,
    pub(super) layers: [LayerState; 2],
    /// Work on this key that has been handed to the background.
    pub(super) drivers: Drivers,
    /// It stands in the shard's queue of quiet records.
    pub(super) queued: bool,
}

/// What is known of one key in one layer.
#[derive(Default)]
pub(super) struct LayerState {
    /// Values at or below it are not trusted while the layer owes, or is unsettled.
    pub(super) fence: Stamp,
    pub(super) debt: Debt,
    /// How often the layer has failed to be repaired since.
    pub(super) attempts: u32,
    /// An operation on the layer ended without saying what it did, and may take effect until then.
    pub(super) unsettled_until: Option<Instant>,
    /// Only values above this can be in the layer, apart from late effects: it has confirmed a
    /// write, a remove or a refill. That also holds where a coarse fence distrusts the rest.
    pub(super) vouched: Option<Stamp>,
    /// A repair has set out to look at the layers. Another would find the same.
    pub(super) looked_at: bool,
    /// An operation on the layer is under way; the others wait here for their turn.
    pub(super) busy: bool,
    /// Since it began, something has ceased to be able to arrive late: it may have arrived after
    /// this operation took effect, so that its success does not show what the layer holds.
    pub(super) lapsed_beneath: bool,
    pub(super) waiting: VecDeque<Waiter>,
}

impl LayerState {
    fn is_fenced(&self) -> bool {
        self.debt != Debt::None || self.unsettled_until.is_some()
    }

    pub(super) fn afterwards(&self) -> Afterwards {
        match (self.debt, self.unsettled_until) {
            (Debt::Unverified, _) | (_, Some(_)) => Afterwards::Unsettled,
            (Debt::None | Debt::Unconfirmed, None) => Afterwards::Settled,
        }
    }

    /// The fence that reads must respect, where everything at or below `coarse` is distrusted that
    /// is not known better. Zero: none.
    pub(super) fn fence_under(&self, coarse: Stamp) -> Stamp {
        let own = if self.is_fenced() {
            self.fence
        } else {
            Stamp::ZERO
        };
        if coarse == Stamp::ZERO {
            return own;
        }
        own.max(self.vouched.unwrap_or(coarse))
    }

    /// The layer has taken the newest change. What may still arrive late is older than that, and
    /// what it was asked to hold must be trusted from now on.
    pub(super) fn confirm(&mut self, newest: Option<Change>) {
        // Where no write or remove is remembered, nothing is fenced that something late could have undone,
        // and nobody could tell what to repair.
        self.debt = match newest {
            Some(_) if self.lapsed_beneath => Debt::Unverified,
            Some(_) | None => Debt::None,
        };
        self.attempts = 0;
        if let Some(newest) = newest {
            self.fence = newest.outdates();
            self.vouched = Some(newest.outdates());
        }
    }

    /// The layer has taken a copy of a trusted value with this stamp.
    pub(super) fn confirm_refill(&mut self, newest: Option<Change>, created: Stamp) {
        self.confirm(newest);
        self.vouched = Some(created.predecessor());
    }

    /// The operation on the layer has ended. Says who is next, if anybody waits; else the layer is
    /// free.
    pub(super) fn hand_on(&mut self) -> Option<Waiter> {
        self.lapsed_beneath = false;
        let mut next = self.waiting.pop_front();
        // Those who were dropped while they waited are passed over here, in a loop: a turn handed
        // to each of them would come back one drop deeper in the stack every time.
        while next.as_ref().is_some_and(|(_, waiter)| waiter.is_closed()) {
            next = self.waiting.pop_front();
        }
        self.busy = next.is_some();
        next
    }

    pub(super) fn cause(&self, under_way: usize) -> Option<OwedCause> {
        match (self.debt, under_way, self.unsettled_until) {
            (Debt::Unconfirmed, 0, _) => Some(OwedCause::Unconfirmed),
            (Debt::Unconfirmed, _, _) => Some(OwedCause::UnderWay),
            (Debt::Unverified, _, _) | (Debt::None, _, Some(_)) => Some(OwedCause::LateEffect),
            (Debt::None, _, None) => None,
        }
    }
}

impl Record {
    /// Whether a write or remove of this key is remembered: a refill leaves a record without.
    pub(super) fn remembers(&self) -> bool {
        self.newest != 0
    }

    /// Takes the change on, or says that something newer has been done.
    ///
    /// A value written twice (equal stamps) is written again: the later call wins. No other two
    /// changes tie.
    pub(super) fn admits(&self, change: Change) -> bool {
        match change {
            Change::Write(created) => created >= self.written && created > self.removed,
            Change::Remove(stamp) => stamp > self.written && stamp > self.removed,
        }
    }

    pub(super) fn begin(&mut self, change: Change, id: u64) {
        let stamp = match change {
            Change::Write(created) => {
                self.written = created;
                created
            }
            Change::Remove(stamp) => {
                self.removed = stamp;
                stamp
            }
        };
        self.newest = id;
        self.under_way += 1;
        for layer in &mut self.layers {
            layer.fence = layer.fence.max(stamp);
            layer.debt = Debt::Unconfirmed;
            layer.attempts = 0;
            layer.vouched = None;
        }
    }

    /// A write or remove has ended, as the one with this number.
    pub(super) fn end(&mut self, ends: u64) {
        self.under_way -= 1;
        // Ends of one key may reach the lock out of order.
        self.ended = self.ended.max(ends);
    }

    /// An operation on one of the layers is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.layers.iter().any(|layer| layer.busy)
    }

    /// The newest write or remove of the key, as far as it is remembered.
    pub(super) fn newest_change(&self) -> Option<Change> {
        if self.written > self.removed {
            Some(Change::Write(self.written))
        } else if self.removed > Stamp::ZERO {
            Some(Change::Remove(self.removed))
        } else {
            None
        }
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.layers.iter().any(LayerState::is_fenced)
    }

    pub(super) fn is_owing(&self) -> bool {
        self.under_way == 0 && self.is_fenced()
    }

    /// The layer owes, and no operation is under way that would settle that.
    pub(super) fn is_repairable(&self, layer: CompositionLayer) -> bool {
        self.under_way == 0 && self.layers[layer as usize].debt != Debt::None
    }

    /// What could have arrived late in the layer has, and may have undone what it confirmed.
    pub(super) fn lapse(&mut self, layer: CompositionLayer) {
        // Where no write or remove is remembered, nothing is fenced that it could have undone.
        let remembers = self.remembers();
        let state = &mut self.layers[layer as usize];
        state.unsettled_until = None;
        state.lapsed_beneath = state.busy;
        if remembers && state.debt == Debt::None {
            state.debt = Debt::Unverified;
        }
    }

    /// Nothing stands and nothing is under way: only the memory of what was done last.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way == 0 && !self.is_fenced() && !self.is_busy()
    }

    /// Quiet, with nothing to remember: a refill that has ended, where no coarse fence stands.
    pub(super) fn is_blank(&self) -> bool {
        let vouched = self.layers.iter().any(|layer| layer.vouched.is_some());
        self.is_quiet() && !self.remembers() && !vouched
    }
}
