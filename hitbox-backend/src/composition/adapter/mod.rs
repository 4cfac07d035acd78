//! Reads by policies that are one future.

mod gather;
mod many;
mod read;

pub(super) use gather::InBulk;
pub(super) use many::drive;
