//! Reads and writes by policies that are one future, and the gathering of single operations that bulk removes and
//! bulk repairs use, too.

mod gather;
mod many;
mod read;
mod watched;
mod write;

pub(super) use gather::InBulk;
pub(super) use many::drive;
