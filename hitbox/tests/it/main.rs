//! What a service may count on, over each kind of backend.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backends;
mod source;

mod abandoned;
mod absent;
mod bulk;
mod close;
mod failures;
mod fleet;
mod fleet_tags;
mod invalidation;
mod limits;
mod mistakes;
mod nesting;
mod not_storable;
mod restart;
mod settings;
mod single_flight;
mod staleness;
mod statistics;
mod tags;
mod times;
mod turns;
