//! The leases of a load: which process loads a key, where several share a store.

use std::{cmp::Ordering, error::Error, time::Duration};

use futures::future::join_all;
use hitbox_backend::{Backend, Begun, Lease};
use tokio::time::{Instant, sleep};

use super::{InFleet, Job, Loading, Look};

/// How long a process that waits for another one pauses between two questions: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

impl Job {
    /// The leases of all keys. As long as other processes load some of them, they are waited for, up to the patience of the cache.
    ///
    /// Two processes that load many keys never wait for each other: as in any order of locks, who waits for a key holds only
    /// keys that come before it.
    pub(super) async fn take_leases(&self, looks: &[Look]) -> Vec<Loading> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut all: Vec<_> = (0..self.flights.len()).map(Loading::not_asked).collect();
        loop {
            let as_leader = match pause {
                FIRST_PAUSE => InFleet::Leads,
                _ => InFleet::LeadsLater,
            };
            self.ask_for_leases(&mut all, as_leader).await;
            let waited_for = all.iter().filter(|loading| self.is_to_wait(loading, looks));
            let waited_for = waited_for.map(|loading| loading.index);
            let first = waited_for.min_by(|one, two| self.order(*one, *two));
            let has_patience = began.elapsed() < self.shared.limits.fleet_patience;
            let Some(first) = first.filter(|_| has_patience) else {
                return all;
            };
            if pause == FIRST_PAUSE {
                self.shared.counters.loads_elsewhere.add();
            }
            for loading in &mut all {
                let comes_later = self.order(loading.index, first) == Ordering::Greater;
                if comes_later || !loading.in_fleet.is_taken() {
                    *loading = Loading::not_asked(loading.index);
                }
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
        }
    }

    /// Asks for the leases that the load does not have.
    async fn ask_for_leases(&self, all: &mut [Loading], as_leader: InFleet) {
        if let [loading] = all {
            return self.ask_for_lease(loading, as_leader).await;
        }
        let missing = all
            .iter_mut()
            .filter(|loading| !loading.in_fleet.is_taken());
        join_all(missing.map(|loading| self.ask_for_lease(loading, as_leader))).await;
    }

    /// Where the backend fails, the load has a lease that holds nothing.
    async fn ask_for_lease(&self, loading: &mut Loading, as_leader: InFleet) {
        let key = self.flights[loading.index].key();
        (loading.in_fleet, loading.lease) = match self.shared.backend.begin_load(key).await {
            Ok(Begun::Elsewhere(lease)) => (InFleet::Elsewhere, lease),
            Ok(Begun::Found(lease)) => (InFleet::LeadsLater, lease),
            Ok(begun) => (as_leader, begun.into_lease()),
            Err(error) => {
                tracing::debug!(%key, error = &error as &dyn Error, "the backend gives no lease");
                (as_leader, Lease::default())
            }
        };
    }

    /// Whether the load of another process is waited for: not by one that is to be made in any case.
    fn is_to_wait(&self, loading: &Loading, looks: &[Look]) -> bool {
        let has_to_load = || {
            matches!(looks.get(loading.index), Some(Look::Never))
                || self.flights[loading.index].has_to_load()
        };
        match loading.in_fleet {
            InFleet::Elsewhere => !has_to_load(),
            InFleet::NotAsked | InFleet::Leads | InFleet::LeadsLater => false,
        }
    }

    fn order(&self, one: usize, two: usize) -> Ordering {
        let text = |index: usize| self.flights[index].key().as_text();
        text(one).cmp(text(two))
    }
}
