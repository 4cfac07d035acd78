//! Reads through a composition.
//!
//! A [`ReadOp`] holds what is known of the layers; `decide` runs the policy over it, and decodes the value that the
//! policy chooses. `single` drives that for one key, `many` for many keys at a time. A read that has to refill or
//! repair ends in `settle`, as does the adapter for policies that are one future. A hit of L1 that leaves nothing to
//! do ends in `single`. Reads of L2 that have to be waited for are `under_way`, and others join them.

mod answer;
mod copies;
mod decide;
mod failures;
mod many;
mod op;
mod settle;
mod sharing;
mod single;
mod source;
mod under_way;

pub(super) use answer::{answer, recheck};
pub(super) use failures::collect;
pub(super) use op::{Answer, Hit, Next, ReadOp, Standing};
pub(super) use settle::{Ended, Noted, Settled};
pub(super) use source::SourcePaths;
pub(super) use under_way::ReadsUnderWay;
