//! Which flights wait for which others.

use std::sync::Arc;

use hitbox_backend::CacheKey;

use super::flight::Flight;

/// What is followed from flight to flight.
#[derive(Clone, Copy)]
pub(super) enum Edges {
    /// What loaders wait for.
    OfLoaders,
    /// And what is waited for until it is a flight's turn.
    All,
}

impl Edges {
    fn of(self, flight: &Flight) -> Vec<Arc<Flight>> {
        let mut edges = flight.waits_for.lock().clone();
        match self {
            Self::OfLoaders => {}
            Self::All => edges.extend(flight.begins_after.lock().iter().cloned()),
        }
        edges
    }
}

/// All flights that this one waits for, directly or through others, itself first.
pub(super) fn behind(flight: &Arc<Flight>, edges: Edges) -> Vec<Arc<Flight>> {
    Search::from(flight).all(edges)
}

/// The keys on a way from one flight to one of others, both among them, if the one waits for the other.
pub(super) fn path(from: &Arc<Flight>, to: &[Arc<Flight>]) -> Option<Vec<CacheKey>> {
    let is_there = |flight: &Arc<Flight>| to.iter().any(|to| Arc::ptr_eq(flight, to));
    Search::from(from).way_to(is_there, Edges::OfLoaders)
}

/// A search through what flights wait for.
struct Search {
    seen: Vec<Arc<Flight>>,
    /// Each with the index of the one that waits for it.
    came_from: Vec<usize>,
}

impl Search {
    fn from(flight: &Arc<Flight>) -> Self {
        Self {
            seen: vec![Arc::clone(flight)],
            came_from: vec![0],
        }
    }

    fn all(mut self, edges: Edges) -> Vec<Arc<Flight>> {
        let mut next = 0;
        while self.seen.get(next).is_some() {
            self.go_on(next, edges);
            next += 1;
        }
        self.seen
    }

    fn way_to(
        mut self,
        is_there: impl Fn(&Arc<Flight>) -> bool,
        edges: Edges,
    ) -> Option<Vec<CacheKey>> {
        let mut next = 0;
        while let Some(flight) = self.seen.get(next) {
            if is_there(flight) {
                return Some(self.way_back(next));
            }
            self.go_on(next, edges);
            next += 1;
        }
        None
    }

    fn go_on(&mut self, at: usize, edges: Edges) {
        for other in edges.of(&self.seen[at]) {
            if !self.seen.iter().any(|one| Arc::ptr_eq(one, &other)) {
                self.seen.push(other);
                self.came_from.push(at);
            }
        }
    }

    fn way_back(&self, last: usize) -> Vec<CacheKey> {
        let step = |at: &usize| (*at > 0).then(|| self.came_from[*at]);
        let way = std::iter::successors(Some(last), step);
        let mut keys: Vec<CacheKey> = way.map(|at| self.seen[at].key().clone()).collect();
        keys.reverse();
        keys
    }
}
