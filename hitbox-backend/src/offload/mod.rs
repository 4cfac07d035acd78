//! Background work on a tokio runtime: bounded, deduplicated, and accounted for.
//!
//! A composition hands work to an [`Offload`](hitbox_core::Offload) that nobody waits for: the loser
//! of a race, a refill, a repair. [`OffloadManager`] runs it. Every future it is given ends in
//! exactly one column of its [`OffloadStatistics`], and [`OffloadManager::close`] ends them all
//! within a deadline and names what it did not do.

mod builder;
mod ledger;
mod losses;
mod manager;
mod report;

pub use builder::OffloadManagerBuilder;
pub use manager::OffloadManager;
pub use report::{CloseReport, OffloadStatistics};
