//! Backends in the memory of this process: what adapters over different caches have in common.
//!
//! An adapter implements [`Store`] over a cache that somebody else wrote, and [`InProcess`] makes a backend of
//! it: bounded by entries or by bytes, with an expiry of its own for each entry, a sweep that gives back the
//! memory of what is over, statistics, an eviction listener and namespaces. `hitbox-moka` and
//! `hitbox-quick-cache` are such adapters, which is why their builders and statistics are the same.
//!
//! ```
//! use std::{collections::HashMap, ops::ControlFlow, sync::{Arc, Mutex}};
//!
//! use hitbox_backend::{
//!     CacheKey,
//!     in_process::{Capacity, Evictions, Held, InProcess, Removal, Store},
//! };
//!
//! /// Drops whatever comes first when there is no room.
//! struct Map {
//!     entries: Mutex<HashMap<CacheKey, Held>>,
//!     capacity: Capacity,
//!     evictions: Option<Arc<Evictions>>,
//! }
//!
//! impl Map {
//!     fn gone(&self, key: &CacheKey, held: &Held, removal: Removal) {
//!         if let Some(evictions) = &self.evictions {
//!             evictions.note(key, held, removal);
//!         }
//!     }
//! }
//!
//! impl Store for Map {
//!     const NAME: &'static str = "map";
//!     const ENTRY_OVERHEAD: usize = 100;
//!
//!     fn open(capacity: Capacity, _largest: u64, evictions: Option<Arc<Evictions>>) -> Self {
//!         Self { entries: Mutex::default(), capacity, evictions }
//!     }
//!
//!     fn get(&self, key: &CacheKey) -> Option<Held> {
//!         self.entries.lock().unwrap().get(key).cloned()
//!     }
//!
//!     fn insert(&self, key: &CacheKey, held: Held) {
//!         let overwritten = self.entries.lock().unwrap().insert(key.clone(), held);
//!         if let Some(held) = overwritten {
//!             self.gone(key, &held, Removal::Asked);
//!         }
//!         while self.weight() > self.capacity.bound() {
//!             let first = self.entries.lock().unwrap().keys().next().cloned();
//!             let Some(key) = first else { return };
//!             if let Some(held) = self.entries.lock().unwrap().remove(&key) {
//!                 self.gone(&key, &held, Removal::Capacity);
//!             }
//!         }
//!     }
//!
//!     fn remove(&self, key: &CacheKey) -> Option<Held> {
//!         let held = self.entries.lock().unwrap().remove(key)?;
//!         self.gone(key, &held, Removal::Asked);
//!         Some(held)
//!     }
//!
//!     fn remove_if(&self, key: &CacheKey, condition: impl FnOnce(&Held) -> bool) {
//!         let mut entries = self.entries.lock().unwrap();
//!         if entries.get(key).is_some_and(condition) {
//!             let held = entries.remove(key);
//!             drop(entries);
//!             held.into_iter().for_each(|held| self.gone(key, &held, Removal::Asked));
//!         }
//!     }
//!
//!     fn visit(&self, mut see: impl FnMut(&CacheKey, &Held) -> ControlFlow<()>) -> ControlFlow<()> {
//!         let entries: Vec<_> = self.entries.lock().unwrap().clone().into_iter().collect();
//!         entries.iter().try_for_each(|(key, held)| see(key, held))
//!     }
//!
//!     fn entries(&self) -> u64 {
//!         self.entries.lock().unwrap().len() as u64
//!     }
//!
//!     fn weight(&self) -> u64 {
//!         self.entries.lock().unwrap().values().map(|held| u64::from(held.weight())).sum()
//!     }
//! }
//!
//! let cache = InProcess::<Map>::builder().max_entries(100).label("local").build()?;
//! assert_eq!(cache.statistics().entries, 0);
//! # Ok::<(), hitbox_backend::BackendError>(())
//! ```

mod backend;
mod builder;
mod capacity;
mod entry;
mod eviction;
mod held;
mod statistics;
mod store;
mod sweeper;
mod weight;

pub use backend::InProcess;
pub use builder::{CapacityUnset, InProcessBuilder};
pub use capacity::Capacity;
pub use eviction::{EvictionCause, Evictions, Removal};
pub use held::Held;
pub use statistics::Statistics;
pub use store::Store;
pub use weight::weight_of;
