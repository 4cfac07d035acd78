//! How costs grow: with keys, with the size of values, with levels, with tasks, with the repairs that are pending.

pub mod keys;
pub mod levels;
pub mod memory;
pub mod repairs;
pub mod tasks;
pub mod values;
