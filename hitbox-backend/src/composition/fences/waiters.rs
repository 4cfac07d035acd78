//! Who changes one key in its layers, who waits for that, and which tasks in the background may hold it up.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use hitbox_core::CompositionLayer;
use tokio::sync::{mpsc, oneshot};

use super::help::SharedTask;

/// From this many on, waiters that were dropped are looked for before one more is let in.
const MANY_WAITING: usize = 32;

/// Somebody who waits for a permit.
pub(super) struct Waiter {
    permit: oneshot::Sender<()>,
    offers: Offers,
}

/// Where a waiter is offered tasks that may hold the permit.
pub(super) type Offers = mpsc::UnboundedSender<Weak<SharedTask>>;

/// A place in the queue.
pub(super) struct Place {
    /// The permit arrives here.
    pub(super) permit: oneshot::Receiver<()>,
    pub(super) offers: mpsc::UnboundedReceiver<Weak<SharedTask>>,
    /// Tasks that may hold the permit now.
    pub(super) tasks: Vec<Weak<SharedTask>>,
}

/// The waiter was dropped while it waited.
pub(super) struct Gone;

impl Waiter {
    /// Tells the waiter that it has the permit.
    pub(super) fn grant(self) -> Result<(), Gone> {
        self.permit.send(()).map_err(|()| Gone)
    }
}

/// The operations on one key, by layer.
#[derive(Default)]
pub(super) struct Waiters {
    queues: [Queue; 2],
    /// Tasks in the background that may hold a permit of this key.
    tasks: Vec<(u64, Weak<SharedTask>)>,
}

#[derive(Default)]
struct Queue {
    /// An operation on the layer is under way.
    busy: bool,
    /// Those who wait for its permit, the longest waiting first.
    waiting: VecDeque<Waiter>,
}

impl Waiters {
    /// An operation on one of the layers is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.queues.iter().any(|queue| queue.busy)
    }

    pub(super) const fn is_busy_in(&self, layer: CompositionLayer) -> bool {
        self.queues[layer as usize].busy
    }

    /// Takes the permit, which is free.
    pub(super) const fn take(&mut self, layer: CompositionLayer) {
        self.queues[layer as usize].busy = true;
    }

    /// A place in the queue for the permit, which is taken.
    pub(super) fn wait(&mut self, layer: CompositionLayer) -> Place {
        let waiting = &mut self.queues[layer as usize].waiting;
        if waiting.len() >= MANY_WAITING && waiting.len().is_power_of_two() {
            waiting.retain(|waiter| !waiter.permit.is_closed());
        }
        let (grant, permit) = oneshot::channel();
        let (sender, offers) = mpsc::unbounded_channel();
        waiting.push_back(Waiter {
            permit: grant,
            offers: sender,
        });
        Place {
            permit,
            offers,
            tasks: self.tasks.iter().map(|(_, task)| task.clone()).collect(),
        }
    }

    /// The operation on the layer has ended. Says who is next, if anybody waits; else the layer is free.
    pub(super) fn hand_on(&mut self, layer: CompositionLayer) -> Option<Waiter> {
        let queue = &mut self.queues[layer as usize];
        let mut next = queue.waiting.pop_front();
        // Waiters that were dropped are passed over here, without a lock for each.
        while next.as_ref().is_some_and(|next| next.permit.is_closed()) {
            next = queue.waiting.pop_front();
        }
        queue.busy = next.is_some();
        next
    }

    /// Where those who wait for a permit in one of the layers are offered tasks.
    pub(super) fn offers(&self) -> Vec<Offers> {
        let waiting = self.queues.iter().flat_map(|queue| &queue.waiting);
        waiting.map(|waiter| waiter.offers.clone()).collect()
    }

    /// Notes a task in the background that may hold a permit of this key.
    pub(super) fn add_task(&mut self, id: u64, task: &Arc<SharedTask>) {
        self.tasks.push((id, Arc::downgrade(task)));
    }

    pub(super) fn remove_task(&mut self, id: u64) {
        self.tasks.retain(|(other, _)| *other != id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use CompositionLayer::{L1, L2};

    #[test]
    fn the_permit_goes_to_the_longest_waiting_that_is_still_there() {
        let mut waiters = Waiters::default();
        waiters.take(L1);
        let mut places = [(); 4].map(|()| Some(waiters.wait(L1)));
        places[0] = None;
        places[2] = None;
        assert!(waiters.hand_on(L1).unwrap().grant().is_ok());
        assert!(places[1].as_mut().unwrap().permit.try_recv().is_ok());
        assert!(places[3].as_mut().unwrap().permit.try_recv().is_err());
        let next = waiters.hand_on(L1).unwrap();
        places[3] = None;
        // It has gone this very moment: the permit is still taken.
        assert!(next.grant().is_err() && waiters.is_busy_in(L1) && !waiters.is_busy_in(L2));
        assert!(waiters.hand_on(L1).is_none() && !waiters.is_busy());
    }

    #[test]
    fn dropped_waiters_do_not_pile_up() {
        let mut waiters = Waiters::default();
        waiters.take(L2);
        for _ in 0..10 * MANY_WAITING {
            drop(waiters.wait(L2));
        }
        assert!(waiters.offers().len() <= 2 * MANY_WAITING);
    }
}
