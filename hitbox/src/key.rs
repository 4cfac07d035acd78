//! What values are kept under: keyspaces, and keys that know the type of their value.

mod keyspace;
mod known;
mod parts;
mod space;
mod typed;

pub use keyspace::Keyspace;
pub(crate) use known::{KeyConflict, KnownSpaces, Unserved};
pub use parts::{KeyParts, PartWriter};
pub use typed::Key;
