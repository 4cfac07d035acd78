//! Reads through a composition.
//!
//! A [`ReadOp`] runs the policy over what is known of the layers. `single` drives it for one key, `many` for
//! many keys at a time. What the policy chooses is decoded in `usable`. Both end in `settle`, as does the adapter
//! for policies that are one future.

mod answer;
mod copies;
mod failures;
mod many;
mod op;
mod settle;
mod single;
mod source;
mod usable;

pub(super) use answer::{answer, mark_miss, recheck};
pub(super) use failures::{collect, note};
pub(super) use op::{Answer, Hit, Next, ReadOp, Standing};
pub(super) use settle::{Ended, Noted, Settled};
pub(super) use source::SourcePaths;
