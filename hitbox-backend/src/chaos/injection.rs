use hitbox_core::CacheKey;

use super::Fault;
use crate::Operation;

/// A fault that a call has met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injection {
    /// The operation: read, write or remove.
    pub operation: Operation,
    /// The key.
    pub key: CacheKey,
    /// Which call of this operation on this key it was, from 1. 0 while
    /// [everything fails](super::ChaosHandle::fail_everything): those calls are not numbered.
    pub call: u64,
    /// What went wrong.
    pub fault: Fault,
}
