//! Locks, atomics and tasks, as far as it matters in which order threads get to them.
//!
//! They are those of std and tokio. `cargo xtask schedules` puts loom's in their place, in the unit
//! tests alone, and walks through the orders: see `schedules`.

#[cfg(not(all(test, hitbox_schedules)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(all(test, hitbox_schedules)))]
pub(crate) use tokio::sync::Notify;

#[cfg(all(test, hitbox_schedules))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, hitbox_schedules))]
pub(crate) use exploration::{Notify, spawn};

/// Runs `task` on the runtime. One that has been shut down drops it on the spot.
#[cfg(not(all(test, hitbox_schedules)))]
pub(crate) fn spawn(
    runtime: &tokio::runtime::Handle,
    task: impl Future<Output = ()> + Send + 'static,
) {
    runtime.spawn(task);
}
