//! A log of news in the memory of this process, and stores that announce there.

mod announcing;
mod plane;

pub use announcing::Announcing;
pub use plane::LocalBackplane;
