//! Real servers for tests and examples: found or fetched, started on a random port, ended with the
//! handle; and a proxy to put in front of them that disturbs connections.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "redis")]
mod watchdog;
