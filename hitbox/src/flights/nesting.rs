//! Loads within loads: which loader waits for which flight.
//!
//! A loader may ask the cache for other keys. If it waits, directly or through other loads, for itself, nobody would ever be
//! answered. So each flight keeps the flights that its loader waits for. Who is about to wait adds his own first,
//! and looks for a circle then: of two who close one at the same time, at least one sees it.
//!
//! Tasks that a loader spawns are not seen.

use std::{future::Future, sync::Arc};

use hitbox_backend::CacheKey;

use super::{flight::Flight, turn::begin_what_is_stuck, waits::path};
use crate::sync::task_local;

task_local! {
    /// The flight whose loader this task runs. It is the task's own, and goes with it.
    static LOADING: Arc<Nested>;
}

/// The flights of a load within the loads that have led to it.
struct Nested {
    flights: Arc<[Arc<Flight>]>,
    outer: Option<Arc<Nested>>,
}

/// A load waits for itself: the keys of the flights in the circle, in the order of waiting.
pub(crate) struct Recursion(pub(crate) Vec<CacheKey>);

/// Where in a load a call is made.
#[derive(Clone)]
pub(crate) struct Nesting(Option<Arc<Nested>>);

impl Nesting {
    /// Of the code that runs now.
    pub(crate) fn here() -> Self {
        Self(LOADING.try_with(Arc::clone).ok())
    }

    /// Not within a load: of a load that nobody waits for.
    pub(crate) const fn nowhere() -> Self {
        Self(None)
    }

    /// Whether this is within a load.
    pub(crate) const fn is_within_a_load(&self) -> bool {
        self.0.is_some()
    }

    /// Runs a loader: what it asks for is within these flights.
    pub(crate) fn load<F: Future>(
        self,
        flights: Arc<[Arc<Flight>]>,
        loader: F,
    ) -> impl Future<Output = F::Output> {
        let outer = self.0;
        LOADING.scope(Arc::new(Nested { flights, outer }), loader)
    }

    /// A key is asked for here.
    ///
    /// # Errors
    ///
    /// It is being loaded around here. A second flight of it would wait for the first one to end.
    pub(crate) fn ask_for(&self, key: &CacheKey) -> Result<(), Recursion> {
        let loads_it =
            |nested: &Arc<Nested>| nested.flights.iter().any(|flight| flight.key() == key);
        let Some(outermost) = self.around().position(loads_it) else {
            return Ok(());
        };
        // Of many keys that are loaded at once, one stands for all.
        let between = self.around().take(outermost);
        let between = between.filter_map(|nested| Some(nested.flights.first()?.key().clone()));
        let mut circle = vec![key.clone()];
        circle.extend(between);
        circle.push(key.clone());
        circle.reverse();
        Err(Recursion(circle))
    }

    /// The loads that this is within, the innermost first.
    fn around(&self) -> impl Iterator<Item = &Arc<Nested>> {
        std::iter::successors(self.0.as_ref(), |nested| nested.outer.as_ref())
    }

    /// The caller is about to wait for `flight`; he does until what this returns is dropped.
    ///
    /// # Errors
    ///
    /// The flight waits for a load that this call is made in.
    pub(crate) fn wait_for(&self, flight: &Arc<Flight>) -> Result<Option<Box<Waits>>, Recursion> {
        let Some(nested) = &self.0 else {
            return Ok(None);
        };
        // The load around has a place, and keeps it while it waits.
        flight.note_waiting_load();
        for waiting in nested.flights.iter() {
            waiting.waits_for.lock().push(Arc::clone(flight));
        }
        let waits = Box::new(Waits {
            flights: Arc::clone(&nested.flights),
            waits_for: Arc::clone(flight),
        });
        match path(flight, &nested.flights) {
            None => {
                begin_what_is_stuck(flight);
                Ok(Some(waits))
            }
            Some(mut circle) => {
                circle.extend(circle.last().cloned());
                circle.rotate_right(1);
                Err(Recursion(circle))
            }
        }
    }
}

/// That a loader waits for a flight.
pub(crate) struct Waits {
    /// Of the load that waits.
    flights: Arc<[Arc<Flight>]>,
    waits_for: Arc<Flight>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let Self { flights, waits_for } = self;
        for flight in flights.iter() {
            let mut all = flight.waits_for.lock();
            if let Some(index) = all.iter().position(|one| Arc::ptr_eq(one, waits_for)) {
                all.swap_remove(index);
            }
        }
    }
}
