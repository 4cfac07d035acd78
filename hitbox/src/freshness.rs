//! Which values are fresh, and what is done with one that is not.

mod decision;
mod fallback;
mod found;
#[cfg(test)]
mod testing;
mod times;

pub(crate) use decision::{Background, Decision, Throttled, decide};
pub(crate) use fallback::may_fall_back;
pub(crate) use found::Found;
pub(crate) use times::{Of, Times};
