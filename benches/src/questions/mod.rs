//! The questions, each with its cases.

pub(crate) mod arrangement;
mod calibration;
pub mod concurrent;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod failing;
mod get_or_load;
pub mod hit;
#[cfg(any(feature = "redis", feature = "dynamodb"))]
mod in_l1;
pub mod loads;
mod popular;
#[cfg(feature = "redis")]
pub mod redis;
pub mod refill;
pub mod scale;
#[cfg(feature = "sled")]
pub mod sled;
pub mod threads;
pub mod tracing;
pub mod write;

use crate::Case;

/// The cases of the questions that are answered within this process, where allocations and
/// instructions can be counted.
#[must_use]
pub fn in_process() -> Vec<Case> {
    let mut cases = vec![calibration::case()];
    cases.extend(hit::cases());
    cases.extend(loads::cases());
    cases.extend(write::cases());
    cases.extend(refill::cases());
    cases.extend(tracing::cases());
    cases.extend(scale::keys::cases());
    #[cfg(feature = "sled")]
    cases.extend(sled::cases());
    cases
}

/// The same, and those that a server has a part in.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(in_process());
    #[cfg(feature = "redis")]
    {
        cases.extend(redis::cases());
        cases.extend(redis::bulk_cases());
    }
    #[cfg(feature = "dynamodb")]
    cases.extend(dynamodb::cases());
    cases
}
