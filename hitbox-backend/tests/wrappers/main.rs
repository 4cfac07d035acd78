//! Deadlines, circuit breakers and retries.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod circuit_breaker;
mod circuit_breaker_log;
mod circuit_breaker_probe;
mod conformance;
mod deadline;
mod layers;
mod retry;
mod retry_bulk;
mod scripted;
