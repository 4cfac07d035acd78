//! What becomes of a load: it is handed out and stored, or its flights have failed.

use std::{pin::pin, sync::Arc};

use hitbox_backend::{Cacheable, Condition, Described, flights::Standing};
use tokio::time::{self, Instant};

use super::{Failed, Job, Loading, Outcomes};
use crate::{
    Kept, LoadError, Loaded,
    error::{Cause, TimedOut},
    flights::{Ended, How},
    shared::Fill,
    throttle::Failure,
};

impl Job {
    /// Hands out what was loaded, and then stores it.
    pub(super) async fn hand_out_and_store<V: Cacheable>(
        &self,
        loading: Vec<Loading>,
        outcomes: Outcomes<V>,
    ) {
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
            heard,
            lease,
            in_fleet: _,
        } = loading;
        let key = self.flights[index].key();
        self.shared.throttle.succeeded(key);
        let (value, kept) = match loaded.into_value(began, heard, &self.settings) {
            Ok(loaded) => loaded,
            Err(invalid) => {
                self.fail(index, Cause::Loader(Arc::new(invalid)));
                return None;
            }
        };
        let (meta, value) = (value.data().meta.clone(), value.map(|value| value.known));
        let invalidations = self.shared.invalidations_of(key, began, meta.as_deref());
        let is_overtaken =
            lease.invalidations().have_removed(began) || invalidations.have_removed(began);
        let (kept, standing) = match kept {
            Kept::BeingStored if is_overtaken => (Kept::Overtaken, Standing::ForWaitersOnly),
            Kept::BeingStored => (kept, Standing::UntilFilled),
            Kept::Stored | Kept::Overtaken | Kept::Uncached => (kept, Standing::ForWaitersOnly),
        };
        self.end(
            index,
            Ended::with(value.clone(), meta.clone(), How::Loaded(kept)),
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
        is_stored.then(|| {
            let value = value.map(|known| Described { known, meta });
            (key.clone(), value, Condition::Lease(lease))
        })
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
    pub(super) fn fail_all(&self, failed: &Failed) {
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

    pub(super) fn fail(&self, index: usize, cause: Cause) {
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

    pub(super) fn end(&self, index: usize, ended: Ended, standing: Standing) {
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
