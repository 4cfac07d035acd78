//! A call at the table of flights: it leads one or joins one, and waits for what that comes to.

use std::sync::Arc;

use hitbox_backend::{
    CacheValue, Cacheable, Known, ResponseSource,
    flights::{Coming, Terms},
};
use hitbox_core::clock::Moment;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::{answer::Reply, way::Way};
use crate::{
    LoadError,
    entry::Answer,
    error::Cause,
    flights::{Ended, Flight, How, Nesting, Recursion, Visit, Waits},
    load::{BoxLoader, Load, Look, Member, Order},
    shared::Shared,
    tasks::{Admitted, Refused},
};

/// What a flight has handed to a call.
pub(super) enum Handed<V> {
    Value(CacheValue<Known<V>>, Answer),
    Error(LoadError),
}

/// Which part the call had in the flight.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Led,
    Joined,
}

/// What a caller has come to at the table.
pub(super) enum Arrived<'s> {
    /// A flight that he is to make fly.
    Leads(Seat<'s>),
    Joins(Seat<'s>),
    /// What is being stored.
    Finds(Ended),
}

/// What becomes of a stale value that is served at once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refreshed {
    /// It is being loaded, or stored.
    Soon,
    Not,
}

impl<V> Handed<V> {
    /// As the call's answer.
    pub(super) fn into_reply(self) -> Result<Reply<V>, LoadError> {
        match self {
            Self::Value(value, answer) => Ok(Reply {
                value,
                source: ResponseSource::Upstream,
                answer,
            }),
            Self::Error(error) => Err(error),
        }
    }
}

impl<'c> Way<'c> {
    /// The outcome of a load: of the one that is under way, or of one that is begun by this order.
    pub(super) fn load<'f, V: Cacheable>(
        &'f self,
        order: &'f mut Option<(Look, BoxLoader<V>)>,
    ) -> impl Future<Output = Handed<V>> + Send {
        let mut visit = Visit::new(&self.key, self.terms);
        async move {
            loop {
                let (seat, part) = match self.take_a_seat(&mut visit, order) {
                    Ok(seated) => seated,
                    Err(handed) => return handed,
                };
                let accepting = match part {
                    Part::Led => None,
                    Part::Joined => Some(&visit),
                };
                if let Some(ended) = seat.end(accepting).await {
                    return self.handed(&ended, part);
                }
                visit.refuse(&seat.flight);
            }
        }
    }

    /// Comes to the table, and has a load begin if there is none to join; or has what he came for.
    fn take_a_seat<V: Cacheable>(
        &self,
        visit: &mut Visit<'_>,
        order: &mut Option<(Look, BoxLoader<V>)>,
    ) -> Result<(Seat<'c>, Part), Handed<V>> {
        let arrived = self.nesting.ask_for(&self.key);
        let arrived = arrived.and_then(|()| self.arrive::<V>(visit));
        match arrived.map_err(|recursion| Handed::Error(self.error(recursion.into())))? {
            Arrived::Leads(seat) => {
                if let Some((look, loader)) = order.take() {
                    let nesting = self.nesting.clone();
                    let load = self.load_of(&seat.flight, look, nesting, None, loader);
                    self.shared.launch(load);
                }
                Ok((seat, Part::Led))
            }
            Arrived::Joins(seat) => Ok((seat, Part::Joined)),
            Arrived::Finds(ended) => Err(self.handed(&ended, Part::Joined)),
        }
    }

    /// The outcome of the load that another call has begun which has found nothing, if one is under way: who has read
    /// nothing yet would most likely find nothing either, and have waited for that. `None`: he has to read.
    pub(super) fn join_for_a_miss<V: Cacheable>(
        &self,
    ) -> impl Future<Output = Option<Handed<V>>> + Send {
        let shared = self.shared;
        let mut visit = Visit::new(&self.key, self.terms);
        async move {
            let flight = shared
                .flights
                .join_for_a_miss(&mut visit, |key| shared.invalidated(key))?;
            // A circle of loads is found where the call comes to the table, if it has to.
            let seat = Seat::of(shared, flight, &self.nesting).ok()?;
            let ended = seat.end(Some(&visit)).await?;
            Some(self.handed(&ended, Part::Joined))
        }
    }

    /// Comes to the table, until there is a flight to wait for, or an outcome that does.
    pub(super) fn arrive<V: Cacheable>(
        &self,
        visit: &mut Visit<'_>,
    ) -> Result<Arrived<'c>, Recursion> {
        let shared = self.shared;
        loop {
            match shared.flights.come(visit, |key| shared.invalidated(key)) {
                Coming::Lead(flight) => {
                    return Seat::of(shared, flight, &self.nesting).map(Arrived::Leads);
                }
                Coming::Join(flight) => {
                    return Seat::of(shared, flight, &self.nesting).map(Arrived::Joins);
                }
                Coming::Judge(flight) => match flight.ended() {
                    Some(ended) if self.would_hit::<V>(ended) => {
                        return Ok(Arrived::Finds(ended.clone()));
                    }
                    Some(_) | None => visit.refuse(&flight),
                },
            }
        }
    }

    /// Whether a read of what is being stored would be a hit.
    fn would_hit<V: Cacheable>(&self, ended: &Ended) -> bool {
        let invalidated = self.shared.invalidated_outcome(&self.key, ended);
        ended.created > invalidated
            && ended.value::<V>().is_some_and(|value| {
                let moment = Moment::default();
                !value.is_expired_at(&moment) && !value.is_stale_at(&moment)
            })
    }

    /// Whether who comes now leads no flight: a load is under way, or its outcome is being stored.
    pub(super) fn is_led(&self) -> bool {
        let shared = self.shared;
        shared
            .flights
            .is_led(&self.key, |key| shared.invalidated(key))
    }

    /// Begins a load that nobody waits for, unless one is under way, or there is no place for it.
    pub(super) fn load_in_background<V: Cacheable>(
        &self,
        look: Look,
        loader: BoxLoader<V>,
    ) -> Refreshed {
        let shared = self.shared;
        let Ok(admitted) = shared.tasks.admit() else {
            return Refreshed::Not;
        };
        let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
            shared.counters.skipped_refreshes.add();
            return Refreshed::Not;
        };
        let mut visit = Visit::new(&self.key, Terms::Valid);
        match shared
            .flights
            .come(&mut visit, |key| shared.invalidated(key))
        {
            Coming::Lead(flight) => {
                shared.flights.keep(&flight);
                let (nesting, place) = (Nesting::nowhere(), Some(place));
                let load = self.load_of(&flight, look, nesting, place, loader);
                admitted.spawn(load.run().in_current_span());
                shared.flights.leave(&flight);
            }
            Coming::Join(flight) => shared.flights.leave(&flight),
            // It is being stored.
            Coming::Judge(_) => {}
        }
        Refreshed::Soon
    }

    /// What a flight has come to, for a caller who asks for values of this type.
    pub(super) fn handed<V: Cacheable>(&self, ended: &Ended, part: Part) -> Handed<V> {
        let value = match &ended.outcome {
            Ok(_) => ended.value::<V>(),
            Err(error) => return Handed::Error(error.clone()),
        };
        let Some(value) = value else {
            return Handed::Error(self.error(Cause::OfAnotherType));
        };
        let answer = match (ended.how, part) {
            (How::Found, _) => Answer::Hit,
            (How::Loaded(kept), Part::Led) => Answer::Loaded(kept),
            (How::Loaded(kept), Part::Joined) => Answer::Joined(kept),
        };
        Handed::Value(value.clone(), answer)
    }

    /// The load that makes a flight fly.
    fn load_of<V: Cacheable>(
        &self,
        flight: &Arc<Flight>,
        look: Look,
        nesting: Nesting,
        place: Option<OwnedSemaphorePermit>,
        loader: BoxLoader<V>,
    ) -> Load<V> {
        let flight = Arc::clone(flight);
        let members = vec![Member { flight, look }];
        Load::new(
            Arc::clone(self.shared),
            *self.settings,
            nesting,
            members,
            Order::InTurn,
            place,
            loader,
        )
    }
}

impl Shared {
    /// Runs a load in a task of its own. Where there can be none, its flights end.
    pub(super) fn launch<V: Cacheable>(&self, load: Load<V>) {
        launch(self.tasks.admit(), load);
    }
}

/// Runs a load in a task of its own. If that was refused, its flights end.
pub(super) fn launch<V: Cacheable>(admission: Result<Admitted, Refused>, load: Load<V>) {
    match admission {
        Ok(admitted) => admitted.spawn(load.run().in_current_span()),
        Err(refused) => load.refuse(refused),
    }
}

impl From<Recursion> for Cause {
    fn from(Recursion(path): Recursion) -> Self {
        Self::Recursive(path.into())
    }
}

/// One who waits for a flight, until he goes.
pub(super) struct Seat<'s> {
    shared: &'s Shared,
    pub(super) flight: Arc<Flight>,
    /// Of a call within a load, which few are.
    _waits: Option<Box<Waits>>,
}

impl<'s> Seat<'s> {
    /// Of one who waits for the flight already, as the table has it.
    pub(super) fn of(
        shared: &'s Shared,
        flight: Arc<Flight>,
        nesting: &Nesting,
    ) -> Result<Self, Recursion> {
        // First of all: whatever comes now, he leaves.
        let mut seat = Self {
            shared,
            flight,
            _waits: None,
        };
        seat._waits = nesting.wait_for(&seat.flight)?;
        Ok(seat)
    }

    /// What the flight has come to.
    ///
    /// Its leader gets that, whatever has happened meanwhile: he came before it began. But if something has invalidated it since,
    /// and one has joined on this visit, after it began, he gets nothing, and does not wait for the end.
    fn end<'f>(
        &'f self,
        joined: Option<&'f Visit<'_>>,
    ) -> impl Future<Output = Option<Ended>> + Send {
        self.flight.until(move |flight| {
            let ended = flight.ended();
            let accepts = joined.zip(flight.began()).is_none_or(|(visit, began)| {
                let created = ended.map_or(began, |ended| ended.created);
                visit.accepts(began, created, || match ended {
                    // Of one that runs, nobody knows the tags.
                    None => self.shared.invalidated(flight.key()),
                    Some(ended) => self.shared.invalidated_outcome(flight.key(), ended),
                })
            });
            match ended {
                _ if !accepts => Some(None),
                Some(ended) => Some(Some(ended.clone())),
                None => None,
            }
        })
    }

    /// What the flight has come to, whatever has happened meanwhile.
    pub(super) async fn end_of_it(&self) -> Ended {
        self.flight.until(|flight| flight.ended().cloned()).await
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.shared.flights.leave(&self.flight);
    }
}
