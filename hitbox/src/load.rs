//! The task that loads: one key, or many by one call of a loader. It hands out what that returns, and stores it.
//!
//! Many of them may wait for their loaders. So what comes before that and after it is in futures of their own, and an `async`
//! block stands where an `async fn` would keep what it is given twice: as an argument and as a variable.

mod lease;
mod outcome;

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
};

use futures::{
    FutureExt,
    future::{BoxFuture, select_all},
};
use hitbox_backend::{
    Cacheable, Lease, LogMark, Stamp,
    flights::{Standing, Turn},
};
use tokio::{sync::OwnedSemaphorePermit, time};

use crate::{
    Loaded,
    error::{Cause, SharedError},
    flights::{Ended, Flight, How, Nesting, wait_for_turn},
    settings::Settings,
    shared::Shared,
    tasks::Refused,
};

/// What a loader has returned for each key that it was asked for, in their order.
pub(crate) type Outcomes<V> = Vec<Result<Loaded<V>, SharedError>>;

/// What a loader is at work on.
type Loads<T> = BoxFuture<'static, Result<T, SharedError>>;

/// A loader as the task calls it.
pub(crate) enum BoxLoader<V> {
    OfOne(Box<dyn FnOnce() -> Loads<Loaded<V>> + Send>),
    /// With the indices of the members that it is to load.
    OfMany(Box<dyn FnOnce(Vec<usize>) -> Loads<Outcomes<V>> + Send>),
}

impl<V> BoxLoader<V> {
    async fn load(self, loading: &[Loading]) -> Result<Outcomes<V>, SharedError> {
        match self {
            Self::OfOne(load) => Ok(vec![load().await]),
            Self::OfMany(load) => load(loading.iter().map(|loading| loading.index).collect()).await,
        }
    }
}

/// A load that is to be made.
pub(crate) struct Load<V> {
    job: Job,
    looks: Vec<Look>,
    /// Where the call was made that leads it.
    nesting: Nesting,
    /// A refresh in the background has got one already: it runs only if there is one.
    place: Option<OwnedSemaphorePermit>,
    loader: BoxLoader<V>,
}

/// One key of a load.
pub(crate) struct Member {
    pub(crate) flight: Arc<Flight>,
    pub(crate) look: Look,
}

/// What the flights of a load wait for before they begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// As long as two others of the key run.
    InTurn,
    /// Nothing: those of many keys, each of which would hold the others.
    AtOnce,
}

/// Whether a flight reads before it loads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// If a value of the key may have been stored since so many flights had ended.
    IfStoredSince(u64),
    /// For a fresh value that is newer than the one that the caller has found: another layer may have one.
    ForNewer(Stamp),
    /// It does not.
    Never,
}

/// Why a load has no outcomes at all.
enum Failed {
    Loader(SharedError),
    Panicked,
    TimedOut,
    /// Nobody wanted it any more.
    Abandoned,
    /// The runtime has ended that it ran on, or the cache was closed.
    Dropped,
    Refused(Refused),
}

/// A key whose loader has been called.
struct Loading {
    index: usize,
    began: Stamp,
    /// What had been heard of other processes then.
    heard: Option<LogMark>,
    lease: Lease,
    /// Beside other processes.
    in_fleet: InFleet,
}

/// How a load stands to one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFleet {
    NotAsked,
    /// It is the only one that loads it.
    Leads,
    /// The same, and another process may have stored a value since the caller looked.
    LeadsLater,
    /// Another process loads it.
    Elsewhere,
}

impl InFleet {
    const fn is_taken(self) -> bool {
        match self {
            Self::Leads | Self::LeadsLater => true,
            Self::NotAsked | Self::Elsewhere => false,
        }
    }
}

impl Loading {
    fn not_asked(index: usize) -> Self {
        Self {
            index,
            began: Stamp::ZERO,
            heard: None,
            lease: Lease::default(),
            in_fleet: InFleet::NotAsked,
        }
    }
}

impl<V: Cacheable> Load<V> {
    /// From now on the flights end with this, whether it is run or dropped.
    pub(crate) fn new(
        shared: Arc<Shared>,
        settings: Settings,
        nesting: Nesting,
        members: Vec<Member>,
        order: Order,
        place: Option<OwnedSemaphorePermit>,
        loader: BoxLoader<V>,
    ) -> Self {
        for member in &members {
            match member.look {
                Look::IfStoredSince(_) => member.flight.note_miss(),
                Look::ForNewer(_) | Look::Never => {}
            }
        }
        let flights = members.iter().map(|member| Arc::clone(&member.flight));
        let job = Job {
            shared,
            settings,
            flights: flights.collect(),
            order,
        };
        Self {
            job,
            looks: members.into_iter().map(|member| member.look).collect(),
            nesting,
            place,
            loader,
        }
    }

    /// Loads, hands out, stores.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let Self {
            job,
            looks,
            nesting,
            place,
            loader,
        } = self;
        async move {
            let done = {
                // Gone before anybody hears of its end: who comes then finds its place free.
                let work = pin!(job.look_and_load(looks, nesting, place, loader));
                job.within_the_deadline(work).await
            };
            match done {
                Ok((loading, outcomes)) => {
                    Box::pin(job.hand_out_and_store(loading, outcomes)).await;
                }
                Err(failed) => job.fail_all(&failed),
            }
        }
    }

    /// It is not run, for this reason.
    pub(crate) fn refuse(self, refused: Refused) {
        self.job.fail_all(&Failed::Refused(refused));
    }
}

/// A load apart from what is loaded, and from how.
struct Job {
    shared: Arc<Shared>,
    settings: Settings,
    flights: Arc<[Arc<Flight>]>,
    order: Order,
}

impl Job {
    /// The deadline runs from when the first flight became current. A load that nobody wants any more is dropped.
    fn within_the_deadline<'j, T>(
        &'j self,
        work: Pin<&'j mut (impl Future<Output = Result<T, Failed>> + Send)>,
    ) -> impl Future<Output = Result<T, Failed>> + Send {
        let since = self.flights.iter().map(|flight| flight.since()).min();
        let deadline = since.and_then(|since| since.checked_add(self.settings.load_deadline));
        async move {
            let work = AssertUnwindSafe(work).catch_unwind();
            let in_time = async {
                match deadline {
                    Some(deadline) => time::timeout_at(deadline, work).await,
                    None => Ok(work.await),
                }
            };
            tokio::select! {
                biased;
                () = self.abandoned() => Err(Failed::Abandoned),
                outcome = in_time => match outcome {
                    Ok(Ok(outcome)) => outcome,
                    // What a panic says may be anything, also a value.
                    Ok(Err(_says)) => Err(Failed::Panicked),
                    Err(_elapsed) => Err(Failed::TimedOut),
                },
            }
        }
    }

    /// Returns when all flights are.
    async fn abandoned(&self) {
        for flight in self.flights.iter() {
            flight.abandoned().await;
        }
    }

    #[allow(
        clippy::manual_async_fn,
        reason = "it would keep what it is given twice"
    )]
    fn look_and_load<V: Cacheable>(
        &self,
        looks: Vec<Look>,
        nesting: Nesting,
        place: Option<OwnedSemaphorePermit>,
        loader: BoxLoader<V>,
    ) -> impl Future<Output = Result<(Vec<Loading>, Outcomes<V>), Failed>> + Send {
        async move {
            let look = self.stand_in_line_and_look::<V>(looks, place, &nesting);
            let (_place, loading) = Box::pin(look).await?;
            if loading.is_empty() {
                return Ok((loading, Vec::new()));
            }
            self.shared.counters.loads.add();
            // The closure is called within the load, too: it may ask for other keys, take long, or panic.
            let outcomes = nesting
                .load(Arc::clone(&self.flights), loader.load(&loading))
                .await;
            outcomes
                .map(|outcomes| (loading, outcomes))
                .map_err(Failed::Loader)
        }
    }

    /// Returns when the loader is to be called: with the place that the load has, and the keys that are to be loaded.
    async fn stand_in_line_and_look<V: Cacheable>(
        &self,
        looks: Vec<Look>,
        place: Option<OwnedSemaphorePermit>,
        nesting: &Nesting,
    ) -> Result<(Option<OwnedSemaphorePermit>, Vec<Loading>), Failed> {
        let in_line = async {
            // Before the place, which it would keep meanwhile. Once it is their turn it stays so: they are the current flights
            // of their keys until they begin, so no other one begins.
            self.turn().await;
            match place {
                // A load within a load takes no place: the outer one has one, and waits for this.
                None if !nesting.is_within_a_load() => self.place().await,
                place => place,
            }
        };
        let place = tokio::select! {
            biased;
            place = in_line => place,
            () = self.shared.tasks.closed() => return Err(Failed::Refused(Refused::Closed)),
        };
        let mut loading = self.begin(&looks).await;
        self.look::<V>(&looks, &mut loading).await;
        Ok((place, loading))
    }

    /// A place; none, as soon as a load waits for this one: that has a place, and would keep it.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // One that is free is nobody's who stands in line.
        if let Ok(place) = Arc::clone(&self.shared.places).try_acquire_owned() {
            return Some(place);
        }
        let waited_for = self
            .flights
            .iter()
            .map(|flight| Box::pin(flight.is_waited_for_by_a_load()));
        tokio::select! {
            biased;
            place = Arc::clone(&self.shared.places).acquire_owned() => place.ok(),
            _ = select_all(waited_for) => None,
        }
    }

    /// Returns when none of the flights has to wait for others of its key.
    async fn turn(&self) {
        let flights = match self.order {
            Order::InTurn => &self.flights[..],
            Order::AtOnce => &[],
        };
        for flight in flights {
            while let Turn::NotYet(running) = self.shared.flights.turn(flight) {
                let Some(_waits) = wait_for_turn(flight, running) else {
                    break;
                };
                flight.turn().await;
            }
        }
    }

    /// Makes the stamp of each flight, of all one after the other.
    async fn begin(&self, looks: &[Look]) -> Vec<Loading> {
        // Before the stamp: what invalidates the key from now on is remembered.
        let mut all = self.take_leases(looks).await;
        all.retain_mut(|loading| {
            loading.heard = self.shared.tags.heard();
            let began = self.shared.flights.begin(&self.flights[loading.index]);
            match began {
                Some(began) => loading.began = began,
                // Of many keys, this one is wanted by nobody any more.
                None => self.fail(loading.index, Cause::Closed),
            }
            began.is_some()
        });
        all
    }

    /// Reads what may be there by now. Flights that find a fresh value end with it, and are not loaded.
    async fn look<V: Cacheable>(&self, looks: &[Look], loading: &mut Vec<Loading>) {
        let newer_than = |loading: &Loading| match looks.get(loading.index)? {
            _ if self.flights[loading.index].has_to_load() => None,
            Look::ForNewer(found) => Some(*found),
            Look::IfStoredSince(_) if loading.in_fleet == InFleet::LeadsLater => Some(Stamp::ZERO),
            Look::IfStoredSince(ends) => {
                let key = self.flights[loading.index].key();
                self.shared
                    .flights
                    .may_have_ended(key, *ends)
                    .then_some(Stamp::ZERO)
            }
            Look::Never => None,
        };
        let wanted = loading
            .iter()
            .filter_map(|loading| Some((loading.index, newer_than(loading)?)));
        let wanted: Vec<(usize, Stamp)> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        let keys = wanted
            .iter()
            .map(|(index, _)| self.flights[*index].key().clone());
        let found = self
            .shared
            .find_fresh_many::<V>(&keys.collect::<Vec<_>>())
            .await;
        for ((index, older), found) in wanted.into_iter().zip(found) {
            if let Some(value) = found.filter(|value| value.created() > older) {
                let meta = value.data().meta.clone();
                self.end(
                    index,
                    Ended::with(value.map(|found| found.known), meta, How::Found),
                    Standing::ForWaitersOnly,
                );
                loading.retain(|loading| loading.index != index);
            }
        }
    }
}
