//! What stands between a cache and a layer that is slow, hung or dead: deadlines, circuit breakers
//! and retries.
//!
//! Each is a [`Backend`] around a backend. [`BackendExt`] gives every backend the methods that put
//! them on; `get_ref` and `into_inner` lead back. A wrapper keeps the label, the formats and the
//! capabilities of what it wraps, so source paths and errors name the backend itself.
//!
//! | | what it does | what a call may fail with besides |
//! |---|---|---|
//! | [`Deadline`] | ends each call in time | [`Timeout`](crate::BackendErrorKind::Timeout) |
//! | [`CircuitBreaker`] | asks nothing of a layer that keeps failing, but for one probe at a time | [`Unavailable`](crate::BackendErrorKind::Unavailable), at once |
//! | [`Retry`] | asks again when a failure may pass | [`Timeout`](crate::BackendErrorKind::Timeout), when its time is over |
//!
//! # The order
//!
//! From the inside out: a deadline for each attempt, the circuit breaker, retries, and a deadline
//! for the whole if that of the retries is not enough:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use std::time::Duration;
//!
//! use hitbox_backend::{
//!     BackendError, BackendExt, CircuitBreakerConfig, Compose, OffloadManager, RetryConfig,
//! };
//! # use hitbox_backend::conformance::MemoryBackend;
//! # let (in_process, in_a_server) = (MemoryBackend::new(), MemoryBackend::new());
//!
//! let in_a_server = in_a_server
//!     .deadline(Duration::from_millis(100))?
//!     .circuit_breaker(CircuitBreakerConfig::new())?
//!     .retry(RetryConfig::new().within(Duration::from_millis(250)))?;
//!
//! let cache = in_process.compose(in_a_server, OffloadManager::builder().build()?);
//! # drop(cache);
//! # Ok::<(), BackendError>(())
//! # }).unwrap();
//! ```
//!
//! - *A deadline innermost*, because the other two learn from outcomes, and a call that hangs has
//!   none. Around the circuit breaker alone it would drop hung calls before the breaker could count
//!   them, and a hung probe would hold the only place there is for one.
//! - *The circuit breaker around it and inside the retries*, so that it counts every attempt, and a
//!   layer that goes down in the middle of a call gets no more of them. Around the retries it would
//!   take a whole series of failed attempts for one failure, and open that much later.
//! - *Retries around the circuit breaker*. They do not wait for an open circuit, since it stays open
//!   for longer than their pauses last: a call that it refuses is over.
//! - *An overall deadline outermost*, only where something shorter than [`RetryConfig::within`] is
//!   wanted for some callers: retries keep a deadline of their own.
//! - *Retries multiply* with those of an adapter that sends again by itself; see [`Retry`].
//!
//! The innermost deadline must be the shortest: the outer ones drop calls too, and what they drop
//! the circuit breaker cannot count.
//!
//! The wrappers belong around a layer, not around a composition: a slow layer is then cut off by
//! itself, and the other still answers. An overall deadline around a composition is fine.
//!
//! # What a composition makes of it
//!
//! A write or remove that fails leaves a repair pending: what the layer holds under that key is
//! not served until it has caught up. That is so for every failure, and for a circuit that was open
//! too: an outage that is skipped never turns into stale answers.
//!
//! A failure that is not [definite](crate::BackendError::is_definite), such as a timeout, may still
//! take effect; the composition goes on to guard against that for a while. A call that an open
//! circuit refused is definite: nothing was sent.
//!
//! A composition lets one write or remove at a time at a key in a layer, and the next one waits. So
//! a write that is being repeated cannot overtake a newer one, and it holds the newer one up for as
//! long as its deadline allows: keep that short.

mod circuit_breaker;
mod deadline;
mod forward;
mod retry;

use std::time::Duration;

use crate::{Backend, BackendResult, Fenced};

pub(crate) use forward::{always_wait, forward_all_but_announces, forward_properties};

pub use circuit_breaker::{
    Calls, CircuitBreaker, CircuitBreakerConfig, CircuitBreakerStatistics, CircuitOpen,
    CircuitState, FailureRate,
};
pub use deadline::Deadline;
pub use retry::{Retry, RetryConfig, WriteRetry};

/// Puts wrappers around backends. Implemented for every sized [`Backend`], `Arc<dyn Backend>`
/// included; the [module](self) says in which order they stack.
///
/// ```
/// # fn main() -> Result<(), hitbox_backend::BackendError> {
/// use std::{sync::Arc, time::Duration};
/// use hitbox_backend::{Backend, BackendExt, conformance::MemoryBackend};
///
/// let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
/// let bounded = backend.deadline(Duration::from_millis(50))?;
/// assert_eq!(bounded.label().as_str(), "memory");
/// # Ok(())
/// # }
/// ```
pub trait BackendExt: Backend + Sized {
    /// This backend, each call of which ends within this time. See [`Deadline`].
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if it is zero.
    fn deadline(self, within: Duration) -> BackendResult<Deadline<Self>> {
        Deadline::new(self, within)
    }

    /// This backend, asked only for probes while it keeps failing. See [`CircuitBreaker`].
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if a setting cannot
    /// work; the message names it.
    fn circuit_breaker(self, config: CircuitBreakerConfig) -> BackendResult<CircuitBreaker<Self>> {
        CircuitBreaker::new(self, config)
    }

    /// This backend, asked again when it fails in a way that may pass. See [`Retry`].
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration) if a setting cannot
    /// work; the message names it.
    fn retry(self, config: RetryConfig) -> BackendResult<Retry<Self>> {
        Retry::new(self, config)
    }

    /// This backend, which does not store what is older than what it was told last. See [`Fenced`].
    fn fenced(self) -> Fenced<Self>
    where
        Self: 'static,
    {
        Fenced::new(self)
    }
}

impl<B: Backend> BackendExt for B {}
