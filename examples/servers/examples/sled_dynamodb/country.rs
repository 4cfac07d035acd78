//! The expensive part: the quickest way through a hilly country, by Dijkstra's algorithm.

use std::{cmp::Reverse, collections::BinaryHeap};

use serde::{Deserialize, Serialize};

/// Cells from west to east, and from north to south.
const SIDE: usize = 120;
pub(crate) const CELLS: usize = SIDE * SIDE;

/// To be raised with every change of the country or of `Route`: cached routes are of one edition.
pub(crate) const EDITION: u32 = 1;

pub(crate) struct Country {
    /// That it takes to reach each cell from one beside it.
    minutes: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) minutes: u32,
    /// The cells on the way, from the end to the beginning.
    way: Vec<usize>,
}

impl Country {
    /// The same one in every run.
    pub(crate) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        Self {
            minutes: (0..CELLS).map(|_| random.u32(1..60)).collect(),
        }
    }

    /// The quickest route between two cells.
    pub(crate) fn route(&self, from: usize, to: usize) -> Route {
        let mut minutes = vec![u32::MAX; CELLS];
        let mut before = vec![from; CELLS];
        minutes[from] = 0;
        let mut frontier = BinaryHeap::from([Reverse((0, from))]);
        while let Some(Reverse((reached, cell))) = frontier.pop() {
            if reached > minutes[cell] {
                // A quicker way to it was found since.
                continue;
            }
            for next in neighbours(cell) {
                let reached = reached + self.minutes[next];
                if reached < minutes[next] {
                    minutes[next] = reached;
                    before[next] = cell;
                    frontier.push(Reverse((reached, next)));
                }
            }
        }
        let way = std::iter::successors(Some(to), |cell| (*cell != from).then(|| before[*cell]));
        Route {
            minutes: minutes[to],
            way: way.collect(),
        }
    }
}

fn neighbours(cell: usize) -> impl Iterator<Item = usize> {
    let (row, column) = (cell / SIDE, cell % SIDE);
    let north = (row > 0).then(|| cell - SIDE);
    let south = (row < SIDE - 1).then(|| cell + SIDE);
    let west = (column > 0).then(|| cell - 1);
    let east = (column < SIDE - 1).then(|| cell + 1);
    [north, south, west, east].into_iter().flatten()
}
