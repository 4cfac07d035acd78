//! What crates explore their schedules with: every order in which threads can get to their locks and atomics.
//!
//! A crate puts loom's types in the place of std's in its unit tests, under the cfg `hitbox_schedules`, and has its
//! scenarios in `src/schedules`. `cargo xtask schedules` runs them.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod clock;
mod explore;
mod notify;
mod once;
mod task_local;
mod tasks;

pub use clock::Clock;
pub use explore::{Extent, explore};
pub use notify::Notify;
pub use once::OnceLock;
pub use task_local::{NotSet, TaskLocal};
pub use tasks::{spawn, thread, wait_for};
