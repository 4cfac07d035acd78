//! G3, G4 and G8 under every order of events that can be told apart, and under random ones with
//! faults.
//!
//! Each operation of a layer waits at a gate before it takes effect and at another before its
//! answer is given. A schedule is the order in which the gates open; nothing else decides what
//! happens. `exhaustive` walks through all schedules of a few operations, `repairs` through all
//! schedules of an operation and the repair that an earlier one left pending, `random` through many
//! schedules of more operations, with failures, lost answers, dropped futures and repairs among them.

mod checks;
mod exhaustive;
mod gates;
mod history;
mod random;
mod repairs;
mod run;
