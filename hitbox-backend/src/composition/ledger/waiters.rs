//! Who changes one key in its layers, who waits for that, and what runs in the background meanwhile.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use hitbox_core::CompositionLayer;
use tokio::sync::mpsc;

use super::drive::{Drivers, Handoff, Work};

/// From this many on, those who were dropped while they waited are looked for before one more is let in.
const MANY_WAITING: usize = 32;

/// Somebody who waits for a turn: the operation, and where it waits.
pub(super) type Waiter = (u64, mpsc::UnboundedSender<Handoff>);

/// A place in the queue: where the turn arrives, and the work that may hold it now.
pub(super) type Place = (mpsc::UnboundedReceiver<Handoff>, Vec<Weak<Work>>);

/// The operations on one key, by layer.
#[derive(Default)]
pub(super) struct Waiters {
    queues: [Queue; 2],
    /// Work on this key that has been handed to the background.
    drivers: Drivers,
}

#[derive(Default)]
struct Queue {
    /// An operation on the layer is under way.
    busy: bool,
    /// Those who wait for its turn, the longest waiting first.
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

    /// Takes the turn, which is free.
    pub(super) const fn take(&mut self, layer: CompositionLayer) {
        self.queues[layer as usize].busy = true;
    }

    /// A place in the queue for the turn, which is taken.
    pub(super) fn wait(&mut self, layer: CompositionLayer, id: u64) -> Place {
        let waiting = &mut self.queues[layer as usize].waiting;
        if waiting.len() >= MANY_WAITING && waiting.len().is_power_of_two() {
            waiting.retain(|(_, waiter)| !waiter.is_closed());
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        waiting.push_back((id, sender));
        (receiver, self.drivers.snapshot())
    }

    /// The operation on the layer has ended. Says who is next, if anybody waits; else the layer is free.
    pub(super) fn hand_on(&mut self, layer: CompositionLayer) -> Option<Waiter> {
        let queue = &mut self.queues[layer as usize];
        let mut next = queue.waiting.pop_front();
        // Those who were dropped while they waited are passed over here, in a loop: a turn handed
        // to each of them would come back one drop deeper in the stack every time.
        while next.as_ref().is_some_and(|(_, waiter)| waiter.is_closed()) {
            next = queue.waiting.pop_front();
        }
        queue.busy = next.is_some();
        next
    }

    /// Who waits for a turn in one of the layers.
    pub(super) fn waiting(&self) -> Vec<mpsc::UnboundedSender<Handoff>> {
        let waiting = self.queues.iter().flat_map(|queue| &queue.waiting);
        waiting.map(|(_, waiter)| waiter.clone()).collect()
    }

    /// Notes work on the key that is in the background.
    pub(super) fn add_driver(&mut self, id: u64, work: &Arc<Work>) {
        self.drivers.add(id, Arc::downgrade(work));
    }

    pub(super) fn remove_driver(&mut self, id: u64) {
        self.drivers.remove(id);
    }
}
