//! Tags of a store that processes share, which hear from each other what has been invalidated.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use hitbox_core::LogMark;

use crate::BackendResult;

/// How much an invalidation takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// What is older is gone.
    Hard,
    /// What is older is stale.
    Soft,
}

/// News of an invalidation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invalidated {
    /// The name of the cache whose values it covers.
    pub cache: Box<str>,
    /// It covers what has this tag. `None`: everything.
    pub tag: Option<Box<str>>,
    /// What becomes of that.
    pub severity: Severity,
    /// Its place in the log: what was loaded by a process that had not heard so much is older.
    pub mark: LogMark,
}

/// The newest invalidations of a tag, or of everything. What is [below](LogMark) one is older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagMarks {
    /// By which it is gone.
    pub hard: LogMark,
    /// By which it is stale.
    pub soft: LogMark,
}

/// What a store knows of tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTags {
    /// The marks of what covers everything.
    pub all: TagMarks,
    /// The newest marks of any tag.
    pub any: TagMarks,
    /// Those of the tags that were asked for, in order.
    pub tags: Vec<TagMarks>,
}

/// Where processes keep the marks of tags, beside the log that they announce them in.
#[async_trait]
pub trait TagStore: Send + Sync {
    /// Announces that what has the tag, or with `None` everything, is invalidated in the caches of this name. The place of that in
    /// the log is kept as the mark of the tag, in one step.
    ///
    /// # Errors
    ///
    /// If it is not known to be done. It may be done all the same.
    async fn invalidate(
        &self,
        cache: &str,
        tag: Option<&str>,
        severity: Severity,
    ) -> BackendResult<LogMark>;

    /// The marks of everything, and of these tags. One of which nothing is kept counts as removed at the end of the log, or at `heard`
    /// if there is no log, and that is kept of it from then on.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    async fn find(&self, cache: &str, tags: &[&str], heard: LogMark) -> BackendResult<FoundTags>;
}

/// What a process hears of invalidations.
pub trait TagHearing: Send + Sync {
    /// Up to where the log has been heard; zero: nothing yet. All news up to there have been told.
    fn heard(&self) -> LogMark;

    /// Whether nothing has been heard for longer than the bound.
    fn is_silent(&self) -> bool;

    /// Tells this one of all news from now on, as long as it is there. What came before is a gap to it.
    fn tell(&self, ear: Weak<dyn TagEar>);
}

/// Who is told of invalidations.
pub trait TagEar: Send + Sync {
    /// This has been announced.
    fn hear(&self, news: &Invalidated);

    /// What was announced up to here may have been missed.
    fn note_gap(&self, heard: LogMark);

    /// The log has been heard up to here.
    fn note_heard(&self, heard: LogMark);
}

/// The tags of a store that processes share.
#[derive(Clone)]
pub struct SharedTags {
    /// Where they are.
    pub store: Arc<dyn TagStore>,
    /// How this process hears of what others do, if it does: by a composition that is
    /// [coherent](crate::CompositionBackend::coherent).
    pub hearing: Option<Arc<dyn TagHearing>>,
}

impl std::fmt::Debug for SharedTags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedTags")
            .field("hears", &self.hearing.is_some())
            .finish_non_exhaustive()
    }
}
