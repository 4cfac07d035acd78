//! What is logged, and by how many lines. A program of its own, since whoever listens listens to the whole process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod clocks;
mod connect;
mod outage;
mod quiet;
mod recorder;
mod secrets;
#[path = "../server/mod.rs"]
mod server;
mod unannounced;
