//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod builder;
mod conformance;
mod contract;
mod eviction;
mod expiry;
mod namespaces;
mod sweep;
