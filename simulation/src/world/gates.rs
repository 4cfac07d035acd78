//! Where the operations of layers wait.

use std::{
    future::poll_fn,
    mem,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{World, late::LATE_AT_MOST};
use crate::{
    layer::Request,
    step::{Fault, Faulted},
};

/// Where an operation of a layer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    BeforeEffect,
    BeforeAnswer,
}

pub(super) struct Waiting {
    gate: usize,
    site: usize,
    phase: Phase,
    since: Instant,
    waker: Waker,
}

impl World {
    /// Waits until the operation may get on. Returns what goes wrong with it.
    pub(crate) async fn pass(
        &self,
        site: usize,
        phase: Phase,
        requests: &[Request],
    ) -> Option<Faulted> {
        let gate = {
            let mut state = self.state();
            if state.calm {
                return None;
            }
            state.next_gate += 1;
            state.next_gate
        };
        let since = Instant::now();
        let mut passing = Passing {
            world: self,
            gate,
            site,
            undelivered: match phase {
                Phase::BeforeEffect => requests,
                Phase::BeforeAnswer => &[],
            },
        };
        let fault = poll_fn(|context| {
            let mut state = self.state();
            state.waiting.retain(|waiting| waiting.gate != gate);
            if let Some(at) = state.opened.iter().position(|(opened, _)| *opened == gate) {
                return Poll::Ready(state.opened.swap_remove(at).1);
            }
            let waker = context.waker().clone();
            let at = state.waiting.partition_point(|waiting| waiting.gate < gate);
            let waiting = Waiting {
                gate,
                site,
                phase,
                since,
                waker,
            };
            state.waiting.insert(at, waiting);
            Poll::Pending
        })
        .await;
        passing.undelivered = &[];
        fault
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Opens a gate, by its place in the order of arrival.
    pub(crate) fn open(&self, at: usize, fault: Option<Faulted>) {
        let mut state = self.state();
        let Waiting {
            gate,
            site,
            phase,
            waker,
            ..
        } = state.waiting.remove(at);
        let fault = match (state.broken[site], phase) {
            // What it has done already, it answers.
            (None, _) | (Some(Fault::Refused | Fault::Repeated), Phase::BeforeAnswer) => fault,
            // To all keys.
            (Some(broken), _) => Some(Faulted {
                fault: broken,
                keys: u8::MAX,
            }),
        };
        state.opened.push((gate, fault));
        drop(state);
        waker.wake();
    }

    /// Lets an operation on that would take effect too late once `time` has passed. False if there is
    /// none.
    pub(crate) fn open_overdue(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let overdue = |waiting: &Waiting| {
            waiting.phase == Phase::BeforeEffect && waiting.since + LATE_AT_MOST <= end
        };
        let at = self.state().waiting.iter().position(overdue);
        if let Some(at) = at {
            self.open(at, None);
        }
        at.is_some()
    }

    /// Says whether that was otherwise before.
    pub(crate) fn set_broken(&self, site: usize, broken: Option<Fault>) -> bool {
        mem::replace(&mut self.state().broken[site], broken) != broken
    }

    /// From now on nobody waits and nothing fails.
    pub(crate) fn calm_down(&self) {
        let wakers: Vec<_> = {
            let mut state = self.state();
            state.calm = true;
            state.broken.fill(None);
            let waiting = mem::take(&mut state.waiting);
            let open = |waiting: Waiting| {
                state.opened.push((waiting.gate, None));
                waiting.waker
            };
            waiting.into_iter().map(open).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn stir_up(&self) {
        self.state().calm = false;
    }
}

/// One that waits at a gate. Dropped there, it stops waiting.
struct Passing<'w> {
    world: &'w World,
    gate: usize,
    site: usize,
    undelivered: &'w [Request],
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.waiting.retain(|waiting| waiting.gate != self.gate);
        let late = state.drops_are_late;
        drop(state);
        let changes = self.undelivered.iter().filter(|request| request.changes());
        if late {
            changes.for_each(|request| self.world.delay(self.site, request.clone()));
        }
    }
}
