//! What the log is told of a circuit.

use std::{sync::Mutex, time::Duration};

use hitbox_core::BackendLabel;
use tokio::time::Instant;

use super::{
    Calls,
    machine::{Cause, Transition},
};
use crate::log::{Limiter, Line, lock};

/// A circuit that opens gets a line, and another one when it closes: a line a second at the most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);

/// Writes down that a circuit opens and closes.
pub(super) struct Lines {
    backend: BackendLabel,
    calls: Calls,
    state: Mutex<State>,
}

struct State {
    limiter: Limiter<&'static str>,
    /// The log has it that the circuit is open.
    is_told_open: bool,
}

impl Lines {
    pub(super) fn new(backend: BackendLabel, calls: Calls) -> Self {
        Self {
            backend,
            calls,
            state: Mutex::new(State {
                limiter: Limiter::with_pause(SHORTEST_PAUSE),
                is_told_open: false,
            }),
        }
    }

    /// Never under the circuit's lock: a subscriber may do anything.
    pub(super) fn note(&self, transition: Transition) {
        let (backend, calls) = (&self.backend, self.calls);
        match transition {
            Transition::Opened { cause, open_for } => self.note_opened(cause, open_for),
            Transition::HalfOpened => {
                tracing::debug!(%backend, %calls, "circuit half-open: one probe is sent");
            }
            Transition::Closed => {
                let was_told_open = std::mem::take(&mut lock(&self.state).is_told_open);
                if was_told_open {
                    tracing::info!(%backend, %calls, "circuit closed: the probe was answered");
                } else {
                    tracing::debug!(%backend, %calls, "circuit closed again: the probe was answered");
                }
            }
        }
    }

    fn note_opened(&self, cause: Cause, open_for: Duration) {
        let (backend, calls) = (&self.backend, self.calls);
        if cause == Cause::Probe {
            tracing::debug!(%backend, %calls, ?open_for, "circuit opened again: the probe failed");
            return;
        }
        let line = {
            let mut state = lock(&self.state);
            let line = state.limiter.note("opened", Instant::now());
            state.is_told_open = line.is_some();
            line
        };
        match line {
            None => {
                tracing::debug!(%backend, %calls, ?open_for, %cause, "circuit opened once more");
            }
            Some(Line::Single) => {
                tracing::warn!(%backend, %calls, ?open_for, %cause, "circuit opened");
            }
            Some(Line::Summary { events, within }) => {
                let times = events.total();
                tracing::warn!(%backend, %calls, ?open_for, %cause, times, ?within, "circuit opened several times");
            }
        }
    }
}
