//! Copies in L1 of what L2 holds, in a coherent composition: which of them are served, and which are kept.

mod kept;
mod role;
mod shared;
mod told;

pub(super) use kept::Copies;
pub(super) use role::{OnceCoherent, Role};
pub(super) use shared::{Shared, hash};
pub(super) use told::Told;
