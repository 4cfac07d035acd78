//! The states of a circuit and what moves it between them: no locks, no clock, no chance of its own.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::{CircuitBreakerConfig, CircuitOpen, CircuitState, verdict::Verdict, window::Window};

pub(super) struct Machine {
    config: CircuitBreakerConfig,
    phase: Phase,
    /// Counts the phases and the probes. A call is told it as it begins, and its verdict counts only
    /// while it lasts: what a call that was sent before an outage has to say comes too late.
    epoch: u64,
    consecutive: u32,
    window: Option<Window>,
    /// How often in a row a probe has failed.
    reopened: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { since: Instant, until: Instant },
    HalfOpen { since: Instant, probe: Probe },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// The next call is it.
    Due,
    UnderWay,
}

/// Says when a call was let through. To be handed back, with a verdict, when the call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) epoch: u64,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Admission {
    Regular(Ticket),
    /// The one call that is let through. Its ticket must be handed back even if it is dropped.
    Probe(Ticket, Option<Transition>),
    Refused(CircuitOpen),
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Opened { cause: Cause, open_for: Duration },
    HalfOpened,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Consecutive(u32),
    Rate { failures: usize, calls: usize },
    Probe,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive(failures) => write!(f, "{failures} consecutive failures"),
            Self::Rate { failures, calls } => write!(f, "{failures} of {calls} calls failed"),
            Self::Probe => f.write_str("the probe failed"),
        }
    }
}

impl Machine {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            window: config.failure_rate.map(Window::new),
            config,
            phase: Phase::Closed,
            epoch: 0,
            consecutive: 0,
            reopened: 0,
        }
    }

    /// A call wants to go through.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.phase {
            Phase::Closed => Admission::Regular(self.ticket()),
            Phase::Open { since, until } if now < until => {
                Admission::Refused(CircuitOpen::until(now - since, until - now))
            }
            Phase::Open { since, .. } => {
                Admission::Probe(self.begin_probe(since), Some(Transition::HalfOpened))
            }
            Phase::HalfOpen {
                since,
                probe: Probe::Due,
            } => Admission::Probe(self.begin_probe(since), None),
            Phase::HalfOpen {
                since,
                probe: Probe::UnderWay,
            } => Admission::Refused(CircuitOpen::while_probed(now - since)),
        }
    }

    fn begin_probe(&mut self, since: Instant) -> Ticket {
        let probe = Probe::UnderWay;
        self.enter(Phase::HalfOpen { since, probe });
        self.ticket()
    }

    /// A call that was let through has ended. `chance` is from 0 to 1, for the jitter.
    pub(super) fn conclude(
        &mut self,
        ticket: Ticket,
        verdict: Verdict,
        now: Instant,
        chance: f64,
    ) -> Option<Transition> {
        if ticket != self.ticket() {
            return None;
        }
        match (self.phase, verdict) {
            (Phase::Closed, Verdict::Answered) => {
                self.consecutive = 0;
                if let Some(window) = &mut self.window {
                    window.note_success();
                }
                None
            }
            (Phase::Closed, Verdict::Failed) => {
                let cause = self.note_failure()?;
                Some(self.open(cause, now, chance))
            }
            (Phase::HalfOpen { .. }, Verdict::Answered) => {
                self.close();
                Some(Transition::Closed)
            }
            (Phase::HalfOpen { .. }, Verdict::Failed) => {
                self.reopened = self.reopened.saturating_add(1);
                Some(self.open(Cause::Probe, now, chance))
            }
            (Phase::HalfOpen { since, .. }, Verdict::Silent) => {
                let probe = Probe::Due;
                self.enter(Phase::HalfOpen { since, probe });
                None
            }
            // No ticket is of an open phase.
            (Phase::Closed, Verdict::Silent) | (Phase::Open { .. }, _) => None,
        }
    }

    /// Why the circuit is to open, if it is.
    fn note_failure(&mut self) -> Option<Cause> {
        self.consecutive = self.consecutive.saturating_add(1);
        if let Some(window) = &mut self.window {
            window.note_failure();
        }
        if self.consecutive >= self.config.consecutive_failures {
            return Some(Cause::Consecutive(self.consecutive));
        }
        let (failures, calls) = self.window.as_ref()?.exceeded()?;
        Some(Cause::Rate { failures, calls })
    }

    fn open(&mut self, cause: Cause, now: Instant, chance: f64) -> Transition {
        let open_for = self.config.open_time(self.reopened, chance);
        let until = now + open_for;
        self.enter(Phase::Open { since: now, until });
        Transition::Opened { cause, open_for }
    }

    fn close(&mut self) {
        self.consecutive = 0;
        self.reopened = 0;
        if let Some(window) = &mut self.window {
            window.clear();
        }
        self.enter(Phase::Closed);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }

    fn ticket(&self) -> Ticket {
        Ticket { epoch: self.epoch }
    }

    /// The ticket of a call that begins now, if the circuit is closed.
    pub(super) fn regular_ticket(&self) -> Option<Ticket> {
        match self.phase {
            Phase::Closed => Some(self.ticket()),
            Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    /// Whether a success of a regular call would change anything.
    pub(super) fn counts_successes(&self) -> bool {
        self.consecutive > 0 || self.window.is_some()
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open { until, .. } => CircuitState::Open { until },
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }
}
