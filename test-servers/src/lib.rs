//! Real servers for tests and examples: found or fetched, started on a random port, ended with the
//! handle.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "redis")]
mod watchdog;
