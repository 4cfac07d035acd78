//! What hitbox costs, beside what it is made of.
//!
//! A *question* is one bench binary: `hit`, `write`, `redis`, ... It consists of *cases*: an operation of
//! hitbox, and its *floor*, which does the same with the parts alone (moka, sled, a client) and which
//! the operation is to cost little more than. `cargo xtask bench` builds and runs them and prints one
//! table; `docs/performance.md` explains its rows. A binary by itself prints a line of JSON for each
//! case.
//!
//! # Why not criterion or divan
//!
//! Both measure one function at a time. What counts here is the ratio of two, on machines where
//! neighbours come and go: between two measurements of seconds each, the machine changes by more than
//! what is looked for. So [`sampling`] alternates short chunks of the one and the other, takes a ratio
//! from each few milliseconds, and reports the median of the ratios, which a burst of somebody else's
//! work does not move. In criterion's and divan's statistics a sample is a single time: the floor's
//! would have to be smuggled past them, and their medians would be of times, not of ratios.

pub mod bodies;
mod case;
pub mod counting;
pub mod floor;
pub mod hit_ratios;
pub mod keys;
mod program;
pub mod questions;
mod row;
mod runner;
pub mod sampling;
mod selection;
#[cfg(feature = "redis")]
pub mod server_cpu;
mod statistics;
pub mod tags;
mod target;

use std::error::Error;

pub use case::{Case, Contest, Counts};
pub use program::{answer, exit_code};
pub use row::{Row, Unit};
pub use runner::{Runner, runtime};
pub use selection::{Extent, Selection};
pub use target::{Bound, Target};

/// Why a case could not be measured.
pub type Failure = Box<dyn Error + Send + Sync>;
