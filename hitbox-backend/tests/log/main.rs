//! What is logged (G4). A program of its own: tracing remembers per process who
//! wants an event, so all tests in it have to want every one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod full_record;
mod recorder;
