//! The flights of all keys.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, PoisonError},
};

use hitbox_backend::{
    CacheKey, Stamp,
    flights::{Caller, Coming, FlightId, KeyFlights, Standing, Terms, Turn, accepts},
};
use hitbox_core::CacheKeyHash;

use super::{
    flight::{Ended, Flight},
    recent_ends::RecentEnds,
};
use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

/// Enough that two cores rarely meet in one; each costs an empty map.
const SHARDS: usize = 64;

/// For how many keys a shard that has none keeps room.
const ROOM_KEPT: usize = 32;

pub(crate) struct FlightTable {
    shards: Box<[Mutex<Shard>]>,
    /// Numbers the ends of flights and inserts.
    ends: AtomicU64,
}

#[derive(Default)]
struct Shard {
    keys: HashMap<CacheKey, KeyFlights<Arc<Flight>>, CacheKeyHash>,
    ids: FlightId,
    recent: RecentEnds,
}

/// A caller and the key that he comes for.
pub(crate) struct Visit<'k> {
    pub(crate) key: &'k CacheKey,
    pub(crate) terms: Terms,
    /// Made when he first comes.
    pub(crate) came: Option<Stamp>,
    pub(crate) refused: Option<FlightId>,
}

impl<'k> Visit<'k> {
    pub(crate) const fn new(key: &'k CacheKey, terms: Terms) -> Self {
        Self {
            key,
            terms,
            came: None,
            refused: None,
        }
    }

    /// Whether he may have a value that was created then, of a flight that began then.
    pub(crate) fn accepts(
        &self,
        began: Stamp,
        created: Stamp,
        invalidated: impl FnOnce() -> Stamp,
    ) -> bool {
        // One who has not come yet takes what any caller may.
        accepts(self.came.unwrap_or(began), began, created, invalidated)
    }

    /// He comes. To be called under the lock of the table: so it is later than the stamp of every flight that has begun.
    fn caller(&mut self) -> Caller {
        Caller {
            came: *self.came.get_or_insert_with(Stamp::now),
            terms: self.terms,
            refused: self.refused,
        }
    }

    /// He will not have this flight.
    pub(crate) fn refuse(&mut self, flight: &Flight) {
        self.refused = Some(flight.id);
    }
}

impl FlightTable {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            ends: AtomicU64::new(0),
        }
    }

    /// How many flights and inserts have ended. A caller asks before he reads: a hit, too.
    #[inline]
    pub(crate) fn ends(&self) -> u64 {
        self.ends.load(Ordering::Acquire)
    }

    /// A caller comes. `invalidated` tells the stamp of the key's newest invalidation.
    pub(crate) fn come(
        &self,
        visit: &mut Visit<'_>,
        invalidated: impl FnOnce(&CacheKey) -> Stamp,
    ) -> Coming<Arc<Flight>> {
        let mut shard = self.shard(visit.key);
        let caller = visit.caller();
        let Shard { keys, ids, .. } = &mut *shard;
        let flights = match keys.get_mut(visit.key) {
            Some(flights) => flights,
            None => keys.entry(visit.key.clone()).or_default(),
        };
        let coming = flights.come(caller, invalidated(visit.key), || {
            let id = ids.take_next();
            (id, Flight::new(id, visit.key.clone()))
        });
        // What he has overtaken may be wanted by nobody.
        drop_abandoned(flights);
        if let (Coming::Join(flight), Terms::BegunLater) = (&coming, visit.terms) {
            // It has not begun yet, or he would not join it.
            flight.load_in_any_case();
        }
        coming
    }

    /// A caller comes who has read nothing yet, and would have to wait for that: he joins the flight that another leads who
    /// has found nothing, if it is under way, and he may. `invalidated` tells the stamp of the key's newest invalidation.
    pub(crate) fn join_for_a_miss(
        &self,
        visit: &mut Visit<'_>,
        invalidated: impl FnOnce(&CacheKey) -> Stamp,
    ) -> Option<Arc<Flight>> {
        let mut shard = self.shard(visit.key);
        let flights = shard.keys.get_mut(visit.key)?;
        flights.current().filter(|flight| flight.is_of_a_miss())?;
        flights.join(visit.caller(), invalidated(visit.key))
    }

    /// Whether the flight may begin.
    pub(crate) fn turn(&self, flight: &Flight) -> Turn<Arc<Flight>> {
        let shard = self.shard(flight.key());
        let flights = shard.keys.get(flight.key());
        flights.map_or(Turn::Abandoned, |flights| flights.turn(flight.id))
    }

    /// The flight's loader is called now. `None`: nobody wants it any more.
    pub(crate) fn begin(&self, flight: &Flight) -> Option<Stamp> {
        let mut shard = self.shard(flight.key());
        let flights = shard.keys.get_mut(flight.key())?;
        let began = flights.begin(flight.id, Stamp::now)?;
        flight.note_begin(began);
        Some(began)
    }

    /// The flights one of which has to end before a new flight of the key could begin; none, if one could now, or there is one
    /// to join. `invalidated` tells the stamp of the key's newest invalidation.
    pub(crate) fn in_the_way(
        &self,
        key: &CacheKey,
        invalidated: impl FnOnce(&CacheKey) -> Stamp,
    ) -> Vec<Arc<Flight>> {
        let shard = self.shard(key);
        let flights = shard.keys.get(key);
        flights.map_or_else(Vec::new, |flights| flights.in_the_way(invalidated(key)))
    }

    /// Whether a caller who comes now would lead no flight of the key. `invalidated` tells the stamp of the key's newest
    /// invalidation.
    pub(crate) fn is_led(
        &self,
        key: &CacheKey,
        invalidated: impl FnOnce(&CacheKey) -> Stamp,
    ) -> bool {
        let shard = self.shard(key);
        let flights = shard.keys.get(key);
        flights.is_some_and(|flights| flights.is_led(invalidated(key)))
    }

    /// The flight's work is to be done also if nobody waits for it.
    pub(crate) fn keep(&self, flight: &Flight) {
        let mut shard = self.shard(flight.key());
        if let Some(flights) = shard.keys.get_mut(flight.key()) {
            flights.keep(flight.id);
        }
    }

    /// The flight's work has ended like this.
    pub(crate) fn end(&self, flight: &Flight, ended: Ended, standing: Standing) {
        // Under the lock: who comes finds the flight under way, or how it has ended.
        self.change(flight, |flights| {
            flight.note_end(ended);
            flights.end(flight.id, standing);
        });
        flight.tell();
    }

    /// The flight's fill has ended, or is not waited for.
    pub(crate) fn settle(&self, flight: &Flight) {
        self.change(flight, |flights| flights.settle(flight.id));
    }

    /// One who waited for the flight has gone.
    pub(crate) fn leave(&self, flight: &Flight) {
        let mut shard = self.shard(flight.key());
        if let Some(flights) = shard.keys.get_mut(flight.key()) {
            flights.leave(flight.id);
            drop_abandoned(flights);
        }
    }

    /// Changes what is known of a flight that comes to an end.
    fn change(&self, flight: &Flight, change: impl FnOnce(&mut KeyFlights<Arc<Flight>>)) {
        let hash = CacheKeyHash.hash_one(flight.key());
        let mut shard = self.shard_of(hash);
        // One that is not at the table any more changes nothing there.
        let mut gone = KeyFlights::default();
        let flights = shard.keys.get_mut(flight.key()).unwrap_or(&mut gone);
        change(flights);
        // One of them may wait for its turn.
        flights.handles().for_each(|other| other.offer_turn());
        if flights.is_empty() {
            shard.keys.remove(flight.key());
        }
        // After a herd of keys, its room is given back.
        if shard.keys.is_empty() && shard.keys.capacity() > ROOM_KEPT {
            shard.keys = HashMap::default();
        }
        self.note_end(&mut shard, hash);
    }

    /// A value of the key has been stored by somebody else than a flight.
    pub(crate) fn note_insert(&self, key: &CacheKey) {
        let hash = CacheKeyHash.hash_one(key);
        self.note_end(&mut self.shard_of(hash), hash);
    }

    fn note_end(&self, shard: &mut Shard, hash: u64) {
        let number = self.ends.fetch_add(1, Ordering::AcqRel) + 1;
        shard.recent.note(number, hash);
    }

    /// Whether a value of the key may have been stored since so many [`ends`](Self::ends) had been.
    pub(crate) fn may_have_ended(&self, key: &CacheKey, since: u64) -> bool {
        let hash = CacheKeyHash.hash_one(key);
        self.shard_of(hash).recent.may_have_ended(hash, since)
    }

    /// Something has invalidated the key: those who wait for its flights look whether they still may.
    pub(crate) fn tell(&self, key: &CacheKey) {
        let flights: Vec<Arc<Flight>> = {
            let shard = self.shard(key);
            let flights = shard.keys.get(key);
            flights.map_or_else(Vec::new, |flights| flights.handles().cloned().collect())
        };
        flights.iter().for_each(|flight| flight.tell());
    }

    /// Something has invalidated every key.
    pub(crate) fn tell_all(&self) {
        for shard in &self.shards {
            let flights: Vec<Arc<Flight>> = {
                let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                let all = shard.keys.values().flat_map(KeyFlights::handles);
                all.cloned().collect()
            };
            flights.iter().for_each(|flight| flight.tell());
        }
    }

    /// Whether a flight of the key waits for its turn, or a place.
    pub(crate) fn is_about_to_begin(&self, key: &CacheKey) -> bool {
        let shard = self.shard(key);
        let flights = shard.keys.get(key);
        flights.is_some_and(|flights| {
            let mut all = flights.handles();
            all.any(|flight| flight.began().is_none() && flight.ended().is_none())
        })
    }

    /// All flights whose work is under way, each with how many wait for it.
    pub(crate) fn under_way(&self) -> Vec<(Arc<Flight>, usize)> {
        let of_shard = |shard: &Mutex<Shard>| -> Vec<_> {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let all = shard.keys.values().flat_map(KeyFlights::waiting);
            let loading = all.filter(|(flight, _)| flight.ended().is_none());
            let loading = loading.map(|(flight, waiting)| (Arc::clone(flight), waiting));
            loading.collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    fn shard(&self, key: &CacheKey) -> MutexGuard<'_, Shard> {
        self.shard_of(CacheKeyHash.hash_one(key))
    }

    fn shard_of(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The map within uses the lowest bits and the highest: those in between tell shards apart.
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        // No code that holds the lock leaves a shard half-changed.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_abandoned(flights: &KeyFlights<Arc<Flight>>) {
    flights.abandoned().for_each(|flight| flight.abandon());
}

#[cfg(all(test, not(hitbox_schedules)))]
mod tests {
    use super::*;
    use crate::{LoadError, error::Cause};

    #[test]
    fn room_for_a_herd_of_keys_is_given_back() {
        let table = FlightTable::new();
        let keys = (0..10_000).map(|id: u32| CacheKey::from_pair("id", id.to_string()));
        let flights = keys.map(|key| {
            let mut visit = Visit::new(&key, Terms::Valid);
            match table.come(&mut visit, |_| Stamp::ZERO) {
                Coming::Lead(flight) | Coming::Join(flight) | Coming::Judge(flight) => flight,
            }
        });
        let flights: Vec<Arc<Flight>> = flights.collect();
        let room = || {
            let of_shard = |shard: &Mutex<Shard>| shard.lock().unwrap().keys.capacity();
            table.shards.iter().map(of_shard).sum::<usize>()
        };
        assert!(room() >= flights.len());
        assert_eq!(table.under_way().len(), flights.len());
        for flight in &flights {
            let error = LoadError::new(flight.key().clone(), Cause::Closed);
            table.end(flight, Ended::failed(None, error), Standing::ForWaitersOnly);
        }
        assert!(table.under_way().is_empty());
        assert!(room() <= SHARDS * ROOM_KEPT, "{}", room());
    }
}
