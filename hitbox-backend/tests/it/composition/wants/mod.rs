//! What a reader wants travels with the read: the type of the object, and its freshness.

pub(crate) mod arrangement;
mod fresh_only;
mod one_future;
mod wanted_type;
