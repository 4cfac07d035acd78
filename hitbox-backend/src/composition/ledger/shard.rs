mod debts;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Weak},
};

use hitbox_core::{CacheKey, CacheKeyHash, Stamp};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    Origin,
    drive::{Handoff, Work},
    record::{Change, Debt, LayerState, Record, Standing, Waiter},
    turn::{Afterwards, Effect},
};
use crate::composition::{CompositionLayer, Owed};

pub(super) use debts::Repairable;

/// How long an operation that ended without an answer may still take effect: 60 seconds. Servers
/// and connections give up earlier.
const LATE_EFFECT: Duration = Duration::from_secs(60);

/// From this many on, those who were dropped while they waited are looked for before one more is
/// let in.
const MANY_WAITING: usize = 32;

/// Why an operation was not taken on.
pub(super) enum Refusal {
    Superseded,
    Unprovable,
}

/// Which turns a change has from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turns {
    /// None: it asks for them.
    Later,
    /// Those of both layers, which must be free.
    OfBoth,
}

/// The records of some of the keys.
pub(super) struct Shard {
    records: HashMap<CacheKey, Record, CacheKeyHash>,
    /// Quiet keys, the longest quiet first, each with the record's count of ends when it came here.
    quiet: VecDeque<(CacheKey, u64)>,
    quiet_capacity: usize,
    /// Layers that something may still reach late, in the order in which that lapses.
    lapses: VecDeque<(Instant, CacheKey, CompositionLayer)>,
    /// The newest remove, and the last end, among the records that were let go.
    forgotten_remove: Stamp,
    forgotten_end: u64,
    last_id: u64,
}

impl Shard {
    pub(super) fn new(quiet_capacity: usize) -> Self {
        Self {
            records: HashMap::with_hasher(CacheKeyHash),
            quiet: VecDeque::new(),
            quiet_capacity,
            lapses: VecDeque::new(),
            forgotten_remove: Stamp::ZERO,
            forgotten_end: 0,
            last_id: 0,
        }
    }

    pub(super) fn fence(&self, key: &CacheKey, layer: CompositionLayer, coarse: Stamp) -> Stamp {
        self.records.get(key).map_or(coarse, |record| {
            record.layers[layer as usize].fence_under(coarse)
        })
    }

    pub(super) fn is_newest(&self, key: &CacheKey, id: u64) -> bool {
        self.records
            .get(key)
            .is_some_and(|record| record.newest == id)
    }

    fn layer_mut(&mut self, key: &CacheKey, layer: CompositionLayer) -> &mut LayerState {
        let record = self.records.entry(key.clone()).or_default();
        &mut record.layers[layer as usize]
    }

    /// How what has ended so far leaves `layer`.
    pub(super) fn afterwards(&self, key: &CacheKey, layer: CompositionLayer) -> Afterwards {
        let record = self.records.get(key);
        record.map_or(Afterwards::Settled, |record| {
            record.layers[layer as usize].afterwards()
        })
    }

    /// Whether an operation on one of the layers is under way.
    pub(super) fn is_busy(&self, key: &CacheKey) -> bool {
        self.records.get(key).is_some_and(Record::is_busy)
    }

    pub(super) fn begin(
        &mut self,
        key: &CacheKey,
        change: Change,
        origin: Origin,
        turns: Turns,
        standing: &mut Standing,
    ) -> Result<u64, Refusal> {
        match self.records.get(key) {
            Some(record) if record.remembers() => {
                if !record.admits(change) {
                    return Err(Refusal::Superseded);
                }
            }
            Some(_) | None => {
                if let (Change::Write(created), Origin::Load) = (change, origin)
                    && created <= self.forgotten_remove
                {
                    return Err(Refusal::Unprovable);
                }
            }
        }
        self.last_id += 1;
        let id = self.last_id;
        self.change(key, standing, |record| {
            record.begin(change, id);
            if turns == Turns::OfBoth {
                for layer in &mut record.layers {
                    layer.busy = true;
                }
            }
        });
        Ok(id)
    }

    pub(super) fn end(&mut self, key: &CacheKey, ends: u64, standing: &mut Standing) {
        self.change(key, standing, |record| record.end(ends));
    }

    /// The end of a change that had both turns, and what it did to the layers whose turns it still has.
    /// Says who is next for each of them.
    pub(super) fn settle(
        &mut self,
        key: &CacheKey,
        id: u64,
        effects: [Option<Effect>; 2],
        ends: u64,
        standing: &mut Standing,
    ) -> [Option<Waiter>; 2] {
        for layer in CompositionLayer::BOTH {
            if effects[layer as usize].is_some_and(Effect::leaves_doubt) {
                self.note_unsettled(key, layer, standing);
            }
        }
        let mut next = [None, None];
        self.change(key, standing, |record| {
            let newest = (record.newest == id).then(|| record.newest_change());
            for layer in CompositionLayer::BOTH {
                let Some(effect) = effects[layer as usize] else {
                    continue;
                };
                let state = &mut record.layers[layer as usize];
                if let Some(newest) = newest
                    && effect.confirms()
                {
                    state.confirm(newest);
                }
                next[layer as usize] = state.hand_on();
            }
            record.end(ends);
        });
        next
    }

    pub(super) fn begin_refill(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        ends_when_read_began: u64,
    ) -> Option<u64> {
        let untouched = match self.records.get(key) {
            Some(record) if record.remembers() => {
                record.under_way == 0 && record.ended <= ends_when_read_began
            }
            Some(_) | None => self.forgotten_end <= ends_when_read_began,
        } && !self.layer_mut(key, layer).busy;
        untouched.then(|| {
            let record = self.records.entry(key.clone()).or_default();
            record.layers[layer as usize].busy = true;
            record.newest
        })
    }

    /// Takes the turn if it is free, or a place in the queue for it. Returns that place, and the work
    /// in the background that may hold the turn.
    pub(super) fn take_turn_or_wait(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
    ) -> Option<(mpsc::UnboundedReceiver<Handoff>, Vec<Weak<Work>>)> {
        let record = self.records.entry(key.clone()).or_default();
        let state = &mut record.layers[layer as usize];
        if !state.busy {
            state.busy = true;
            return None;
        }
        let waiting = &mut state.waiting;
        if waiting.len() >= MANY_WAITING && waiting.len().is_power_of_two() {
            waiting.retain(|(_, waiter)| !waiter.is_closed());
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        waiting.push_back((id, sender));
        Some((receiver, record.drivers.snapshot()))
    }

    /// The layer has taken what the change with this id asked for.
    pub(super) fn note_confirmed(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
        standing: &mut Standing,
    ) {
        self.change(key, standing, |record| {
            if record.newest == id {
                let newest = record.newest_change();
                record.layers[layer as usize].confirm(newest);
            }
        });
    }

    /// What the turn under way says of the layer was found out in an earlier one. What has ceased to be
    /// able to arrive late since then may have arrived after it.
    pub(super) fn note_hearsay(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        standing: &mut Standing,
    ) {
        self.change(key, standing, |record| {
            record.layers[layer as usize].lapsed_beneath = true;
        });
    }

    /// The layer has taken a copy of a value. `id` is that of the newest change when the refill
    /// began: of one that has begun since, the refill knows nothing.
    pub(super) fn note_refilled(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        id: u64,
        created: Stamp,
        standing: &mut Standing,
    ) {
        self.change(key, standing, |record| {
            if record.newest == id {
                let newest = record.newest_change();
                record.layers[layer as usize].confirm_refill(newest, created);
            }
        });
    }

    /// An operation on the layer has ended without an answer, or was answered by a repeated attempt
    /// while the first may yet take effect.
    pub(super) fn note_unsettled(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        standing: &mut Standing,
    ) {
        let until = Instant::now() + LATE_EFFECT;
        let mut before = None;
        self.change(key, standing, |record| {
            let state = &mut record.layers[layer as usize];
            before = state.unsettled_until.replace(until);
        });
        // One entry for each layer of a key, however often it fails: the lapse that is noted already
        // looks at the record again.
        if before.is_none() {
            self.lapses.push_back((until, key.clone(), layer));
        }
    }

    /// Gives the layer free. Says who is next, if anybody waits.
    pub(super) fn release(
        &mut self,
        key: &CacheKey,
        layer: CompositionLayer,
        standing: &mut Standing,
    ) -> Option<Waiter> {
        let mut next = None;
        self.change(key, standing, |record| {
            next = record.layers[layer as usize].hand_on();
        });
        next
    }

    /// Notes work on the key that is in the background.
    pub(super) fn add_driver(&mut self, key: &CacheKey, id: u64, work: &Arc<Work>) {
        if let Some(record) = self.records.get_mut(key) {
            record.drivers.add(id, Arc::downgrade(work));
        }
    }

    /// Who waits for a turn of the key.
    pub(super) fn waiting(&self, key: &CacheKey) -> Vec<mpsc::UnboundedSender<Handoff>> {
        let Some(record) = self.records.get(key) else {
            return Vec::new();
        };
        let waiting = record.layers.iter().flat_map(|layer| &layer.waiting);
        waiting.map(|(_, waiter)| waiter.clone()).collect()
    }

    pub(super) fn remove_driver(&mut self, key: &CacheKey, id: u64) {
        if let Some(record) = self.records.get_mut(key) {
            record.drivers.remove(id);
        }
    }

    /// Where nothing can arrive late any more, what did is to be looked at.
    pub(super) fn settle_lapsed(&mut self, standing: &mut Standing) {
        if self.lapses.is_empty() {
            return;
        }
        let now = Instant::now();
        while self
            .lapses
            .front()
            .is_some_and(|(until, _, _)| *until <= now)
        {
            let Some((_, key, layer)) = self.lapses.pop_front() else {
                return;
            };
            let mut later = None;
            self.change(&key, standing, |record| {
                let unsettled = record.layers[layer as usize].unsettled_until;
                later = unsettled.filter(|until| *until > now);
                if unsettled.is_some() && later.is_none() {
                    record.lapse(layer);
                }
            });
            if let Some(until) = later {
                self.lapses.push_back((until, key, layer));
            }
        }
    }

    pub(super) fn owes(&self, layer: CompositionLayer) -> bool {
        self.records
            .values()
            .any(|record| record.is_owing() && record.layers[layer as usize].cause(0).is_some())
    }

    /// A coarse fence at `coarse` has taken the place of what single keys owe. Returns until when
    /// something may arrive late of which nothing is known any more.
    pub(super) fn forgive(
        &mut self,
        layer: CompositionLayer,
        coarse: Stamp,
        standing: &mut Standing,
    ) -> Option<Instant> {
        let mut late_until = None;
        let covered: Vec<_> = self
            .records
            .iter()
            .filter(|(_, record)| {
                let state = &record.layers[layer as usize];
                record.is_owing() && state.cause(0).is_some() && state.fence <= coarse
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in covered {
            self.change(&key, standing, |record| {
                let state = &mut record.layers[layer as usize];
                state.debt = Debt::None;
                late_until = late_until.max(state.unsettled_until.take());
                state.vouched = None;
            });
        }
        let unsettled = |key: &CacheKey, layer: CompositionLayer| {
            let record = self.records.get(key);
            record.is_some_and(|record| record.layers[layer as usize].unsettled_until.is_some())
        };
        self.lapses.retain(|(_, key, layer)| unsettled(key, *layer));
        late_until
    }

    pub(super) fn owed(&self) -> Vec<Owed> {
        let each_layer = |(key, record): (&CacheKey, &Record)| {
            CompositionLayer::BOTH.map(|layer| {
                let state = &record.layers[layer as usize];
                Some(Owed {
                    key: key.clone(),
                    layer,
                    fence: state.fence,
                    cause: state.cause(record.under_way)?,
                    attempts: state.attempts,
                    retry_in: None,
                })
            })
        };
        self.records.iter().flat_map(each_layer).flatten().collect()
    }

    /// Changes a record, keeps the counts in step, and lets the record go when it says nothing any
    /// more.
    fn change(
        &mut self,
        key: &CacheKey,
        standing: &mut Standing,
        change: impl FnOnce(&mut Record),
    ) {
        let record = match self.records.get_mut(key) {
            Some(record) => record,
            None => self.records.entry(key.clone()).or_default(),
        };
        standing.subtract(record);
        change(record);
        standing.add(record);
        if record.is_blank() && !record.queued {
            self.records.remove(key);
        } else if record.is_quiet() && !record.queued {
            record.queued = true;
            let ended = record.ended;
            self.quiet.push_back((key.clone(), ended));
            self.forget_the_longest_quiet();
        }
    }

    fn forget_the_longest_quiet(&mut self) {
        while self.quiet.len() > self.quiet_capacity {
            let Some((key, ended)) = self.quiet.pop_front() else {
                return;
            };
            let Entry::Occupied(mut entry) = self.records.entry(key.clone()) else {
                continue;
            };
            let record = entry.get_mut();
            if !record.is_quiet() {
                // It comes back when it is.
                record.queued = false;
            } else if record.ended != ended {
                // Something was done to it since it came here.
                self.quiet.push_back((key, record.ended));
            } else {
                let record = entry.remove();
                self.forgotten_remove = self.forgotten_remove.max(record.removed);
                self.forgotten_end = self.forgotten_end.max(record.ended);
            }
        }
    }
}
