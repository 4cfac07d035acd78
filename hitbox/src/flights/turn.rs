//! Turns: two flights of a key run at most, and a third one waits for one of them to end.
//!
//! What runs may wait for the third one, by other loads. Then nothing of it would ever end, and the third one begins at once.
//! So a flight that waits for its turn keeps the flights that it waits for. Who adds what makes a circle looks for one then: of
//! two who close it at the same time, at least one sees it.

use std::sync::Arc;

use super::{
    flight::Flight,
    waits::{Edges, behind},
};

/// That a flight waits for its turn.
pub(crate) struct WaitsForTurn(Arc<Flight>);

/// The flight waits for one of these to end, until what this returns is dropped. `None`: it does not, since they wait for it.
pub(crate) fn wait_for_turn(
    flight: &Arc<Flight>,
    running: Vec<Arc<Flight>>,
) -> Option<WaitsForTurn> {
    *flight.begins_after.lock() = running;
    let waits = WaitsForTurn(Arc::clone(flight));
    let begins = flight.is_to_begin_at_once() || is_stuck(flight);
    (!begins).then_some(waits)
}

/// A load has begun to wait for this flight. What waits for its turn and would wait for ever begins.
pub(super) fn begin_what_is_stuck(flight: &Arc<Flight>) {
    let all = behind(flight, Edges::All);
    let stuck = all.iter().filter(|flight| is_stuck(flight));
    stuck.for_each(|flight| flight.begin_at_once());
}

/// Whether all whose end it waits for wait for it.
fn is_stuck(flight: &Arc<Flight>) -> bool {
    let running = flight.begins_after.lock().clone();
    let waits_for_it = |running: &Arc<Flight>| {
        let behind = behind(running, Edges::All);
        behind.iter().any(|other| Arc::ptr_eq(other, flight))
    };
    !running.is_empty() && running.iter().all(waits_for_it)
}

impl Drop for WaitsForTurn {
    fn drop(&mut self) {
        self.0.begins_after.lock().clear();
    }
}
