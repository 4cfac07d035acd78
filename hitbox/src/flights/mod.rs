//! Single flight: one load of a key, however many ask, and each as a task of its own.
//!
//! [`hitbox_backend::flights`] decides who joins and who is handed what; here are the table of all keys, the task
//! that loads, and the callers that wait.

mod flight;
mod nesting;
mod recent_ends;
mod table;
mod turn;
mod waits;

pub(crate) use flight::{Ended, Flight, How};
pub(crate) use nesting::{Nesting, Recursion, Waits};
pub(crate) use table::{FlightTable, Visit};
pub(crate) use turn::wait_for_turn;
