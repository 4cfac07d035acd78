//! What a read or a write knows, and what it does next.

use hitbox_core::Expiry;

use crate::composition::CompositionLayer;

/// What a read knows of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It was not asked.
    NotAsked,
    /// It was asked, and has not answered.
    Pending,
    /// It has a live value that expires then.
    Hit(Expiry),
    /// It has no value for this reader.
    Miss,
    /// It failed.
    Failed,
}

/// What a read does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStep {
    /// Asks a layer, and goes on without waiting for it.
    Ask(CompositionLayer),
    /// Waits until a layer that was asked has answered.
    Wait,
    /// Answers with this layer's value.
    Answer(CompositionLayer),
    /// Ends without a value: with a miss if a layer has answered, else with the error of the last layer.
    NoHit,
}

/// What a write knows of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteObserved {
    /// It was not asked.
    NotAsked,
    /// It was asked, and has not answered.
    Pending,
    /// It holds the value, or something newer takes its place.
    Written,
    /// It failed.
    Failed,
}

/// What a write does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStep {
    /// Writes a layer, and goes on without waiting for it.
    Write(CompositionLayer),
    /// Waits until a layer that was asked has answered.
    Wait,
    /// Ends: the write counts as done.
    Done,
    /// Ends with this layer's error.
    Fail(CompositionLayer),
}
