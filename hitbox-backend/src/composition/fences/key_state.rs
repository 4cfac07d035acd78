//! What is known of one key: data and transitions.
//!
//! Nothing here waits, locks or knows a clock. `T` is an instant of the caller's, who says what time it is.

use hitbox_core::{CompositionLayer, Stamp};

use super::origin::{Origin, Refusal};
use crate::{Invalidations, composition::pending_repair::RepairCause};

/// A write or remove, with the stamp that orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamped {
    /// With the stamp of the value.
    Write(Stamp),
    /// With a stamp of its own.
    Remove(Stamp),
}

impl Stamped {
    /// Values at or below this are older than what the write or remove leaves behind.
    fn invalidates_up_to(self) -> Stamp {
        match self {
            Self::Write(created) => created.predecessor(),
            Self::Remove(stamp) => stamp,
        }
    }
}

/// What the newest write or remove of a key asked the layers to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Asked {
    Value,
    Nothing,
}

/// How a layer stands to the newest write or remove of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LayerSync {
    /// It has confirmed it.
    #[default]
    InSync,
    /// It has confirmed it, but something older may have taken effect after that.
    Unverified,
    /// It has not confirmed it.
    Dirty,
}

/// What a layer gives up of a key when a fence of the whole layer takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GivenUp<T> {
    /// Until when an operation on the layer that ended without an answer may take effect.
    pub(super) in_doubt_until: Option<T>,
}

/// What is known of one key in both layers.
pub(super) struct KeyState<T> {
    /// The stamp of the newest value written. Zero: none is remembered.
    written: Stamp,
    /// The stamp of the newest remove. Zero: none is remembered.
    removed: Stamp,
    /// Identifies the newest write or remove. Zero: none is remembered.
    newest: u64,
    /// Shares of writes and removes under way.
    under_way: usize,
    /// The composition's count of ends when the last of them ended, or the key was expired.
    ended: u64,
    /// Leases that pin what is known.
    pins: usize,
    /// The newest invalidations that are known, and those that may have been before anything was.
    known: Invalidations,
    forgotten: Invalidations,
    layers: [LayerState<T>; 2],
}

/// What is known of one key in one layer.
struct LayerState<T> {
    /// Values at or below it are not trusted while a repair is pending or something is in doubt.
    fence: Stamp,
    sync: LayerSync,
    /// How often a repair of the layer has failed since.
    attempts: u32,
    /// An operation on the layer ended without saying what it did, and may take effect until then.
    in_doubt_until: Option<T>,
    /// Only values above this can be in the layer, apart from late effects: it has confirmed a write, a
    /// remove or a refill. That also holds where a fence of the whole layer distrusts the rest.
    confirmed_floor: Option<Stamp>,
    /// A repair looks at the layers. Another would find the same.
    verifying: bool,
    /// Since the operation that holds the layer set out, a doubt has run out: what was in doubt may have
    /// arrived after this operation took effect, so its success does not show what the layer holds.
    doubt_ended_beneath: bool,
}

impl<T> KeyState<T> {
    /// Nothing is known of the key, but that it may have been invalidated so far.
    pub(super) fn after(forgotten: Invalidations) -> Self {
        Self {
            written: Stamp::ZERO,
            removed: Stamp::ZERO,
            newest: 0,
            under_way: 0,
            ended: 0,
            pins: 0,
            known: Invalidations::default(),
            forgotten,
            layers: [LayerState::default(), LayerState::default()],
        }
    }
}

impl<T> Default for LayerState<T> {
    fn default() -> Self {
        Self {
            fence: Stamp::ZERO,
            sync: LayerSync::InSync,
            attempts: 0,
            in_doubt_until: None,
            confirmed_floor: None,
            verifying: false,
            doubt_ended_beneath: false,
        }
    }
}

impl<T> LayerState<T> {
    const fn is_fenced(&self) -> bool {
        !matches!(self.sync, LayerSync::InSync) || self.in_doubt_until.is_some()
    }

    fn confirm(&mut self, newest: Option<Stamped>) {
        // Where no write or remove is remembered, nothing is fenced that something late could have undone,
        // and nobody could tell what to repair.
        self.sync = match newest {
            Some(_) if self.doubt_ended_beneath => LayerSync::Unverified,
            Some(_) | None => LayerSync::InSync,
        };
        self.attempts = 0;
        // What may still arrive late is older than this, and what the layer was asked to hold is trusted.
        if let Some(newest) = newest {
            self.fence = newest.invalidates_up_to();
            self.confirmed_floor = Some(newest.invalidates_up_to());
        }
    }
}

/// Writes and removes.
impl<T> KeyState<T> {
    /// Whether a write or remove of this key is remembered: a refill leaves a state without.
    pub(super) const fn remembers(&self) -> bool {
        self.newest != 0
    }

    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// The highest stamp of a write or remove.
    pub(super) fn newest_stamp(&self) -> Stamp {
        self.written.max(self.removed)
    }

    pub(super) const fn removed(&self) -> Stamp {
        self.removed
    }

    pub(super) const fn ended(&self) -> u64 {
        self.ended
    }

    /// Whether a write or remove is to be done.
    ///
    /// A value written twice (equal stamps) is written again: the later call wins. No other two tie.
    pub(super) fn admit(&self, operation: Stamped, origin: Origin) -> Result<(), Refusal> {
        let is_newest = match operation {
            Stamped::Write(created) => created >= self.written && created > self.removed,
            Stamped::Remove(stamp) => stamp > self.written && stamp > self.removed,
        };
        match (operation, origin) {
            _ if !is_newest => Err(Refusal::Superseded),
            (Stamped::Write(created), Origin::Load | Origin::Fill)
                if !self.remembers() && created <= self.forgotten.hard =>
            {
                Err(Refusal::Indeterminate)
            }
            (Stamped::Write(_) | Stamped::Remove(_), _) => Ok(()),
        }
    }

    /// A write or remove has begun: it is the newest.
    pub(super) fn begin(&mut self, operation: Stamped, origin: Origin, id: u64) {
        let stamp = match operation {
            Stamped::Write(created) => {
                self.written = created;
                created
            }
            Stamped::Remove(stamp) => {
                self.removed = stamp;
                stamp
            }
        };
        match origin {
            Origin::Load => {
                let hard = &mut self.known.hard;
                *hard = operation.invalidates_up_to().max(*hard);
            }
            // What is loaded or copied says nothing new of the source of truth.
            Origin::Fill | Origin::OtherLayer => {}
        }
        self.newest = id;
        self.under_way += 1;
        for layer in &mut self.layers {
            layer.fence = layer.fence.max(stamp);
            layer.sync = LayerSync::Dirty;
            layer.attempts = 0;
            layer.confirmed_floor = None;
        }
    }

    /// One more share of a write or remove that is under way.
    pub(super) const fn share(&mut self) {
        self.under_way += 1;
    }

    /// A share of a write or remove has ended, as the one with this number.
    pub(super) fn end(&mut self, ends: u64) {
        self.under_way -= 1;
        // Ends of one key may reach the lock out of order.
        self.ended = self.ended.max(ends);
    }

    /// Whether no write or remove is under way or has ended since there were this many ends.
    pub(super) const fn is_untouched_since(&self, ends: u64) -> bool {
        self.under_way == 0 && self.ended <= ends
    }

    fn newest_operation(&self) -> Option<Stamped> {
        if self.written > self.removed {
            Some(Stamped::Write(self.written))
        } else if self.removed > Stamp::ZERO {
            Some(Stamped::Remove(self.removed))
        } else {
            None
        }
    }
}

/// Loads.
impl<T> KeyState<T> {
    /// The newest invalidations that are known, or may have been.
    pub(super) fn invalidations(&self) -> Invalidations {
        self.known.combine(self.forgotten)
    }

    /// A lease pins what is known.
    pub(super) const fn pin(&mut self) {
        self.pins += 1;
    }

    pub(super) const fn unpin(&mut self) {
        self.pins -= 1;
    }

    /// Values at or below this stamp are stale from now on. It is the end with this number.
    pub(super) fn expire(&mut self, stamp: Stamp, ends: u64) {
        self.known.soft = self.known.soft.max(stamp);
        // Also keeps the key among the last to be forgotten.
        self.ended = self.ended.max(ends);
    }

    /// Values at or below this stamp are stale. Zero: none.
    pub(super) fn soft_expiry(&self) -> Stamp {
        self.standing(self.invalidations().soft)
    }

    /// The same, of what is known.
    pub(super) fn known_soft_expiry(&self) -> Stamp {
        self.standing(self.known.soft)
    }

    /// Where a newer write or remove is remembered, the layers serve nothing that a soft expiry is about.
    fn standing(&self, soft: Stamp) -> Stamp {
        if soft < self.newest_stamp() {
            Stamp::ZERO
        } else {
            soft
        }
    }
}

/// Operations on a layer.
impl<T: Copy + Ord> KeyState<T> {
    fn layer(&self, layer: CompositionLayer) -> &LayerState<T> {
        &self.layers[layer as usize]
    }

    fn layer_mut(&mut self, layer: CompositionLayer) -> &mut LayerState<T> {
        &mut self.layers[layer as usize]
    }

    /// An operation on the layer sets out.
    pub(super) fn set_out(&mut self, layer: CompositionLayer) {
        self.layer_mut(layer).doubt_ended_beneath = false;
    }

    /// The layer has taken what the write or remove with this id asked for.
    pub(super) fn confirm(&mut self, layer: CompositionLayer, id: u64) {
        if self.newest == id {
            let newest = self.newest_operation();
            self.layer_mut(layer).confirm(newest);
        }
    }

    /// The layer has taken a copy of a trusted value with this stamp. `id` is that of the newest write or
    /// remove when the refill began: of one that has begun since, the refill knows nothing.
    pub(super) fn confirm_refill(&mut self, layer: CompositionLayer, id: u64, created: Stamp) {
        if self.newest == id {
            let newest = self.newest_operation();
            let layer = self.layer_mut(layer);
            layer.confirm(newest);
            layer.confirmed_floor = Some(created.predecessor());
        }
    }

    /// An operation on the layer ended without an answer, or a repeated attempt answered for it. Returns
    /// until when the layer was in doubt before.
    pub(super) fn doubt(&mut self, layer: CompositionLayer, until: T) -> Option<T> {
        self.layer_mut(layer).in_doubt_until.replace(until)
    }

    /// Ends the doubt about the layer if it has run out. Returns until when it lasts else.
    pub(super) fn lapse(&mut self, layer: CompositionLayer, now: T) -> Option<T> {
        // Where no write or remove is remembered, nothing is fenced that a late effect could have undone.
        let remembers = self.remembers();
        let state = self.layer_mut(layer);
        let until = state.in_doubt_until?;
        if until > now {
            return Some(until);
        }
        state.in_doubt_until = None;
        state.doubt_ended_beneath = true;
        if remembers && state.sync == LayerSync::InSync {
            state.sync = LayerSync::Unverified;
        }
        None
    }

    pub(super) fn is_in_doubt(&self, layer: CompositionLayer) -> bool {
        self.layer(layer).in_doubt_until.is_some()
    }
}

/// Fences and repairs.
impl<T: Copy + Ord> KeyState<T> {
    /// The fence that reads of the layer respect, where everything at or below `whole_layer` is distrusted
    /// that is not known better. Zero: none.
    pub(super) fn fence(&self, layer: CompositionLayer, whole_layer: Stamp) -> Stamp {
        let state = self.layer(layer);
        let own = if state.is_fenced() {
            state.fence
        } else {
            Stamp::ZERO
        };
        if whole_layer == Stamp::ZERO {
            return own;
        }
        own.max(state.confirmed_floor.unwrap_or(whole_layer))
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.layers.iter().any(LayerState::is_fenced)
    }

    /// Whether reads have to look at the key, for what is known.
    pub(super) fn concerns_reads(&self) -> bool {
        self.is_fenced() || self.known_soft_expiry() > Stamp::ZERO
    }

    /// A layer is fenced, and no write or remove is under way that would change that.
    pub(super) fn is_pending(&self) -> bool {
        self.under_way == 0 && self.is_fenced()
    }

    /// The layer has a repair pending, and no write or remove is under way that would do it.
    pub(super) fn is_repairable(&self, layer: CompositionLayer) -> bool {
        self.under_way == 0 && self.layer(layer).sync != LayerSync::InSync
    }

    /// Why reads of the layer respect a fence: `None` if they respect none.
    pub(super) fn cause(&self, layer: CompositionLayer) -> Option<RepairCause> {
        let state = self.layer(layer);
        match (state.sync, self.under_way, state.in_doubt_until) {
            (LayerSync::Dirty, 0, _) => Some(RepairCause::Unconfirmed),
            (LayerSync::Dirty, _, _) => Some(RepairCause::InFlight),
            (LayerSync::Unverified, _, _) | (LayerSync::InSync, _, Some(_)) => {
                Some(RepairCause::InDoubt)
            }
            (LayerSync::InSync, _, None) => None,
        }
    }

    /// Whether the layer has confirmed the newest write or remove.
    pub(super) fn has_confirmed(&self, layer: CompositionLayer) -> bool {
        self.layer(layer).sync != LayerSync::Dirty
    }

    /// The stamp of the layer's own fence, whether or not it stands.
    pub(super) fn fence_stamp(&self, layer: CompositionLayer) -> Stamp {
        self.layer(layer).fence
    }

    /// How many repairs of the layer have failed.
    pub(super) fn attempts(&self, layer: CompositionLayer) -> u32 {
        self.layer(layer).attempts
    }

    pub(super) fn note_attempt(&mut self, layer: CompositionLayer) {
        let state = self.layer_mut(layer);
        state.attempts = state.attempts.saturating_add(1);
    }

    /// What a repair has to bring about in the layer; `None` if there is nothing to repair.
    pub(super) fn asked(&self, layer: CompositionLayer) -> Option<Asked> {
        if !self.is_repairable(layer) {
            return None;
        }
        self.newest_operation().map(|newest| match newest {
            Stamped::Write(_) => Asked::Value,
            Stamped::Remove(_) => Asked::Nothing,
        })
    }

    /// The same for a repair that begins to look at the layers now; `None` also if another does.
    pub(super) fn begin_verifying(&mut self, layer: CompositionLayer) -> Option<Asked> {
        let asked = self.asked(layer)?;
        let state = self.layer_mut(layer);
        if state.verifying {
            return None;
        }
        state.verifying = true;
        Some(asked)
    }

    pub(super) fn end_verifying(&mut self, layer: CompositionLayer) {
        self.layer_mut(layer).verifying = false;
    }

    /// Gives up what is pending in the layer, if a fence of the whole layer at `whole_layer` stands for it.
    pub(super) fn give_up(
        &mut self,
        layer: CompositionLayer,
        whole_layer: Stamp,
    ) -> Option<GivenUp<T>> {
        let is_fenced = self.layer(layer).is_fenced();
        if self.under_way > 0 || !is_fenced || self.fence_stamp(layer) > whole_layer {
            return None;
        }
        let state = self.layer_mut(layer);
        state.sync = LayerSync::InSync;
        state.confirmed_floor = None;
        Some(GivenUp {
            in_doubt_until: state.in_doubt_until.take(),
        })
    }

    /// Nothing is fenced, pinned or under way: only the memory of what was done last.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.pins == 0 && !self.is_fenced()
    }

    /// Idle, with nothing to remember: a refill that has ended without effect, or a lease.
    pub(super) fn is_empty(&self) -> bool {
        let confirmed = self
            .layers
            .iter()
            .any(|layer| layer.confirmed_floor.is_some());
        self.is_idle() && !self.remembers() && !confirmed && self.known.soft == Stamp::ZERO
    }
}

#[cfg(test)]
mod tests;
