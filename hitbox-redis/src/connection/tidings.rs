//! What is logged of a connection: that it is there, gone, and back, each once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hitbox_backend::Operation;
use hitbox_core::BackendLabel;

use crate::{connection::clock::Finding, error::Failure};

/// After a line, what a connection that comes and goes has to say is for debugging only.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether somebody waits for the first connection, who is told by an error why there is none. If there is
/// none, the backend goes: nothing is tried again.
#[derive(Default)]
pub(crate) struct Opening(AtomicBool);

impl Opening {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Tidings {
    label: BackendLabel,
    address: Arc<str>,
    opening: Arc<Opening>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    state: Option<State>,
    /// When the last line was written that is for everybody.
    last: Option<Instant>,
    /// Since when there has been no connection, if that was said to everybody.
    down_since: Option<Instant>,
    clock: Option<Clock>,
    unannounced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connected,
    Lost,
    NotConnected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Right,
    Wrong,
}

impl Tidings {
    pub(crate) fn new(label: BackendLabel, address: Arc<str>, opening: Arc<Opening>) -> Self {
        Self {
            label,
            address,
            opening,
            told: Mutex::default(),
        }
    }

    pub(crate) fn connected(&self) {
        let mut told = self.told();
        let down = told.down_since.take().map(|since| since.elapsed());
        told.state = Some(State::Connected);
        match down {
            Some(down) => tracing::info!(
                backend = %self.label, address = %self.address, ?down, "connected again"
            ),
            None => tracing::debug!(backend = %self.label, address = %self.address, "connected"),
        }
    }

    pub(crate) fn lost(&self) {
        let mut told = self.told();
        told.state = Some(State::Lost);
        tracing::debug!(
            backend = %self.label, address = %self.address, "connection lost; opening another"
        );
    }

    pub(crate) fn not_connected(&self, failure: &Failure) {
        let backend = &self.label;
        let error = || failure.clone().into_error(Operation::Open, backend);
        if self.opening.is_under_way() {
            tracing::debug!(%backend, error = %error(), "no connection at the first attempt");
            return;
        }
        let mut told = self.told();
        let before = told.state.replace(State::NotConnected);
        if before == Some(State::NotConnected) {
            return;
        }
        let error = error();
        let now = Instant::now();
        if told.last.is_some_and(|last| now - last < PAUSE) {
            tracing::debug!(%backend, %error, "no connection; trying again in the background");
            return;
        }
        told.last = Some(now);
        told.down_since = Some(now);
        tracing::warn!(%backend, %error, "no connection; trying again in the background");
    }

    /// The credentials of an open connection could not be renewed, this often in a row.
    pub(crate) fn not_renewed(&self, failure: &Failure, failures: u32) {
        let backend = &self.label;
        let failure = failure.clone().at(&self.address);
        let error = failure.into_error(Operation::Maintain, backend);
        match failures {
            2.. => tracing::debug!(%backend, %error, "the credentials are not renewed yet"),
            _ => tracing::warn!(
                %backend, %error, "the credentials are about to end and cannot be renewed; trying again"
            ),
        }
    }

    /// Others announce what they change in this namespace, and this backend does not.
    pub(crate) fn unannounced(&self) {
        if std::mem::replace(&mut self.told().unannounced, true) {
            return;
        }
        tracing::error!(
            backend = %self.label, address = %self.address,
            "others keep coherent copies of this namespace and do not hear of what is changed here: build this \
             backend with `announce`"
        );
    }

    pub(crate) fn clock(&self, found: Finding) {
        let mut told = self.told();
        let (now, millis) = match found {
            Finding::Agrees => (Clock::Right, 0),
            Finding::Ahead(millis) => (Clock::Wrong, millis),
        };
        let before = told.clock.replace(now);
        match (before, now) {
            (Some(Clock::Wrong), Clock::Wrong) | (None | Some(Clock::Right), Clock::Right) => {}
            (Some(Clock::Wrong), Clock::Right) => tracing::info!(
                backend = %self.label, address = %self.address, "the server's clock agrees again"
            ),
            (None | Some(Clock::Right), Clock::Wrong) => tracing::warn!(
                backend = %self.label,
                address = %self.address,
                ahead_millis = millis,
                "the server's clock and this process's differ: set them right; expiries are \
                 translated meanwhile"
            ),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
