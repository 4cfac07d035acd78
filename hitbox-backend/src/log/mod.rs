//! What is worth a line in the log.
//!
//! A failure that happens a thousand times a second is one state, not a thousand lines. Each source of
//! lines (a layer of a composition, a circuit breaker, an offload manager, the rejections of a backend)
//! keeps a [`Limiter`], which decides without a clock and without a lock of its own. What the lines say is
//! listed in `docs/tracing.md`.

mod health;
mod limiter;
mod name;
mod tally;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use health::Health;
pub(crate) use limiter::{Limiter, Line};
pub(crate) use name::Name;
pub(crate) use tally::Tally;

/// Locks what a source of lines keeps. Standard locks also under loom: no outcome depends on them.
pub(crate) fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds the lock leaves the state half-changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
