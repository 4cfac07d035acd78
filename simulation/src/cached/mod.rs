//! Histories of a `hitbox::Cache` over a composition of faulty layers: loaders that fail, hang and panic, callers that
//! leave or are not polled, inserts, removes and expiries among them.
//!
//! Each answer is judged by what the loaders say themselves: which load it is of, and when that began.

mod calls;
mod campaign;
mod execution;
mod ledger;
mod plan;
mod source;

pub(super) use calls::SPACE;
pub(super) use campaign::{Asked, Summary, run};
