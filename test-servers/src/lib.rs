//! Real servers for tests and examples: found or fetched, started on a random port, ended with the
//! handle; a proxy to put in front of them that disturbs connections; a measure of how late the
//! machine is; and a recorder of what is logged.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "lateness")]
pub mod lateness;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "redis")]
mod watchdog;
