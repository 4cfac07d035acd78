//! Copies in L1 of what L2 holds, in a coherent composition: which of them are served, and which are kept.

mod kept;
mod part;
mod shared;

pub(super) use kept::Copies;
pub(super) use part::{OnceCoherent, Part};
pub(super) use shared::{Shared, hash};
