//! Reads and writes by policies that are one future.

mod gather;
mod many;
mod read;
mod watched;
mod write;

pub(super) use gather::InBulk;
pub(super) use many::drive;
