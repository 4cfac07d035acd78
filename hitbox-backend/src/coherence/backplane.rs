//! What processes announce, and how others hear of it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_core::{BackendLabel, CacheKey, LogMark, Stamp};

use crate::{BackendResult, tags::Invalidated};

/// A log of news that processes share.
///
/// A composition [asks](Self::ask) again and again, one question at a time. An implementation is without any timing of its own
/// but that of its connection: when to ask, what to vouch for, and what a gap means is decided by who asks.
///
/// # Contract
///
/// What is announced is in the order in which the store was changed, key by key. Once a change has been acknowledged to whoever
/// made it, its news are in the answer to every question that is sent after that, from whatever process.
#[async_trait]
pub trait Backplane: Send + Sync {
    /// What has been announced after `mark`; if there is nothing, waits up to `patience` for something. Without a mark, from now
    /// on: no news, and a mark to go on from.
    ///
    /// # Errors
    ///
    /// If nothing can be heard at the moment. The caller asks again, with the mark that it has.
    ///
    /// *Cancel safety*: a question that is dropped has changed nothing.
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard>;

    /// Which log this is: the same for all who announce to it and hear from it.
    fn id(&self) -> PlaneId;

    /// The name in errors and in the log.
    fn label(&self) -> BackendLabel;
}

#[async_trait]
impl<P: Backplane + ?Sized> Backplane for Arc<P> {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        (**self).ask(mark, patience).await
    }

    fn id(&self) -> PlaneId {
        (**self).id()
    }

    fn label(&self) -> BackendLabel {
        (**self).label()
    }
}

/// An answer of a [`Backplane`].
#[derive(Clone, Debug)]
pub struct Heard {
    /// In the order in which they were announced.
    pub news: Vec<News>,
    /// Whether what was heard last is still in the log, so that nothing can have been missed. If not, or if there was no mark,
    /// there is a gap.
    pub follows: bool,
    /// Whether there is no more than `news`.
    pub complete: bool,
    /// Where to go on from.
    pub mark: Mark,
    /// The same as a number, by which values with tags are compared with invalidations.
    pub place: LogMark,
}

/// A place in the log of a [`Backplane`], which alone knows what is in it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mark(Bytes);

impl Mark {
    /// A mark that its backplane knows by these bytes.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// What the backplane has made it of.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Without what it is made of, which may name keys.
impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({} bytes)", self.0.len())
    }
}

/// What has been announced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A key has been written or removed.
    Changed {
        /// As compositions are asked for it.
        key: CacheKey,
        /// Who has made the change.
        origin: Origin,
        /// That of the value that was written, or of the remove.
        stamp: Stamp,
    },
    /// All that has a tag, or everything, has been invalidated.
    Invalidated(Invalidated),
}

/// Who announces: each adapter that does has one of its own, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(u64);

impl Origin {
    /// One that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u64(..))
    }

    /// One that was announced.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// What is announced of it.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

/// Which log of news this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlaneId(Arc<str>);

impl PlaneId {
    /// That of the log with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name of the log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// That what a backend changes is announced, before the change is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announces {
    /// Where.
    pub plane: PlaneId,
    /// As whom.
    pub origin: Origin,
    /// Whether it answers with copies, and says of each as of when that is [vouched for](hitbox_core::CacheValue::seen): a
    /// coherent composition does.
    pub by_copies: bool,
}

impl Announces {
    /// A store announces its changes there, as this origin.
    #[must_use]
    pub const fn new(plane: PlaneId, origin: Origin) -> Self {
        Self {
            plane,
            origin,
            by_copies: false,
        }
    }
}
