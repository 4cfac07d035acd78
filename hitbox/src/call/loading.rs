//! A call at the table of flights: it leads one or joins one, and waits for what that comes to.

use std::sync::Arc;

use hitbox_backend::{
    CacheValue, Cacheable, Known,
    flights::{Coming, Terms},
};
use hitbox_core::clock::Moment;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::way::Way;
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

impl Way {
    /// The outcome of a load: of the one that is under way, or of one that is begun with this loader.
    pub(super) async fn load<V: Cacheable>(&self, look: Look, loader: BoxLoader<V>) -> Handed<V> {
        match self.lead_or_join(look, loader).await {
            Ok(handed) => handed,
            Err(cause) => Handed::Error(self.error(cause)),
        }
    }

    /// The outcome of the load that another call has begun which has found nothing, if one is under way: who has read
    /// nothing yet would most likely find nothing either, and have waited for that. `None`: he has to read.
    pub(super) async fn join_for_a_miss<V: Cacheable>(&self) -> Option<Handed<V>> {
        let shared = &self.shared;
        let mut visit = Visit::new(&self.key, self.terms);
        let flight = shared
            .flights
            .join_for_a_miss(&mut visit, |key| shared.invalidated(key))?;
        // A circle of loads is found where the call comes to the table, if it has to.
        let seat = Seat::of(shared, flight, &self.nesting).ok()?;
        let ended = seat.join(&visit).await?;
        Some(handed(&ended, Part::Joined).unwrap_or_else(|cause| Handed::Error(self.error(cause))))
    }

    async fn lead_or_join<V: Cacheable>(
        &self,
        look: Look,
        loader: BoxLoader<V>,
    ) -> Result<Handed<V>, Cause> {
        let shared = &self.shared;
        self.nesting.ask_for(&self.key)?;
        let mut visit = Visit::new(&self.key, self.terms);
        loop {
            match self.arrive::<V>(&mut visit)? {
                Arrived::Leads(seat) => {
                    let nesting = self.nesting.clone();
                    shared.launch(self.load_of(&seat.flight, look, nesting, None, loader));
                    return handed(&seat.lead().await, Part::Led);
                }
                Arrived::Joins(seat) => {
                    if let Some(ended) = seat.join(&visit).await {
                        return handed(&ended, Part::Joined);
                    }
                    visit.refuse(&seat.flight);
                }
                Arrived::Finds(ended) => return handed(&ended, Part::Joined),
            }
        }
    }

    /// Comes to the table, until there is a flight to wait for, or an outcome that does.
    pub(super) fn arrive<V: Cacheable>(
        &self,
        visit: &mut Visit<'_>,
    ) -> Result<Arrived<'_>, Recursion> {
        let shared = &self.shared;
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
        let invalidated = self.shared.invalidated(&self.key);
        ended.created > invalidated
            && ended.value::<V>().is_some_and(|value| {
                let moment = Moment::default();
                !value.is_expired_at(&moment) && !value.is_stale_at(&moment)
            })
    }

    /// Begins a load that nobody waits for, unless one is under way, or there is no place for it.
    pub(super) fn load_in_background<V: Cacheable>(
        &self,
        look: Look,
        loader: BoxLoader<V>,
    ) -> Refreshed {
        let shared = &self.shared;
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
                let load = self.load_of(&flight, look, Nesting::nowhere(), Some(place), loader);
                admitted.spawn(load.run().in_current_span());
                shared.flights.leave(&flight);
            }
            Coming::Join(flight) => shared.flights.leave(&flight),
            // It is being stored.
            Coming::Judge(_) => {}
        }
        Refreshed::Soon
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
        let shared = Arc::clone(&self.shared);
        Load::new(
            shared,
            self.settings,
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

/// What a flight has come to, for a caller who asks for values of this type.
pub(super) fn handed<V: Cacheable>(ended: &Ended, part: Part) -> Result<Handed<V>, Cause> {
    let value = match &ended.outcome {
        Ok(_) => ended.value::<V>().ok_or(Cause::OfAnotherType)?,
        Err(error) => return Ok(Handed::Error(error.clone())),
    };
    let answer = match (ended.how, part) {
        (How::Found, _) => Answer::Hit,
        (How::Loaded(kept), Part::Led) => Answer::Loaded(kept),
        (How::Loaded(kept), Part::Joined) => Answer::Joined(kept),
    };
    Ok(Handed::Value(value.clone(), answer))
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
    _waits: Option<Waits>,
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
        seat._waits = Some(nesting.wait_for(&seat.flight)?);
        Ok(seat)
    }

    /// The flight's leader gets what it has come to, whatever has happened meanwhile: he came before it began.
    pub(super) async fn lead(&self) -> Ended {
        self.flight.until(|flight| flight.ended().cloned()).await
    }

    /// One who has joined gets what it has come to. But if something has invalidated that since, and he came after
    /// it began, he gets nothing, and does not wait for the end.
    async fn join(&self, visit: &Visit<'_>) -> Option<Ended> {
        self.flight
            .until(|flight| {
                let ended = flight.ended();
                let accepts = flight.began().is_none_or(|began| {
                    let created = ended.map_or(began, |ended| ended.created);
                    visit.accepts(began, created, || self.shared.invalidated(flight.key()))
                });
                match ended {
                    _ if !accepts => Some(None),
                    Some(ended) => Some(Some(ended.clone())),
                    None => None,
                }
            })
            .await
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.shared.flights.leave(&self.flight);
    }
}
