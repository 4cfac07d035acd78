//! A call for many keys on its way: one read, one load of all that are missing and that nobody else loads, and a wait
//! for each.

use std::{collections::HashMap, hash::Hash, pin::pin, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{join_all, select_all},
};
use hitbox_backend::{BoxContext, CacheKey, Cacheable, flights::Terms};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    answer::Reply,
    answering::{Fallback, Plan, Read},
    loading::{Arrived, Handed, Part, Refreshed, Seat, launch},
    loads::LoadMany,
    way::Way,
};
use crate::{
    Batch, Key, LoadError,
    batch::BatchId,
    error::Cause,
    flights::{Flight, Nesting, Visit},
    load::{BoxLoader, Load, Look, Member, Order},
    settings::Overrides,
    shared::Shared,
    tasks::{Admitted, Refused},
};

/// A call for many keys of one keyspace.
pub(super) struct Many {
    pub(super) shared: Arc<Shared>,
    /// Where it was made.
    pub(super) nesting: Nesting,
}

/// The keys of a call, each once.
struct Distinct<I, V> {
    keys: Vec<Key<V>>,
    ids: Vec<I>,
    /// For each key that was asked for, which of these it is.
    asked: Vec<usize>,
}

/// How far a key has come, when all have come to the table.
enum Reached<'s, V> {
    Reply(Reply<V>),
    /// What it waits for, and what it may fall back on.
    Load(Awaited<'s>, Fallback<V>),
}

/// What a key waits for.
enum Awaited<'s> {
    Flight(Arrived<'s>),
    Nothing(Cause),
}

/// A flight that the call leads, and which of its keys it is of.
struct Led {
    member: Member,
    index: usize,
}

/// Where a load is to run of which nobody waits for anything.
enum Place {
    /// As any load does: somebody waits, or has refreshes ride along that he does not wait for.
    AsAny,
    InBackground(OwnedSemaphorePermit),
    /// It is not made.
    None,
}

impl Many {
    pub(super) async fn go<I, V>(
        self,
        keys: Vec<Key<V>>,
        ids: Vec<I>,
        overrides: Overrides,
        loader: impl LoadMany<I, V>,
    ) -> Vec<Result<Reply<V>, LoadError>>
    where
        I: Hash + Eq + Clone + Send + 'static,
        V: Cacheable,
    {
        let began = Instant::now();
        let Distinct { keys, ids, asked } = Distinct::of(keys, ids);
        let ways = match self.ways(&keys, overrides) {
            Ok(ways) => ways,
            Err(error) => return asked.iter().map(|_| Err(error.clone())).collect(),
        };
        let ended = self.shared.flights.ends();
        let Some(first) = ways.first() else {
            return Vec::new();
        };
        let Some(reads) = first.in_time(began, pin!(self.read(&keys))).await else {
            let timed_out = |index: &usize| Err(ways[*index].timed_out());
            return asked.iter().map(timed_out).collect();
        };
        let plans = ways
            .iter()
            .zip(reads)
            .map(|(way, read)| way.plan(read, ended));
        let plans: Vec<Plan<V>> = plans.collect();
        let place = self.place_for(&plans);

        self.turns(&ways, &plans, began).await;

        // All keys come to the table, and the load begins, before anything is waited for. So calls for the same keys, in
        // whatever order, do not wait for each other's loads to begin.
        let admission = self.shared.tasks.admit();
        let place = if admission.is_ok() {
            place
        } else {
            Place::None
        };
        let mut led = Vec::new();
        let mut escorted = Vec::new();
        let mut reached = Vec::with_capacity(ways.len());
        for (index, (way, plan)) in ways.iter().zip(plans).enumerate() {
            reached.push(match plan {
                Plan::Answer(reply) => Reached::Reply(reply),
                Plan::AnswerAndLoad(reply, look) => {
                    let (refreshed, seat) = way.come_for_others::<V>(&place, look, index, &mut led);
                    escorted.extend(seat);
                    Reached::Reply(match refreshed {
                        Refreshed::Soon => reply,
                        Refreshed::Not => reply.not_refreshed(),
                    })
                }
                Plan::Load(look, fallback) => {
                    Reached::Load(way.come::<V>(look, index, &mut led), fallback)
                }
            });
        }
        first.launch_all(admission, led, ids, place, loader);

        let replies = ways
            .iter()
            .zip(reached)
            .map(async |(way, reached)| match reached {
                Reached::Reply(reply) => Ok(reply),
                Reached::Load(awaited, fallback) => {
                    way.wait(began, pin!(way.handed_at_last(awaited)), fallback)
                        .await
                }
            });
        let replies = join_all(replies).await;
        drop(escorted);
        asked
            .into_iter()
            .map(|index| replies[index].clone())
            .collect()
    }

    fn ways<V: Cacheable>(
        &self,
        keys: &[Key<V>],
        overrides: Overrides,
    ) -> Result<Vec<Way<'_>>, LoadError> {
        let way = |key: &Key<V>| {
            let settings = self.shared.settings_of(key, &overrides);
            let settings =
                settings.map_err(|cause| LoadError::new(key.as_cache_key().clone(), cause))?;
            Ok(Way {
                shared: &self.shared,
                key: key.as_cache_key().clone(),
                settings,
                nesting: self.nesting.clone(),
                terms: Terms::Valid,
            })
        };
        keys.iter().map(way).collect()
    }

    async fn read<V: Cacheable>(&self, keys: &[Key<V>]) -> Vec<Option<Read<V>>> {
        let keys: Vec<CacheKey> = keys.iter().map(|key| key.as_cache_key().clone()).collect();
        let mut contexts = vec![BoxContext::default(); keys.len()];
        let found = self.shared.get_many(&keys, &mut contexts).await;
        let reads = found.into_iter().zip(contexts).map(|(outcome, context)| {
            let value = self.shared.found(outcome)?;
            Some(Read::of(value, context.source().clone()))
        });
        reads.collect()
    }

    /// Returns when no key that is to be loaded would be loaded a third time at once, and not later than an answer of one of
    /// them is due.
    ///
    /// It holds no key meanwhile. A flight that waited for its turn would, and all that are loaded with it. A call within a load
    /// does not wait: it holds that.
    async fn turns<V>(&self, ways: &[Way<'_>], plans: &[Plan<V>], began: Instant) {
        if self.nesting.is_within_a_load() {
            return;
        }
        let wanted = ways.iter().zip(plans).filter_map(|(way, plan)| match plan {
            Plan::Load(_, fallback) => Some((way, fallback.is_some())),
            Plan::Answer(_) | Plan::AnswerAndLoad(..) => None,
        });
        let (turns, limits): (Vec<_>, Vec<_>) = wanted
            .map(|(way, can_fall_back)| {
                let soft = way.settings.soft_timeout.filter(|_| can_fall_back);
                let limits = [soft, way.settings.hard_timeout];
                let limits = limits.into_iter().flatten();
                let limit = limits.fold(way.settings.load_deadline, Duration::min);
                (way.turn(), limit)
            })
            .unzip();
        if let (Some(way), limit @ Some(_)) = (ways.first(), limits.into_iter().min()) {
            // Past that, the loads are begun all the same.
            let _in_time = way.within(began, limit, pin!(join_all(turns))).await;
        }
    }

    /// A load that is for others alone is made only if there is a place for it.
    fn place_for<V>(&self, plans: &[Plan<V>]) -> Place {
        let somebody_waits = plans.iter().any(|plan| matches!(plan, Plan::Load(..)));
        let others_wait = plans
            .iter()
            .any(|plan| matches!(plan, Plan::AnswerAndLoad(..)));
        if somebody_waits || !others_wait {
            return Place::AsAny;
        }
        match Arc::clone(&self.shared.places).try_acquire_owned() {
            Ok(place) => Place::InBackground(place),
            Err(_none_is_free) => {
                self.shared.counters.skipped_refreshes.add();
                Place::None
            }
        }
    }
}

impl<'c> Way<'c> {
    /// Comes to the table, and leads the key's flight if there is none to join.
    fn come<V: Cacheable>(&self, look: Look, index: usize, led: &mut Vec<Led>) -> Awaited<'c> {
        if let Err(recursion) = self.nesting.ask_for(&self.key) {
            return Awaited::Nothing(recursion.into());
        }
        match self.arrive::<V>(&mut Visit::new(&self.key, Terms::Valid)) {
            Ok(arrived) => {
                if let Arrived::Leads(seat) = &arrived {
                    let flight = Arc::clone(&seat.flight);
                    let member = Member { flight, look };
                    led.push(Led { member, index });
                }
                Awaited::Flight(arrived)
            }
            Err(recursion) => Awaited::Nothing(recursion.into()),
        }
    }

    /// Comes to the table for those who come later: what is there is answer enough. Returns a seat in what is begun with what the
    /// caller waits for, or not at all.
    fn come_for_others<V: Cacheable>(
        &self,
        place: &Place,
        look: Look,
        index: usize,
        led: &mut Vec<Led>,
    ) -> (Refreshed, Option<Seat<'c>>) {
        if matches!(place, Place::None) || !self.in_the_way().is_empty() {
            return (Refreshed::Not, None);
        }
        match self.come::<V>(look, index, led) {
            Awaited::Flight(Arrived::Leads(seat)) => match place {
                Place::AsAny => (Refreshed::Soon, Some(seat)),
                // There is a place for it: it begins, whoever waits for it.
                Place::InBackground(_) | Place::None => {
                    self.shared.flights.keep(&seat.flight);
                    (Refreshed::Soon, None)
                }
            },
            Awaited::Flight(Arrived::Joins(_) | Arrived::Finds(_)) => (Refreshed::Soon, None),
            Awaited::Nothing(_) => (Refreshed::Not, None),
        }
    }

    /// The flights one of which has to end before one of this key could begin.
    fn in_the_way(&self) -> Vec<Arc<Flight>> {
        let shared = self.shared;
        shared
            .flights
            .in_the_way(&self.key, |key| shared.invalidated(key))
    }

    /// Returns when a flight of the key could begin, or be joined.
    async fn turn(&self) {
        loop {
            let running = self.in_the_way();
            if running.is_empty() {
                return;
            }
            let ends = running
                .iter()
                .map(|flight| flight.until(|flight| flight.ended().map(drop)).boxed());
            select_all(ends).await;
        }
    }

    /// Makes the flights fly that the call leads: all by one call of the loader.
    fn launch_all<I, V>(
        &self,
        admission: Result<Admitted, Refused>,
        led: Vec<Led>,
        ids: Vec<I>,
        place: Place,
        loader: impl LoadMany<I, V>,
    ) where
        I: Hash + Eq + Clone + Send + 'static,
        V: Cacheable,
    {
        if led.is_empty() {
            return;
        }
        // None is cloned here: what panics outside of the task would leave flights behind that nobody flies.
        let mut ids: Vec<Option<I>> = ids.into_iter().map(Some).collect();
        let mut of_members: Vec<Option<I>> = led.iter().map(|led| ids[led.index].take()).collect();
        let loader = BoxLoader::OfMany(Box::new(move |members: Vec<usize>| {
            let missing = members.into_iter();
            let missing = missing.filter_map(|member| of_members[member].take());
            let id = BatchId::new();
            let loading = loader.load(Batch::of(missing.collect(), id.clone()));
            loading.map(move |batch| batch?.into_outcomes(&id)).boxed()
        }));
        let (nesting, place) = match place {
            // Nobody waits for it.
            Place::InBackground(place) => (Nesting::nowhere(), Some(place)),
            Place::AsAny | Place::None => (self.nesting.clone(), None),
        };
        let shared = Arc::clone(self.shared);
        let members = led.into_iter().map(|led| led.member).collect();
        let load = Load::new(
            shared,
            *self.settings,
            nesting,
            members,
            Order::AtOnce,
            place,
            loader,
        );
        launch(admission, load);
    }

    /// What the key waits for. Who has joined a flight gets its outcome also if something has invalidated it since: he
    /// came before, so both orders are right; and the loader, which is called once, may have been.
    async fn handed_at_last<V: Cacheable>(&self, awaited: Awaited<'_>) -> Handed<V> {
        let (seat, part) = match awaited {
            Awaited::Flight(Arrived::Leads(seat)) => (seat, Part::Led),
            Awaited::Flight(Arrived::Joins(seat)) => (seat, Part::Joined),
            Awaited::Flight(Arrived::Finds(ended)) => return self.handed(&ended, Part::Joined),
            Awaited::Nothing(cause) => return Handed::Error(self.error(cause)),
        };
        self.handed(&seat.end_of_it().await, part)
    }
}

impl<I, V> Distinct<I, V> {
    fn of(keys: Vec<Key<V>>, ids: Vec<I>) -> Self {
        let mut first_of = HashMap::with_capacity(keys.len());
        let mut distinct = Self {
            keys: Vec::with_capacity(keys.len()),
            ids: Vec::with_capacity(keys.len()),
            asked: Vec::with_capacity(keys.len()),
        };
        for (key, id) in keys.into_iter().zip(ids) {
            let next = distinct.keys.len();
            let index = *first_of.entry(key.as_cache_key().clone()).or_insert(next);
            distinct.asked.push(index);
            if index == next {
                distinct.keys.push(key);
                distinct.ids.push(id);
            }
        }
        distinct
    }
}
