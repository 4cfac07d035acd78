//! The task that loads: one key, or many by one call of a loader. It hands out what that returns, and stores it.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all, select_all},
};
use hitbox_backend::{
    Cacheable, Condition, Lease, Stamp,
    flights::{Standing, Turn},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{self, Instant},
};

use crate::{
    Kept, LoadError, Loaded,
    error::{Cause, SharedError, TimedOut},
    flights::{Ended, Flight, How, Nesting, wait_for_turn},
    settings::Settings,
    shared::{Fill, Shared},
    tasks::Refused,
    throttle::Failure,
};

/// What a loader has returned for each key that it was asked for, in their order.
pub(crate) type Outcomes<V> = Vec<Result<Loaded<V>, SharedError>>;

/// A loader as the task calls it: with the indices of the members that it is to load.
pub(crate) type BoxLoader<V> =
    Box<dyn FnOnce(Vec<usize>) -> BoxFuture<'static, Result<Outcomes<V>, SharedError>> + Send>;

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
    lease: Lease,
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
        let members = members.into_iter();
        let (flights, looks): (Vec<_>, Vec<_>) =
            members.map(|member| (member.flight, member.look)).unzip();
        let job = Job {
            shared,
            settings,
            flights: flights.into(),
            order,
        };
        Self {
            job,
            looks,
            nesting,
            place,
            loader,
        }
    }

    /// Loads, hands out, stores.
    pub(crate) async fn run(self) {
        let Self {
            job,
            looks,
            nesting,
            place,
            loader,
        } = self;
        match job
            .within_the_deadline(job.look_and_load(looks, nesting, place, loader))
            .await
        {
            Ok((loading, outcomes)) => job.hand_out_and_store(loading, outcomes).await,
            Err(failed) => job.fail_all(&failed),
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
    async fn within_the_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        let since = self.flights.iter().map(|flight| flight.since()).min();
        let deadline = since.and_then(|since| since.checked_add(self.settings.load_deadline));
        let work = AssertUnwindSafe(work).catch_unwind();
        let in_time = async {
            match deadline {
                Some(deadline) => time::timeout_at(deadline, work).await,
                None => Ok(work.await),
            }
        };
        tokio::select! {
            biased;
            _ = join_all(self.flights.iter().map(|flight| flight.abandoned())) => Err(Failed::Abandoned),
            outcome = in_time => match outcome {
                Ok(Ok(outcome)) => outcome,
                // What a panic says may be anything, also a value.
                Ok(Err(_says)) => Err(Failed::Panicked),
                Err(_elapsed) => Err(Failed::TimedOut),
            },
        }
    }

    async fn look_and_load<V: Cacheable>(
        &self,
        looks: Vec<Look>,
        nesting: Nesting,
        place: Option<OwnedSemaphorePermit>,
        loader: BoxLoader<V>,
    ) -> Result<(Vec<Loading>, Outcomes<V>), Failed> {
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
        let _place = tokio::select! {
            biased;
            place = in_line => place,
            () = self.shared.tasks.closed() => return Err(Failed::Refused(Refused::Closed)),
        };
        let mut loading = self.begin().await;
        self.look::<V>(&looks, &mut loading).await;
        if loading.is_empty() {
            return Ok((loading, Vec::new()));
        }
        self.shared.counters.loads.add();
        let indices = loading.iter().map(|loading| loading.index).collect();
        // The closure is called within the load, too: it may ask for other keys, take long, or panic.
        let calling = async move { loader(indices).await };
        let outcomes = nesting.load(Arc::clone(&self.flights), calling).await;
        outcomes
            .map(|outcomes| (loading, outcomes))
            .map_err(Failed::Loader)
    }

    /// A place; none, as soon as a load waits for this one: that has a place, and would keep it.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
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
    async fn begin(&self) -> Vec<Loading> {
        let mut leases = Vec::with_capacity(self.flights.len());
        for flight in self.flights.iter() {
            // Before the stamp: what invalidates the key from now on is remembered.
            leases.push(self.shared.begin_load(flight.key()).await);
        }
        let mut loading = Vec::with_capacity(self.flights.len());
        for (index, lease) in leases.into_iter().enumerate() {
            match self.shared.flights.begin(&self.flights[index]) {
                Some(began) => loading.push(Loading {
                    index,
                    began,
                    lease,
                }),
                // Of many keys, this one is wanted by nobody any more.
                None => self.fail(index, Cause::Closed),
            }
        }
        loading
    }

    /// Reads what may be there by now. Flights that find a fresh value end with it, and are not loaded.
    async fn look<V: Cacheable>(&self, looks: &[Look], loading: &mut Vec<Loading>) {
        let newer_than = |index: usize| match looks.get(index)? {
            _ if self.flights[index].has_to_load() => None,
            Look::ForNewer(found) => Some(*found),
            Look::IfStoredSince(ends) => {
                let key = self.flights[index].key();
                self.shared
                    .flights
                    .may_have_ended(key, *ends)
                    .then_some(Stamp::ZERO)
            }
            Look::Never => None,
        };
        let wanted = (0..self.flights.len()).filter_map(|index| Some((index, newer_than(index)?)));
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
                self.end(
                    index,
                    Ended::with(value, How::Found),
                    Standing::ForWaitersOnly,
                );
                loading.retain(|loading| loading.index != index);
            }
        }
    }

    /// Hands out what was loaded, and then stores it.
    async fn hand_out_and_store<V: Cacheable>(&self, loading: Vec<Loading>, outcomes: Outcomes<V>) {
        let mut fills = Vec::with_capacity(loading.len());
        for (loading, outcome) in loading.into_iter().zip(outcomes) {
            match outcome {
                Ok(loaded) => fills.extend(self.hand_out(loading, loaded)),
                Err(error) => self.fail(loading.index, Cause::Loader(error)),
            }
        }
        if !fills.is_empty() {
            self.fill(fills).await;
        }
    }

    /// Hands out what was loaded. Returns it, if it is to be stored.
    fn hand_out<V: Cacheable>(&self, loading: Loading, loaded: Loaded<V>) -> Option<Fill<V>> {
        let Loading {
            index,
            began,
            lease,
        } = loading;
        let key = self.flights[index].key();
        self.shared.throttle.succeeded(key);
        let (value, kept) = loaded.into_value(began, &self.settings);
        let is_overtaken = lease.invalidations().have_removed(began);
        let (kept, standing) = match kept {
            Kept::BeingStored if is_overtaken => (Kept::Overtaken, Standing::ForWaitersOnly),
            Kept::BeingStored => (kept, Standing::UntilFilled),
            Kept::Stored | Kept::Overtaken | Kept::Uncached => (kept, Standing::ForWaitersOnly),
        };
        self.end(
            index,
            Ended::with(value.clone(), How::Loaded(kept)),
            standing,
        );
        let is_absent = value.data().present().is_none();
        // That there is nothing takes the place of what is stored, also where it is not kept itself: it has expired
        // already.
        let is_stored = match kept {
            Kept::BeingStored => true,
            Kept::Uncached => is_absent,
            Kept::Stored | Kept::Overtaken => false,
        };
        is_stored.then(|| (key.clone(), value, Condition::Lease(lease)))
    }

    /// Stores what was loaded. Those who come meanwhile find the outcomes at the table, for as long as the cache has the
    /// patience.
    async fn fill<V: Cacheable>(&self, fills: Vec<Fill<V>>) {
        let shared = &self.shared;
        let keys = fills.iter().map(|(key, ..)| key.clone()).collect();
        let Some(_place) = shared.fills.begin(keys) else {
            shared.counters.skipped_fills.add();
            return;
        };
        let mut fill = pin!(shared.fill(fills));
        let in_time = time::timeout(shared.limits.fill_patience, fill.as_mut()).await;
        if in_time.is_err() {
            self.settle();
            fill.await;
        }
    }

    /// All who have not ended have failed.
    fn fail_all(&self, failed: &Failed) {
        for (index, flight) in self.flights.iter().enumerate() {
            let cause = match failed {
                Failed::Loader(error) => Cause::Loader(Arc::clone(error)),
                Failed::Panicked => Cause::Panicked,
                Failed::Abandoned => Cause::Closed,
                Failed::Dropped if self.shared.tasks.is_closed() => Cause::Closed,
                Failed::Dropped => Cause::RuntimeEnded,
                Failed::Refused(refused) => (*refused).into(),
                Failed::TimedOut if flight.began().is_none() => Cause::Overloaded,
                Failed::TimedOut => Cause::Timeout(TimedOut::Load(self.settings.load_deadline)),
            };
            if flight.ended().is_none() {
                self.fail(index, cause);
            }
        }
    }

    fn fail(&self, index: usize, cause: Cause) {
        self.shared.counters.failed_keys.add();
        let flight = &self.flights[index];
        let is_the_loaders = match cause {
            Cause::Loader(_) | Cause::Panicked | Cause::Timeout(_) => true,
            Cause::Absent
            | Cause::Recursive(_)
            | Cause::Overloaded
            | Cause::KeyConflict(_)
            | Cause::OfAnotherType
            | Cause::Closed
            | Cause::Backend(_)
            | Cause::NoRuntime
            | Cause::RuntimeEnded => false,
        };
        let error = LoadError::new(flight.key().clone(), cause);
        if let Some(began) = flight.began().filter(|_| is_the_loaders) {
            let failure = Failure {
                began,
                error: error.clone(),
                retry_after: self.settings.retry_after,
                chance: fastrand::f64(),
            };
            let invalidations = self.shared.invalidations(flight.key());
            let now = Instant::now().into_std();
            self.shared
                .throttle
                .failed(flight.key(), failure, &invalidations, now);
        }
        self.end(
            index,
            Ended::failed(flight.began(), error),
            Standing::ForWaitersOnly,
        );
    }

    fn end(&self, index: usize, ended: Ended, standing: Standing) {
        self.shared
            .flights
            .end(&self.flights[index], ended, standing);
    }

    fn settle(&self) {
        self.flights
            .iter()
            .for_each(|flight| self.shared.flights.settle(flight));
    }
}

/// Flights end with their task: also if that is dropped, when its runtime is shut down.
impl Drop for Job {
    fn drop(&mut self) {
        self.fail_all(&Failed::Dropped);
        // A fill may have been under way.
        self.settle();
    }
}
