//! One load of a key at a time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::OnceCell;

type Flight<V> = OnceCell<V>;

/// Lets those who miss the same key at the same time wait for one load instead of each making its
/// own. Within this process only: another one that misses the key loads it too.
pub(crate) struct SingleFlight<K, V> {
    flights: Mutex<HashMap<K, Weak<Flight<V>>>>,
}

impl<K: Eq + Hash, V: Clone> SingleFlight<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            flights: Mutex::default(),
        }
    }

    /// What `load` comes to, or the load that is under way. If whoever began it goes away, one of
    /// those who wait begins anew.
    pub(crate) async fn run<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: K,
        load: impl FnOnce() -> F,
    ) -> Result<V, E> {
        let flight = self.join(key);
        flight.get_or_try_init(load).await.cloned()
    }

    /// Nobody joins the load of `key` that is under way any more.
    pub(crate) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    fn join(&self, key: K) -> Arc<Flight<V>> {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade) {
            return flight;
        }
        // Those that have ended; there are no more in the map than there were ever under way.
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::new());
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<Flight<V>>>> {
        // Nothing that panics runs under the lock.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
