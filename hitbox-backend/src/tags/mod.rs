//! Tags that processes share over a store.
//!
//! Tags are [metadata](crate::Meta) of a value, and a backend does nothing with them but keep them. What is invalidated by
//! a tag is left where it is: who reads a value judges it, as `hitbox::Cache` does. Where several processes share a store, a
//! backend leads to [`SharedTags`]: where an invalidation is announced and kept, and how others hear of it.

mod shared;

pub use shared::{
    FoundTags, Invalidated, Severity, SharedTags, TagEar, TagHearing, TagMarks, TagStore,
};
