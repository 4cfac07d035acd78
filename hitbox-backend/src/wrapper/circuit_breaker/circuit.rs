//! A circuit that many calls go through at once.

use std::sync::PoisonError;

use hitbox_core::BackendLabel;
use tokio::time::Instant;

use super::{
    Calls, CircuitBreakerConfig, CircuitBreakerStatistics, CircuitOpen, CircuitState,
    lines::Lines,
    machine::{Admission, Machine, Ticket, Transition},
    verdict::Verdict,
};
use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

pub(super) struct Circuit {
    lines: Lines,
    machine: Mutex<Machine>,
    /// What the machine would say to a call and to a success, so that neither takes the lock while
    /// all is well. Written under the lock only.
    fast: AtomicU64,
    opened: AtomicU64,
    probes: AtomicU64,
    refused: AtomicU64,
}

/// In `fast`: the circuit is closed. Above the flags stands the epoch; 62 bits do not run out.
const CLOSED: u64 = 0b01;
/// In `fast`: a success has to be told to the machine.
const COUNTS_SUCCESSES: u64 = 0b10;
const FLAGS: u32 = 2;

impl Circuit {
    pub(super) fn new(label: BackendLabel, calls: Calls, config: CircuitBreakerConfig) -> Self {
        let machine = Machine::new(config);
        Self {
            lines: Lines::new(label, calls),
            fast: AtomicU64::new(fast_word(&machine)),
            machine: Mutex::new(machine),
            opened: AtomicU64::new(0),
            probes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Lets a call through, or refuses it.
    pub(super) fn enter(&self) -> Result<Pass<'_>, CircuitOpen> {
        let fast = self.fast.load(Ordering::Acquire);
        if fast & CLOSED != 0 {
            let epoch = fast >> FLAGS;
            return Ok(self.pass(Ticket { epoch }));
        }
        let admission = {
            let mut machine = self.machine();
            let admission = machine.admit(Instant::now());
            self.publish(&machine);
            admission
        };
        match admission {
            Admission::Regular(ticket) => Ok(self.pass(ticket)),
            Admission::Probe(ticket, transition) => {
                // First of all, so that nothing on the way can lose the ticket.
                let pass = self.pass(ticket);
                self.probes.fetch_add(1, Ordering::Relaxed);
                if let Some(transition) = transition {
                    self.lines.note(transition);
                }
                Ok(pass)
            }
            Admission::Refused(open) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(open)
            }
        }
    }

    const fn pass(&self, ticket: Ticket) -> Pass<'_> {
        Pass {
            circuit: self,
            ticket,
            verdict: Verdict::Silent,
        }
    }

    fn conclude(&self, ticket: Ticket, verdict: Verdict) {
        let fast = self.fast.load(Ordering::Acquire);
        let closed_all_along = ticket.epoch << FLAGS | CLOSED;
        let nothing_new = match verdict {
            Verdict::Answered => fast == closed_all_along,
            Verdict::Silent => fast & !COUNTS_SUCCESSES == closed_all_along,
            Verdict::Failed => false,
        };
        if nothing_new {
            return;
        }
        let transition = {
            let mut machine = self.machine();
            let transition = machine.conclude(ticket, verdict, Instant::now(), fastrand::f64());
            self.publish(&machine);
            transition
        };
        if matches!(transition, Some(Transition::Opened { .. })) {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(transition) = transition {
            self.lines.note(transition);
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        self.machine().state()
    }

    pub(super) fn statistics(&self) -> CircuitBreakerStatistics {
        CircuitBreakerStatistics {
            opened: self.opened.load(Ordering::Relaxed),
            probes: self.probes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // No code that holds the lock leaves the machine half-changed.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, machine: &Machine) {
        self.fast.store(fast_word(machine), Ordering::Release);
    }
}

fn fast_word(machine: &Machine) -> u64 {
    let Some(Ticket { epoch }) = machine.regular_ticket() else {
        return 0;
    };
    let counts_successes = if machine.counts_successes() {
        COUNTS_SUCCESSES
    } else {
        0
    };
    epoch << FLAGS | counts_successes | CLOSED
}

/// A call that was let through. Dropped without a verdict, it says nothing about the layer, and a
/// probe makes room for the next one.
#[must_use]
pub(super) struct Pass<'c> {
    circuit: &'c Circuit,
    ticket: Ticket,
    verdict: Verdict,
}

impl Pass<'_> {
    pub(super) fn conclude(mut self, verdict: Verdict) {
        // The drop does the rest.
        self.verdict = verdict;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.circuit.conclude(self.ticket, self.verdict);
    }
}
