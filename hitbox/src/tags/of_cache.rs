//! What a cache knows of its tags.

use std::{collections::BTreeSet, error::Error};

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheValue, InvalidTags, Invalidations, Meta, Raw, Stamp,
    TagSet,
    tags::{Judge, Verdict},
};

use super::{
    entries::Entries,
    marks::{Marks, Severity},
    table::{Coverage, Found, Knowledge, Learnt, Table},
};

/// What an invalidation covers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'t> {
    /// What has the tag.
    Tag(&'t str),
    /// Everything that the cache has.
    All,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Valid,
    /// It is stale, since then.
    Expired(Stamp),
    /// It is gone, since then.
    Removed(Stamp),
    /// The backend has to be asked.
    Unknown,
}

impl From<Known> for Verdict {
    fn from(known: Known) -> Self {
        match known {
            Known::Valid => Self::Valid,
            Known::Expired(_) => Self::Stale,
            Known::Removed(_) => Self::Gone,
            Known::Unknown => Self::Unknown,
        }
    }
}

/// The tags of a cache.
///
/// How old a value is, its stamp says: the moment at which its load began.
pub(crate) struct Tags {
    table: Table,
    /// Of a backend whose values outlive the process.
    entries: Option<Entries>,
}

impl Tags {
    /// Those of a cache of this name over this backend, with so many bytes of memory.
    pub(crate) fn new(backend: &dyn Backend, name: String, memory: usize) -> Self {
        let capabilities = backend.capabilities();
        let outlive = capabilities.persistent || capabilities.shared;
        // What was done to values before now, nobody has told this process.
        let start = if outlive { Stamp::now() } else { Stamp::ZERO };
        Self {
            table: Table::new(memory, start.as_micros()),
            entries: outlive.then(|| Entries::of_cache(name)),
        }
    }

    /// What has invalidated a value by its tags, or with everything. What nobody knows is taken for gone.
    pub(crate) fn invalidations_of(&self, created: Stamp, meta: Option<&Meta>) -> Invalidations {
        match self.known(created, meta) {
            Known::Valid => Invalidations::NONE,
            Known::Expired(soft) => Invalidations {
                soft,
                ..Invalidations::NONE
            },
            Known::Removed(hard) => Invalidations {
                hard,
                ..Invalidations::NONE
            },
            Known::Unknown => Invalidations {
                hard: created,
                ..Invalidations::NONE
            },
        }
    }

    fn known(&self, created: Stamp, meta: Option<&Meta>) -> Known {
        self.known_with(created, meta, &Learnt::new())
    }

    fn known_with(&self, created: Stamp, meta: Option<&Meta>, learnt: &Learnt<'_>) -> Known {
        let age = created.as_micros();
        if self.table.is_newer_than_all(age) {
            return Known::Valid;
        }
        let found = self.table.find_with(age, coverage(meta), learnt);
        let Found { marks, knowledge } = found;
        if age <= marks.hard {
            return Known::Removed(Stamp::from_micros(marks.hard));
        }
        match knowledge {
            Knowledge::Complete if age <= marks.soft => {
                Known::Expired(Stamp::from_micros(marks.soft))
            }
            Knowledge::Complete => Known::Valid,
            Knowledge::Partial if self.entries.is_some() => Known::Unknown,
            // It has been forgotten, and was kept nowhere else.
            Knowledge::Partial => Known::Removed(created),
        }
    }

    /// What the backend says of the tags of values with these metadata.
    async fn look_up<'m>(
        &self,
        backend: &dyn Backend,
        metas: &[Option<&'m Meta>],
    ) -> Option<Learnt<'m>> {
        let writer = self.entries.as_ref()?.writer().await;
        let tags = metas.iter().flatten().flat_map(|meta| meta.tags().iter());
        let tags: BTreeSet<&str> = tags.collect();
        match writer.learn(&self.table, backend, tags.into_iter()).await {
            Ok(learnt) => Some(learnt),
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn Error,
                    "tags cannot be looked for in the backend: what has them may be invalidated, and is a miss"
                );
                None
            }
        }
    }

    /// Sees to it that there are entries of these tags, before a value is stored that has them: who finds the value later and
    /// no entry takes it for invalidated.
    pub(crate) async fn prepare(&self, backend: &dyn Backend, tags: &[&TagSet]) {
        let Some(entries) = &self.entries else {
            return;
        };
        let tags = || tags.iter().flat_map(|tags| tags.iter());
        let is_known = |tag| self.table.known(tag).is_some();
        if tags().all(is_known) {
            return;
        }
        let writer = entries.writer().await;
        if let Err(error) = writer.learn(&self.table, backend, tags()).await {
            tracing::debug!(
                error = &error as &dyn Error,
                "tags cannot be looked for in the backend: what has them may be a miss after a restart"
            );
        }
    }

    /// Invalidates in this process, from the moment at which this is called.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration), if it can be no tag, or there are
    /// none in this backend.
    pub(crate) fn raise(
        &self,
        backend: &dyn Backend,
        scope: Scope<'_>,
        severity: Severity,
    ) -> BackendResult<Stamp> {
        let refuse = |detail: String| BackendError::invalid_configuration(backend.label(), detail);
        if let Scope::Tag(tag) = scope {
            TagSet::check(tag).map_err(|invalid: InvalidTags| refuse(invalid.to_string()))?;
            if !backend.capabilities().keeps_metadata {
                let why = "it does not keep metadata (`Capabilities::keeps_metadata`), so nothing in it has tags";
                return Err(refuse(why.into()));
            }
        }
        let mark = Stamp::now();
        self.note(scope, severity, mark);
        Ok(mark)
    }

    fn note(&self, scope: Scope<'_>, severity: Severity, mark: Stamp) {
        match scope {
            Scope::Tag(tag) => self.table.raise(tag, severity, mark.as_micros()),
            Scope::All => self.table.raise_all(severity, mark.as_micros()),
        }
    }

    /// Keeps what was raised in the backend, if its values outlive the process.
    pub(crate) async fn keep(
        &self,
        backend: &dyn Backend,
        scope: Scope<'_>,
        severity: Severity,
        mark: Stamp,
    ) -> BackendResult<()> {
        let Some(entries) = &self.entries else {
            return Ok(());
        };
        let writer = entries.writer().await;
        let tag = match scope {
            Scope::Tag(tag) => Some(tag),
            Scope::All => None,
        };
        let learned = writer.learn(&self.table, backend, tag.into_iter()).await;
        let kept = match (learned, tag) {
            (Ok(learnt), Some(tag)) => {
                // The table may have dropped it by now, and does not know what it was.
                let own = Marks::of(severity, mark.as_micros());
                let marks = learnt.get(tag).map_or(own, |known| known.combine(own));
                writer.store_tag(&self.table, backend, tag, marks).await
            }
            (Ok(_), None) => writer.store_all(&self.table, backend).await,
            (Err(error), _) => Err(error),
        };
        if kept.is_err() {
            self.table.lose(mark.as_micros());
        }
        kept
    }
}

impl Judge for Tags {
    #[inline]
    fn judge(&self, value: &CacheValue<Raw>) -> Verdict {
        if self.table.is_newer_than_all(value.created().as_micros()) {
            return Verdict::Valid;
        }
        let meta = value.data().meta().map(AsRef::as_ref);
        self.known(value.created(), meta).into()
    }

    fn find_out<'a>(
        &'a self,
        backend: &'a dyn Backend,
        values: Vec<&'a CacheValue<Raw>>,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        let find_out = async move {
            let metas = values.iter();
            let metas = metas.map(|value| value.data().meta().map(AsRef::as_ref));
            let metas: Vec<Option<&Meta>> = metas.collect();
            let learnt = self.look_up(backend, &metas).await.unwrap_or_default();
            let each = values.iter().zip(metas);
            let known = each.map(|(value, meta)| self.known_with(value.created(), meta, &learnt));
            known.map(Verdict::from).collect()
        };
        find_out.boxed()
    }

    fn of_every_key(&self) -> Invalidations {
        let marks = self.table.of_all();
        Invalidations {
            hard: Stamp::from_micros(marks.hard),
            soft: Stamp::from_micros(marks.soft),
        }
    }
}

fn coverage(meta: Option<&Meta>) -> Coverage<'_> {
    match meta {
        None => Coverage::Nothing,
        Some(meta) if !meta.tags().is_empty() => Coverage::Tags(meta.tags()),
        Some(meta) if meta.is_absent() => Coverage::AnyTag,
        Some(_) => Coverage::Nothing,
    }
}
