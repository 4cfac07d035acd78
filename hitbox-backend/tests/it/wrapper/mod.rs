//! Deadlines, circuit breakers and retries.

mod circuit_breaker;
mod circuit_breaker_log;
mod circuit_breaker_probe;
mod conformance;
mod deadline;
mod layers;
mod retry;
mod retry_bulk;
mod scripted;
