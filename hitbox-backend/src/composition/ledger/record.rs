//! The state of one key: pure data and transitions, no locks and no clocks.

use std::collections::VecDeque;

use hitbox_core::Stamp;
use tokio::sync::oneshot;

use super::Turn;
use crate::composition::OwedCause;

/// A write or remove, with the stamp that orders it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    /// With the stamp of the value.
    Write(Stamp),
    /// With a stamp of its own.
    Remove(Stamp),
}

/// How a change of records changes the ledger's counts.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Keys with a fence that reads must look at.
    pub(super) fenced: isize,
    /// Keys that owe something with no operation under way.
    pub(super) owing: isize,
}

/// What is known of one key.
#[derive(Default)]
pub(super) struct Record {
    /// The stamp of the newest value written; zero: none that is remembered.
    pub(super) written: Stamp,
    /// The stamp of the newest remove.
    pub(super) removed: Stamp,
    /// Identifies the newest operation.
    pub(super) newest: u64,
    /// Writes and removes under way.
    pub(super) under_way: usize,
    /// The ledger's count of ends when the last of them ended.
    pub(super) ended: u64,
    pub(super) layers: [LayerState; 2],
}

/// What is known of one key in one layer.
#[derive(Default)]
pub(super) struct LayerState {
    /// Values at or below it are not trusted while the layer has not confirmed, or while something
    /// may still arrive late.
    pub(super) fence: Stamp,
    pub(super) debt: Debt,
    /// An operation on the layer ended without saying what it did, and may take effect until then.
    pub(super) unsettled_until: Stamp,
    /// An operation on the layer is under way; the others wait here for their turn.
    pub(super) busy: bool,
    pub(super) waiting: VecDeque<(u64, oneshot::Sender<Turn>)>,
}

/// Whether a layer still has to be told about the newest operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Debt {
    /// It has confirmed, or nothing has been asked of it.
    #[default]
    None,
    /// It has not confirmed.
    Owed,
}

impl LayerState {
    /// Why reads must look at the fence; `None` if they need not.
    pub(super) fn bypassed_for(&self) -> Option<OwedCause> {
        match (self.debt, self.unsettled_until > Stamp::ZERO) {
            (Debt::Owed, _) => Some(OwedCause::Unconfirmed),
            (Debt::None, true) => Some(OwedCause::LateEffect),
            (Debt::None, false) => None,
        }
    }

    fn is_fenced(&self) -> bool {
        self.bypassed_for().is_some()
    }

    /// The fence that reads must respect; zero: none.
    pub(super) fn standing_fence(&self) -> Stamp {
        if self.is_fenced() {
            self.fence
        } else {
            Stamp::ZERO
        }
    }

    /// The newest operation has succeeded here, or a trusted value has been copied here.
    pub(super) fn confirm(&mut self, operation: Option<Operation>) {
        self.debt = Debt::None;
        // What may still arrive late is older than the operation that was confirmed. Its own
        // value is at the fence, and must be trusted from now on.
        if let Some(Operation::Write(created)) = operation {
            self.fence = created.predecessor();
        }
    }
}

impl Record {
    /// Takes the operation on, or says that something newer has been done.
    ///
    /// A value written twice (equal stamps) is written again: the later call wins. No other two
    /// operations tie.
    pub(super) fn admits(&self, operation: Operation) -> bool {
        match operation {
            Operation::Write(created) => created >= self.written && created > self.removed,
            Operation::Remove(stamp) => stamp > self.written && stamp > self.removed,
        }
    }

    pub(super) fn begin(&mut self, operation: Operation, id: u64) {
        let stamp = match operation {
            Operation::Write(created) => {
                self.written = created;
                created
            }
            Operation::Remove(stamp) => {
                self.removed = stamp;
                stamp
            }
        };
        self.newest = id;
        self.under_way += 1;
        for layer in &mut self.layers {
            layer.fence = layer.fence.max(stamp);
            layer.debt = Debt::Owed;
        }
    }

    /// The newest operation on the key, as far as it is remembered.
    pub(super) fn newest_operation(&self) -> Option<Operation> {
        if self.written > self.removed {
            Some(Operation::Write(self.written))
        } else if self.removed > Stamp::ZERO {
            Some(Operation::Remove(self.removed))
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

    /// Nothing stands and nothing is under way: only the memory of what was done last.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way == 0 && !self.is_fenced() && !self.layers.iter().any(|layer| layer.busy)
    }

    /// Quiet, and nothing was ever written or removed: a refill that has ended.
    pub(super) fn is_blank(&self) -> bool {
        self.is_quiet() && self.newest == 0
    }
}
