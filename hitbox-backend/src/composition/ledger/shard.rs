use std::collections::{HashMap, VecDeque, hash_map::Entry};

use hitbox_core::{CacheKey, Stamp};

use super::{
    Effect,
    record::{Debt, LayerState, Operation, Record, Standing},
};
use crate::composition::{CompositionLayer, Owed};

/// How long an operation that ended without an answer may still take effect: 60 seconds. Servers
/// and connections give up earlier.
const LATE_EFFECT_MICROS: u64 = 60 * 1_000_000;

/// Why an operation was not taken on.
pub(super) enum Refusal {
    Superseded,
    Unprovable,
}

/// The records of some of the keys.
pub(super) struct Shard {
    records: HashMap<CacheKey, Record>,
    /// Keys in the order in which they became quiet, with the record's count of ends at that time.
    /// An entry whose record has changed since is passed over.
    quiet: VecDeque<(CacheKey, u64)>,
    quiet_capacity: usize,
    /// Layers that something may still reach late, in the order in which that lapses.
    lapses: VecDeque<(Stamp, CacheKey, CompositionLayer)>,
    /// The newest remove, and the last end, among the records that were let go.
    forgotten_remove: Stamp,
    forgotten_end: u64,
    last_id: u64,
}

impl Shard {
    pub(super) fn new(quiet_capacity: usize) -> Self {
        Self {
            records: HashMap::new(),
            quiet: VecDeque::new(),
            quiet_capacity,
            lapses: VecDeque::new(),
            forgotten_remove: Stamp::ZERO,
            forgotten_end: 0,
            last_id: 0,
        }
    }

    pub(super) fn fence(&self, key: &CacheKey, layer: CompositionLayer) -> Stamp {
        self.records.get(key).map_or(Stamp::ZERO, |record| {
            record.layers[layer as usize].standing_fence()
        })
    }

    pub(super) fn is_newest(&self, key: &CacheKey, id: u64) -> bool {
        self.records
            .get(key)
            .is_some_and(|record| record.newest == id)
    }

    pub(super) fn layer_mut(&mut self, key: &CacheKey, layer: CompositionLayer) -> &mut LayerState {
        let record = self.records.entry(key.clone()).or_default();
        &mut record.layers[layer as usize]
    }

    pub(super) fn begin(
        &mut self,
        key: &CacheKey,
        operation: Operation,
        standing: &mut Standing,
    ) -> Result<u64, Refusal> {
        match self.records.get(key) {
            Some(record) if !record.admits(operation) => return Err(Refusal::Superseded),
            Some(_) => {}
            None => {
                if let Operation::Write(created) = operation
                    && created <= self.forgotten_remove
                {
                    return Err(Refusal::Unprovable);
                }
            }
        }
        self.last_id += 1;
        let id = self.last_id;
        self.change(key, standing, |record| record.begin(operation, id));
        Ok(id)
    }

    pub(super) fn end(&mut self, key: &CacheKey, ends: u64, standing: &mut Standing) {
        self.change(key, standing, |record| {
            record.under_way -= 1;
            // Ends of one key may reach the lock out of order.
            record.ended = record.ended.max(ends);
        });
    }

    pub(super) fn begin_refill(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        ends_when_read_began: u64,
    ) -> Option<u64> {
        let untouched = match self.records.get(key) {
            Some(record) => {
                record.under_way == 0
                    && record.ended <= ends_when_read_began
                    && !record.layers[layer as usize].busy
            }
            None => self.forgotten_end <= ends_when_read_began,
        };
        untouched.then(|| {
            let record = self.records.entry(key.clone()).or_default();
            record.layers[layer as usize].busy = true;
            record.newest
        })
    }

    /// Notes what an operation has done to a layer. `id` is that of the newest mutation which it
    /// leaves the layer up to date with.
    pub(super) fn note_effect(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
        effect: Effect,
        standing: &mut Standing,
    ) {
        let lapse = (effect == Effect::Unknown)
            .then(|| Stamp::from_micros(Stamp::now().as_micros() + LATE_EFFECT_MICROS));
        if let Some(until) = lapse {
            self.lapses.push_back((until, key.clone(), layer));
        }
        self.change(key, standing, |record| {
            let is_newest = record.newest == id;
            let newest = record.newest_operation();
            let state = &mut record.layers[layer as usize];
            match effect {
                Effect::Confirmed if is_newest => state.confirm(newest),
                Effect::Confirmed | Effect::None => {}
                Effect::Unknown => {
                    state.unsettled_until = lapse.unwrap_or(Stamp::ZERO);
                }
            }
        });
    }

    /// Gives the layer free. Says who is next, if anybody waits.
    pub(super) fn release(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        standing: &mut Standing,
    ) -> Option<(u64, tokio::sync::oneshot::Sender<super::Turn>)> {
        let waiting = &mut self.layer_mut(key, layer).waiting;
        let mut next = waiting.pop_front();
        // Those who were dropped while they waited are passed over here, in a loop: a turn handed
        // to each of them would come back one drop deeper in the stack every time.
        while next.as_ref().is_some_and(|(_, waiter)| waiter.is_closed()) {
            next = waiting.pop_front();
        }
        if next.is_none() {
            self.change(key, standing, |record| {
                record.layers[layer as usize].busy = false;
            });
        }
        next
    }

    /// Lets go of what can no longer arrive late.
    pub(super) fn settle_lapsed(&mut self, standing: &mut Standing) {
        if self.lapses.is_empty() {
            return;
        }
        let now = Stamp::now();
        while let Some((until, _, _)) = self.lapses.front()
            && *until <= now
        {
            let Some((until, key, layer)) = self.lapses.pop_front() else {
                return;
            };
            self.change(&key, standing, |record| {
                let state = &mut record.layers[layer as usize];
                if state.unsettled_until <= until {
                    state.unsettled_until = Stamp::ZERO;
                }
            });
        }
    }

    pub(super) fn owes(&self, layer: CompositionLayer) -> bool {
        self.records.values().any(|record| {
            record.is_owing() && record.layers[layer as usize].standing_fence() > Stamp::ZERO
        })
    }

    /// A coarse fence at `coarse` has taken the place of what single keys owe.
    pub(super) fn forgive(
        &mut self,
        layer: CompositionLayer,
        coarse: Stamp,
        standing: &mut Standing,
    ) {
        let covered: Vec<_> = self
            .records
            .iter()
            .filter(|(_, record)| {
                record.is_owing() && record.layers[layer as usize].fence <= coarse
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in covered {
            self.change(&key, standing, |record| {
                let state = &mut record.layers[layer as usize];
                state.debt = Debt::None;
                state.unsettled_until = Stamp::ZERO;
            });
        }
    }

    pub(super) fn owed(&self) -> Vec<Owed> {
        let at_rest = self
            .records
            .iter()
            .filter(|(_, record)| record.under_way == 0);
        at_rest
            .flat_map(|(key, record)| {
                CompositionLayer::BOTH.into_iter().filter_map(|layer| {
                    let state = &record.layers[layer as usize];
                    Some(Owed {
                        key: key.clone(),
                        layer,
                        fence: state.fence,
                        cause: state.bypassed_for()?,
                    })
                })
            })
            .collect()
    }

    /// Changes a record, keeps the counts in step, and lets the record go when it says nothing any
    /// more.
    fn change(
        &mut self,
        key: &CacheKey,
        standing: &mut Standing,
        change: impl FnOnce(&mut Record),
    ) {
        let mut entry = match self.records.entry(key.clone()) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Record::default()),
        };
        let record = entry.get_mut();
        let (was_fenced, was_owing) = (record.is_fenced(), record.is_owing());
        change(record);
        standing.fenced += isize::from(record.is_fenced()) - isize::from(was_fenced);
        standing.owing += isize::from(record.is_owing()) - isize::from(was_owing);
        if record.is_blank() {
            entry.remove();
        } else if record.is_quiet() {
            let ended = record.ended;
            self.quiet.push_back((key.clone(), ended));
            self.forget_the_oldest();
        }
    }

    fn forget_the_oldest(&mut self) {
        while self.quiet.len() > self.quiet_capacity {
            let Some((key, ended)) = self.quiet.pop_front() else {
                return;
            };
            if let Entry::Occupied(entry) = self.records.entry(key)
                && entry.get().is_quiet()
                && entry.get().ended == ended
            {
                let record = entry.remove();
                self.forgotten_remove = self.forgotten_remove.max(record.removed);
                self.forgotten_end = self.forgotten_end.max(record.ended);
            }
        }
    }
}
