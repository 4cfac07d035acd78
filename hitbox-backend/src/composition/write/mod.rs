//! Writes and removes through a composition.
//!
//! A [`WriteOp`] runs the policy over what is known of the layers. `single` drives it for one key, `many` for
//! many keys at a time. A write that fails, or that removes the key after all, ends in `settle`, as does the adapter
//! for policies that are one future.

mod fill;
mod in_layer;
mod many;
mod op;
mod remove;
mod settle;
mod single;

pub(super) use in_layer::write_with_permit;
pub(super) use op::WriteOp;
pub(super) use settle::Ended;
