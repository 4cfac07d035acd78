//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod apart;
mod batches;
mod builder;
#[cfg(feature = "tls")]
mod client_certificates;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod composed;
mod composed_deadlines;
mod conformance;
mod connections;
mod credentials;
mod deadlines;
mod errors;
mod failover;
mod faults;
mod gate;
mod herds;
mod large_replies;
mod leases;
mod namespaces;
mod news;
mod policies;
mod repeats;
mod runtimes;
#[cfg(feature = "sentinel")]
mod sentinel;
#[path = "../server/mod.rs"]
mod server;
#[cfg(feature = "tls")]
mod tls;
mod values;
