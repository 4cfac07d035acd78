//! Writes that are done only if something holds.

use super::Lease;

/// What a write is done under.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Condition {
    /// That nothing newer has been done to the key since the value's load began, which this lease was taken for.
    /// The lease lives until the write has ended.
    Lease(Lease),
}

/// What has come of a write under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conditional {
    /// It is done, as a write without a condition is. Something newer may have replaced the value since.
    Written,
    /// It is not done: the value is older than what has been done to the key. No later read returns it.
    Refused,
}
