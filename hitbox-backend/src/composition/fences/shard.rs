//! The keys of one lock: what is known of each, and who changes it.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    sync::Arc,
};

use hitbox_core::{CacheKey, CacheKeyHash, CompositionLayer, Stamp};
use tokio::time::{Duration, Instant};

use super::{
    counts::CountDelta,
    effect::Effect,
    entry::{Entry, Permits, TryPermit},
    forgotten::Forgotten,
    help::SharedTask,
    idle::Idle,
    key_state::{Asked, KeyState, Stamped},
    origin::{Origin, Refusal},
    repairable::Repairable,
    waiters::{Offers, Place, Waiter},
};
use crate::{Invalidations, composition::pending_repair::PendingRepair};

/// How long an operation that ended without an answer may still take effect: 60 seconds. Servers
/// and connections give up earlier.
const IN_DOUBT_FOR: Duration = Duration::from_secs(60);

/// Some of the keys.
pub(super) struct Shard {
    entries: HashMap<CacheKey, Entry, CacheKeyHash>,
    idle: Idle,
    /// Layers that something may still reach late, in the order in which that lapses.
    lapses: VecDeque<(Instant, CacheKey, CompositionLayer)>,
    /// Per layer: keys that were given up. What the layer's fence is about.
    given_up: [Forgotten; 2],
    last_id: u64,
    /// How often a layer was changed, or was about to be, as far as a read of L2 may have missed it.
    changes: u64,
}

impl Shard {
    pub(super) fn new(idle_capacity: usize) -> Self {
        Self {
            entries: HashMap::with_hasher(CacheKeyHash),
            idle: Idle::new(idle_capacity),
            lapses: VecDeque::new(),
            given_up: [(); 2].map(|()| Forgotten::new(idle_capacity)),
            last_id: 0,
            changes: 0,
        }
    }

    /// How many keys are on record.
    #[cfg(all(test, not(hitbox_schedules)))]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn state(&self, key: &CacheKey) -> Option<&KeyState<Instant>> {
        self.entries.get(key).map(|entry| &entry.state)
    }

    fn state_mut(&mut self, key: &CacheKey) -> Option<&mut KeyState<Instant>> {
        self.entries.get_mut(key).map(|entry| &mut entry.state)
    }

    /// The fence that reads of the key in the layer respect, where forgotten keys have one at `whole_layer`.
    pub(super) fn fence(
        &self,
        key: &CacheKey,
        layer: CompositionLayer,
        whole_layer: Stamp,
    ) -> Stamp {
        let whole_layer = if self.may_be_given_up(key, layer) {
            whole_layer
        } else {
            Stamp::ZERO
        };
        let state = self.state(key);
        state.map_or(whole_layer, |state| state.fence(layer, whole_layer))
    }

    /// The key, which is on record from now on.
    fn entry_mut(&mut self, key: &CacheKey) -> &mut Entry {
        let idle = &self.idle;
        let entry = self.entries.entry(key.clone());
        entry.or_insert_with(|| Entry::after(idle.forgotten(key)))
    }

    pub(super) fn is_newest(&self, key: &CacheKey, id: u64) -> bool {
        self.state(key).is_some_and(|state| state.newest() == id)
    }

    /// How often L2 has been changed, for some key.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Registers a change. Returns its number, and by layer whether it has the permit.
    pub(super) fn begin(
        &mut self,
        key: &CacheKey,
        operation: Stamped,
        origin: Origin,
        permits: Permits,
        delta: &mut CountDelta,
    ) -> Result<(u64, [bool; 2]), Refusal> {
        match self.state(key) {
            Some(state) => state.admit(operation, origin)?,
            None => {
                let unknown = KeyState::<Instant>::after(self.idle.forgotten(key));
                unknown.admit(operation, origin)?;
            }
        }
        self.changes += 1;
        self.last_id += 1;
        let id = self.last_id;
        let mut held = [false; 2];
        self.change(key, delta, |entry| {
            entry.state.begin(operation, origin, id);
            if permits == Permits::IfFree {
                held = CompositionLayer::BOTH.map(|layer| entry.take_if_free(layer));
            }
        });
        Ok((id, held))
    }

    /// Another share of a change that is under way.
    pub(super) fn share(&mut self, key: &CacheKey) {
        if let Some(state) = self.state_mut(key) {
            state.share();
        }
    }

    /// The end of a share, and what was done to the layers whose permits it has. Says who is next for each of them.
    pub(super) fn settle(
        &mut self,
        key: &CacheKey,
        id: u64,
        effects: [Option<Effect>; 2],
        ends: u64,
        delta: &mut CountDelta,
    ) -> [Option<Waiter>; 2] {
        for layer in CompositionLayer::BOTH {
            if effects[layer as usize].is_some_and(Effect::leaves_doubt) {
                self.note_doubt(key, layer, delta);
            }
        }
        self.changes += 1;
        let mut next = [None, None];
        self.change(key, delta, |entry| {
            for layer in CompositionLayer::BOTH {
                let Some(effect) = effects[layer as usize] else {
                    continue;
                };
                if effect.confirms() {
                    entry.state.confirm(layer, id);
                }
                next[layer as usize] = entry.hand_on(layer);
            }
            entry.state.end(ends);
        });
        next
    }

    pub(super) fn begin_refill(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        ends_when_read_began: u64,
    ) -> Option<u64> {
        let entry = self.entries.get(key);
        let untouched = match entry {
            Some(entry) if entry.state.remembers() => {
                entry.state.is_untouched_since(ends_when_read_began)
            }
            Some(_) | None => self.idle.is_untouched_since(ends_when_read_began),
        };
        if !untouched || entry.is_some_and(|entry| entry.waiters.is_busy_in(layer)) {
            return None;
        }
        let entry = self.entry_mut(key);
        entry.take(layer);
        Some(entry.state.newest())
    }

    /// Takes the permit for a change if it is free, and nothing newer has been done to the key.
    pub(super) fn try_permit(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
    ) -> TryPermit {
        let entry = self.entry_mut(key);
        if entry.state.newest() != id {
            TryPermit::Overtaken
        } else if entry.take_if_free(layer) {
            TryPermit::Held
        } else {
            TryPermit::Busy
        }
    }

    /// Whether the layer has confirmed the newest change of the key, as far as is remembered.
    pub(super) fn has_confirmed(&self, key: &CacheKey, layer: CompositionLayer) -> bool {
        self.state(key)
            .is_none_or(|state| state.has_confirmed(layer))
    }

    /// Takes the permit if it is free, or a place in the queue for it.
    pub(super) fn take_permit_or_wait(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Place> {
        let entry = self.entry_mut(key);
        if entry.take_if_free(layer) {
            return None;
        }
        Some(entry.waiters.wait(layer))
    }

    /// The layer has taken what the change with this id asked for.
    pub(super) fn note_confirmed(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
        delta: &mut CountDelta,
    ) {
        self.changes += 1;
        self.change(key, delta, |entry| entry.state.confirm(layer, id));
    }

    /// The layer has taken a copy of a value. `id` is that of the newest change when the refill
    /// began: of one that has begun since, the refill knows nothing.
    ///
    /// Of a key that is not remembered, nothing is kept: most refills are of such keys, and each would push the record
    /// of a write or a remove out.
    pub(super) fn note_refilled(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
        created: Stamp,
        delta: &mut CountDelta,
    ) {
        match layer {
            CompositionLayer::L1 => {}
            CompositionLayer::L2 => self.changes += 1,
        }
        // Nothing else is fenced, and only reads of a key that may have been given up ask for the floor.
        let is_remembered = self.state(key).is_some_and(KeyState::remembers);
        if is_remembered || self.may_be_given_up(key, layer) {
            self.change(key, delta, |entry| {
                entry.state.confirm_refill(layer, id, created);
            });
        }
    }

    /// An operation on the layer has ended without an answer, or was answered by a repeated attempt
    /// while the first may yet take effect.
    pub(super) fn note_doubt(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        delta: &mut CountDelta,
    ) {
        let until = Instant::now() + IN_DOUBT_FOR;
        let mut before = None;
        self.change(key, delta, |entry| {
            before = entry.state.doubt(layer, until);
        });
        // One entry for each layer of a key, however often it fails: the lapse that is noted already
        // looks at the key again.
        if before.is_none() {
            self.lapses.push_back((until, key.clone(), layer));
        }
    }

    /// Gives the layer free. Says who is next, if anybody waits.
    pub(super) fn release(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        delta: &mut CountDelta,
    ) -> Option<Waiter> {
        let mut next = None;
        self.change(key, delta, |entry| next = entry.hand_on(layer));
        next
    }

    /// Notes a task in the background that may hold a permit of the key.
    pub(super) fn add_task(&mut self, key: &CacheKey, id: u64, task: &Arc<SharedTask>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.waiters.add_task(id, task);
        }
    }

    pub(super) fn remove_task(&mut self, key: &CacheKey, id: u64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.waiters.remove_task(id);
        }
    }

    /// Where those who wait for a permit of the key are offered tasks.
    pub(super) fn offers(&self, key: &CacheKey) -> Vec<Offers> {
        let entry = self.entries.get(key);
        entry.map_or_else(Vec::new, |entry| entry.waiters.offers())
    }

    /// Where nothing can arrive late any more, what did is to be looked at.
    pub(super) fn end_lapsed_doubts(&mut self, delta: &mut CountDelta) {
        if self.lapses.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((until, _, _)) = self.lapses.front()
            && *until <= now
        {
            let Some((_, key, layer)) = self.lapses.pop_front() else {
                return;
            };
            let mut later = None;
            self.change(&key, delta, |entry| later = entry.state.lapse(layer, now));
            if let Some(until) = later {
                self.lapses.push_back((until, key, layer));
            }
        }
    }

    pub(super) fn has_pending(&self, layer: CompositionLayer) -> bool {
        let mut states = self.entries.values().map(|entry| &entry.state);
        states.any(|state| state.is_pending() && state.cause(layer).is_some())
    }

    fn may_be_given_up(&self, key: &CacheKey, layer: CompositionLayer) -> bool {
        self.given_up[layer as usize].may_contain(key)
    }

    /// The layer's fence at `whole_layer` takes the place of the repairs that are pending for single keys. Returns until when
    /// something may arrive late of which nothing is known any more.
    pub(super) fn forgive(
        &mut self,
        layer: CompositionLayer,
        whole_layer: Stamp,
        delta: &mut CountDelta,
    ) -> Option<Instant> {
        let mut late_until = None;
        let pending: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state.is_pending())
            .map(|(key, _)| key.clone())
            .collect();
        for key in pending {
            let mut given_up = None;
            self.change(&key, delta, |entry| {
                given_up = entry.state.give_up(layer, whole_layer);
            });
            if let Some(given_up) = given_up {
                self.given_up[layer as usize].insert(&key);
                late_until = late_until.max(given_up.in_doubt_until);
            }
        }
        let is_in_doubt = |key: &CacheKey, layer: CompositionLayer| {
            let entry = self.entries.get(key);
            entry.is_some_and(|entry| entry.state.is_in_doubt(layer))
        };
        self.lapses
            .retain(|(_, key, layer)| is_in_doubt(key, *layer));
        late_until
    }

    /// The layer has been emptied: nothing of it is given up any more.
    pub(super) fn forget_given_up(&mut self, layer: CompositionLayer) {
        self.given_up[layer as usize].clear();
    }

    pub(super) fn pending_repairs(&self) -> Vec<PendingRepair> {
        let each_layer = |(key, entry): (&CacheKey, &Entry)| {
            CompositionLayer::BOTH.map(|layer| {
                Some(PendingRepair {
                    key: key.clone(),
                    layer,
                    fence: entry.state.fence_stamp(layer),
                    cause: entry.state.cause(layer)?,
                    attempts: entry.state.attempts(layer),
                    retry_in: None,
                })
            })
        };
        self.entries.iter().flat_map(each_layer).flatten().collect()
    }

    /// Changes what is known of a key, keeps the counts in step, and lets the key go when there is
    /// nothing to say of it any more.
    fn change(&mut self, key: &CacheKey, delta: &mut CountDelta, change: impl FnOnce(&mut Entry)) {
        let idle = &self.idle;
        let entry = match self.entries.get_mut(key) {
            Some(entry) => entry,
            None => {
                let entry = self.entries.entry(key.clone());
                entry.or_insert_with(|| Entry::after(idle.forgotten(key)))
            }
        };
        delta.subtract(&entry.state);
        change(entry);
        delta.add(&entry.state);
        if entry.is_empty() && !entry.queued {
            self.entries.remove(key);
        } else if entry.is_idle() && !entry.queued {
            entry.queued = true;
            let ended = entry.state.ended();
            self.idle.push(key.clone(), ended);
            self.forget_the_longest_idle(delta);
        }
    }

    fn forget_the_longest_idle(&mut self, delta: &mut CountDelta) {
        while let Some((key, ended)) = self.idle.pop_surplus() {
            let hash_map::Entry::Occupied(mut occupied) = self.entries.entry(key.clone()) else {
                continue;
            };
            let entry = occupied.get_mut();
            if !entry.is_idle() {
                // It comes back when it is.
                entry.queued = false;
            } else if entry.state.ended() != ended {
                // Something was done to it since it came here.
                self.idle.push(key, entry.state.ended());
            } else {
                let (key, Entry { state, .. }) = occupied.remove_entry();
                delta.subtract(&state);
                delta.of_reads -= isize::from(self.idle.concerns_reads());
                self.idle.forget(&key, &state);
                delta.of_reads += isize::from(self.idle.concerns_reads());
            }
        }
    }
}

/// What loads ask.
impl Shard {
    /// The newest invalidations of the key that are known, or may have been.
    pub(super) fn invalidations(&self, key: &CacheKey) -> Invalidations {
        let state = self.state(key);
        state.map_or_else(|| self.idle.forgotten(key), KeyState::invalidations)
    }

    /// Values of the key at or below this stamp are stale. Zero: none.
    pub(super) fn soft_expiry(&self, key: &CacheKey) -> Stamp {
        let state = self.state(key);
        state.map_or_else(|| self.idle.forgotten(key).soft, KeyState::soft_expiry)
    }

    /// The key is not forgotten until it is unpinned.
    pub(super) fn pin(&mut self, key: &CacheKey, delta: &mut CountDelta) {
        self.change(key, delta, |entry| entry.state.pin());
    }

    pub(super) fn unpin(&mut self, key: &CacheKey, delta: &mut CountDelta) {
        self.change(key, delta, |entry| entry.state.unpin());
    }

    /// Values of the key at or below this stamp are stale from now on. It is the end with this number.
    pub(super) fn expire(
        &mut self,
        key: &CacheKey,
        stamp: Stamp,
        ends: u64,
        delta: &mut CountDelta,
    ) {
        self.changes += 1;
        self.change(key, delta, |entry| entry.state.expire(stamp, ends));
    }
}

/// What repairs ask.
impl Shard {
    /// What `layer` should hold of `key`, if a repair of that is pending and no operation is about to change it.
    pub(super) fn repairable(&self, key: &CacheKey, layer: CompositionLayer) -> Option<Asked> {
        let entry = self.entries.get(key)?;
        if entry.waiters.is_busy_in(layer) {
            return None;
        }
        entry.state.asked(layer)
    }

    /// The same for a repair that sets out now, unless another has.
    pub(super) fn begin_verifying(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Asked> {
        let entry = self.entries.get_mut(key)?;
        if entry.waiters.is_busy_in(layer) {
            return None;
        }
        entry.state.begin_verifying(layer)
    }

    pub(super) fn end_verifying(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(state) = self.state_mut(key) {
            state.end_verifying(layer);
        }
    }

    pub(super) fn list_repairable(&self, layer: CompositionLayer, list: &mut Vec<Repairable>) {
        let entries = self.entries.iter();
        list.extend(entries.filter_map(|(key, entry)| Repairable::of(key, &entry.state, layer)));
    }

    pub(super) fn note_attempt(&mut self, key: &CacheKey, layer: CompositionLayer) {
        if let Some(state) = self.state_mut(key) {
            state.note_attempt(layer);
        }
    }

    /// When a layer is next to be looked at because nothing can arrive there late any more.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.lapses.front().map(|(until, _, _)| *until)
    }
}
