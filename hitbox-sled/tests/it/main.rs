//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod absent;
mod bound;
mod churn;
mod conformance;
mod contract;
mod crash;
mod damage;
mod directory;
mod disk;
mod large_values;
mod threads;
