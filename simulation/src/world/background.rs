//! What compositions hand to the background, to be done now or later.

use std::{mem, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::World;

pub(super) struct Deferred {
    due: Instant,
    work: BoxFuture<'static, ()>,
}

impl World {
    pub(crate) fn hand_over(&self, work: BoxFuture<'static, ()>) {
        self.state().background.push(work);
    }

    pub(crate) fn defer(&self, delay: Duration, work: BoxFuture<'static, ()>) {
        let due = Instant::now() + delay;
        let mut state = self.state();
        // Behind those that are due at the same time.
        let at = state.deferred.partition_point(|other| other.due <= due);
        state.deferred.insert(at, Deferred { due, work });
    }

    /// What is to be done now.
    pub(crate) fn take_background(&self) -> Vec<BoxFuture<'static, ()>> {
        let now = Instant::now();
        let mut state = self.state();
        let mut works = mem::take(&mut state.background);
        let due = state.deferred.partition_point(|other| other.due <= now);
        works.extend(state.deferred.drain(..due).map(|deferred| deferred.work));
        works
    }

    pub(crate) fn deferred(&self) -> usize {
        self.state().deferred.len()
    }

    /// When the next of what is deferred is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.state().deferred.first().map(|deferred| deferred.due)
    }

    pub(crate) fn take_deferred(&self, at: usize) -> BoxFuture<'static, ()> {
        self.state().deferred.remove(at).work
    }

    /// Drops what has been handed over: it holds this world.
    pub(crate) fn give_up_background(&self) {
        let (background, deferred) = {
            let mut state = self.state();
            let background = mem::take(&mut state.background);
            (background, mem::take(&mut state.deferred))
        };
        drop((background, deferred));
    }
}
