//! What is about to happen, in the order of its time.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    scene::Micros,
    server::{Command, Heard, Reply},
};

#[derive(Debug)]
pub(super) enum Event {
    /// A process calls something.
    Call {
        process: usize,
    },
    /// A command reaches the server.
    Arrives {
        call: usize,
        command: Command,
    },
    /// The server's reply reaches the process; `None`: the link has been cut.
    Replied {
        call: usize,
        reply: Option<Reply>,
    },
    /// A loader has what it loads.
    Loaded {
        call: usize,
    },
    /// A change that its process has given up takes effect all the same.
    Late {
        process: usize,
        key: usize,
        command: Command,
    },
    Repair {
        process: usize,
        key: usize,
    },
    /// See [`Mistake::InsertsThenLooks`](super::mistake::Mistake::InsertsThenLooks).
    LooksForNews {
        process: usize,
        level: usize,
        key: usize,
    },
    /// A listener asks.
    Asks {
        process: usize,
        level: usize,
    },
    /// Its question reaches the server.
    Asked {
        process: usize,
        level: usize,
        asked: Micros,
        cuts: u32,
    },
    /// The answer reaches it.
    Answered {
        process: usize,
        level: usize,
        asked: Micros,
        heard: Heard,
        cuts: u32,
    },
    Fault,
}

#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Reverse<At>>,
    number: u64,
}

#[derive(Debug)]
struct At {
    time: Micros,
    number: u64,
    event: Event,
}

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

impl Events {
    pub(super) fn at(&mut self, time: Micros, event: Event) {
        self.number += 1;
        let number = self.number;
        self.heap.push(Reverse(At {
            time,
            number,
            event,
        }));
    }

    pub(super) fn next(&mut self) -> Option<(Micros, Event)> {
        self.heap.pop().map(|Reverse(at)| (at.time, at.event))
    }
}
