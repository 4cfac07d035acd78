//! Tags: what invalidates many values at once.
//!
//! Nothing is done to the values. A tag has *marks*: the newest moment at which it was removed, and the newest at which
//! it was expired. A value that is as old as a mark of one of its tags, or older, is judged when it is found, when it is
//! handed out and when it is fallen back on. [`Table`] keeps the marks, in so many bytes; [`Tags`] judges by them, and
//! keeps them in the backend, too, where values outlive the process.

mod entries;
mod fleet;
mod marks;
mod of_cache;
mod table;

pub(crate) use of_cache::{Scope, Tags, Verdict};
