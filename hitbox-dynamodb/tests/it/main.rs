//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod batches;
mod builder;
mod composed;
mod composed_deadlines;
mod compositions;
mod conformance;
mod connections;
mod contract;
mod credentials;
mod faults;
mod outage;
mod repeats;
mod replies;
mod stub;
mod table;
mod tables;
