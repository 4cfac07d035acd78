//! What a cache knows of its tags.

use std::{collections::BTreeSet, error::Error, sync::Arc};

use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheValue, Described, InvalidTags, Invalidations,
    LogMark, Meta, Stamp, TagSet,
    tags::{Invalidated, Severity, TagEar},
};

use super::{
    entries::Entries,
    fleet::Fleet,
    marks::Marks,
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

/// What becomes of a value that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as it was stored.
    Valid,
    /// It is stale, whatever its own stale time.
    Stale,
    /// It is gone: a miss.
    Gone,
    /// Others have to be asked ([`Tags::find_out`]). If they cannot, it is a miss.
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
pub(crate) struct Tags {
    table: Arc<Table>,
    kept: KeptIn,
}

/// Where marks are kept besides, and what they are.
enum KeptIn {
    /// Nowhere: values end with the process. A mark is a stamp; a value is as old as its load's begin.
    Process,
    /// In a store whose values outlive the process. The same.
    Entries(Entries),
    /// In a store whose processes hear from each other. A mark is a place in their log; a value is as old as what its
    /// process had heard when its load began.
    Fleet(Fleet),
}

impl Tags {
    /// Those of a cache of this name over this backend, with so many bytes of memory.
    pub(crate) fn new(backend: &dyn Backend, name: String, memory: usize) -> Self {
        if let Some(shared) = backend.shared_tags()
            && let Some(hearing) = shared.hearing
        {
            // Nothing has been heard yet: that is a gap, as the first answer says.
            let table = Arc::new(Table::new(memory, 0));
            let fleet = Fleet::new(name, Arc::clone(&table), shared.store, hearing);
            return Self {
                table,
                kept: KeptIn::Fleet(fleet),
            };
        }
        let capabilities = backend.capabilities();
        let outlive = capabilities.persistent || capabilities.shared;
        // What was done to values before now, nobody has told this process.
        let start = if outlive { Stamp::now() } else { Stamp::ZERO };
        Self {
            table: Arc::new(Table::new(memory, start.as_micros())),
            kept: match outlive {
                true => KeptIn::Entries(Entries::of_cache(name)),
                false => KeptIn::Process,
            },
        }
    }

    /// Has this one told of what others do, if there are any.
    pub(crate) fn listen(&self, ear: &Arc<dyn TagEar>) {
        if let KeptIn::Fleet(fleet) = &self.kept {
            fleet.listen(ear);
        }
    }

    /// What had been heard of other processes: to be asked before a load begins.
    pub(crate) fn heard(&self) -> Option<LogMark> {
        match &self.kept {
            KeptIn::Fleet(fleet) => Some(fleet.heard()),
            KeptIn::Process | KeptIn::Entries(_) => None,
        }
    }

    /// What had been heard then.
    pub(crate) fn heard_at(&self, then: Stamp) -> Option<LogMark> {
        match &self.kept {
            KeptIn::Fleet(fleet) => Some(fleet.heard_at(then)),
            KeptIn::Process | KeptIn::Entries(_) => None,
        }
    }

    /// Whether others may have invalidated something of which this process has not heard for longer than it may.
    pub(crate) fn is_silent(&self) -> bool {
        match &self.kept {
            KeptIn::Fleet(fleet) => fleet.is_silent(),
            KeptIn::Process | KeptIn::Entries(_) => false,
        }
    }

    /// Another process, or this one, has invalidated something. Says whether that is everything.
    pub(crate) fn hear(&self, news: &Invalidated) -> bool {
        let KeptIn::Fleet(fleet) = &self.kept else {
            return false;
        };
        if *news.cache != *fleet.cache() {
            return false;
        }
        let scope = news.tag.as_deref().map_or(Scope::All, Scope::Tag);
        self.note(scope, news.severity, news.mark.to_bits());
        news.tag.is_none()
    }

    /// Something may have been missed.
    pub(crate) fn note_gap(&self, heard: LogMark) {
        if let KeptIn::Fleet(fleet) = &self.kept {
            fleet.note_gap(heard);
        }
    }

    pub(crate) fn note_heard(&self, heard: LogMark) {
        if let KeptIn::Fleet(fleet) = &self.kept {
            fleet.note_heard(heard);
        }
    }

    /// As marks have it; `None`: it cannot be judged by them.
    fn age(&self, created: Stamp, meta: Option<&Meta>) -> Option<u64> {
        let mark = meta.and_then(Meta::mark);
        let has_tags = meta.is_some_and(|meta| !meta.tags().is_empty());
        match (&self.kept, mark) {
            // Who has heard of an invalidation, and then loads, is not concerned.
            (KeptIn::Fleet(_), Some(mark)) => Some(mark.to_bits().saturating_add(1)),
            (KeptIn::Fleet(_), None) => (!has_tags).then_some(0),
            (KeptIn::Process | KeptIn::Entries(_), Some(_)) if has_tags => None,
            (KeptIn::Process | KeptIn::Entries(_), _) => Some(created.as_micros()),
        }
    }

    /// The moment of a mark, for a value that it has invalidated.
    fn moment(&self, mark: u64, created: Stamp) -> Stamp {
        match &self.kept {
            KeptIn::Process | KeptIn::Entries(_) => Stamp::from_micros(mark),
            // By the server's clock, to the millisecond.
            KeptIn::Fleet(_) => Stamp::from_micros((mark >> 20).saturating_mul(1_000)).max(created),
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
        let Some(age) = self.age(created, meta) else {
            return Known::Removed(created);
        };
        if self.table.is_newer_than_all(age) {
            return Known::Valid;
        }
        let found = self.table.find_with(age, coverage(meta), learnt);
        let Found { marks, knowledge } = found;
        if age <= marks.hard {
            return Known::Removed(self.moment(marks.hard, created));
        }
        match (knowledge, &self.kept) {
            (Knowledge::Complete, _) if age <= marks.soft => {
                Known::Expired(self.moment(marks.soft, created))
            }
            (Knowledge::Complete, _) => Known::Valid,
            (Knowledge::Partial, KeptIn::Entries(_) | KeptIn::Fleet(_)) => Known::Unknown,
            // It has been forgotten, and was kept nowhere else.
            (Knowledge::Partial, KeptIn::Process) => Known::Removed(created),
        }
    }

    /// What the backend says of the tags of values with these metadata.
    async fn look_up<'m>(
        &self,
        backend: &dyn Backend,
        metas: &[Option<&'m Meta>],
    ) -> Option<Learnt<'m>> {
        let tags = metas.iter().flatten().flat_map(|meta| meta.tags().iter());
        let tags: BTreeSet<&str> = tags.collect();
        let learnt = match &self.kept {
            KeptIn::Process => return None,
            KeptIn::Entries(entries) => {
                let writer = entries.writer().await;
                writer.learn(&self.table, backend, tags.into_iter()).await
            }
            KeptIn::Fleet(fleet) => fleet.learn(tags.into_iter().collect()).await,
        };
        match learnt {
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
        let KeptIn::Entries(entries) = &self.kept else {
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
    ) -> BackendResult<u64> {
        let refuse = |detail: String| BackendError::invalid_configuration(backend.label(), detail);
        if let Scope::Tag(tag) = scope {
            TagSet::check(tag).map_err(|invalid: InvalidTags| refuse(invalid.to_string()))?;
            if !backend.capabilities().keeps_metadata {
                let why = "it does not keep metadata (`Capabilities::keeps_metadata`), so nothing in it has tags";
                return Err(refuse(why.into()));
            }
        }
        let mark = match &self.kept {
            KeptIn::Process | KeptIn::Entries(_) => Stamp::now().as_micros(),
            // Until others have been told, and its place is known: whatever has been loaded here.
            KeptIn::Fleet(fleet) => fleet.heard().to_bits().saturating_add(1),
        };
        self.note(scope, severity, mark);
        Ok(mark)
    }

    fn note(&self, scope: Scope<'_>, severity: Severity, mark: u64) {
        match scope {
            Scope::Tag(tag) => self.table.raise(tag, severity, mark),
            Scope::All => {
                self.table.raise_all(severity, mark);
                if let KeptIn::Fleet(fleet) = &self.kept {
                    fleet.note_all(severity, mark);
                }
            }
        }
    }

    /// Keeps what was raised where values outlive the process, and tells others.
    pub(crate) async fn keep(
        &self,
        backend: &dyn Backend,
        scope: Scope<'_>,
        severity: Severity,
        mark: u64,
    ) -> BackendResult<()> {
        let tag = match scope {
            Scope::Tag(tag) => Some(tag),
            Scope::All => None,
        };
        match &self.kept {
            KeptIn::Process => Ok(()),
            KeptIn::Entries(entries) => {
                let marks = Marks::of(severity, mark);
                let kept = self.keep_entry(entries, backend, tag, marks).await;
                if kept.is_err() {
                    self.table.lose(mark);
                }
                kept
            }
            KeptIn::Fleet(fleet) => {
                let place = fleet.invalidate(tag, severity).await?;
                self.note(scope, severity, place.to_bits());
                Ok(())
            }
        }
    }

    async fn keep_entry(
        &self,
        entries: &Entries,
        backend: &dyn Backend,
        tag: Option<&str>,
        own: Marks,
    ) -> BackendResult<()> {
        let writer = entries.writer().await;
        let learnt = writer.learn(&self.table, backend, tag.into_iter()).await?;
        match tag {
            Some(tag) => {
                // The table may have dropped it by now, and does not know what it was.
                let marks = learnt.get(tag).map_or(own, |known| known.combine(own));
                writer.store_tag(&self.table, backend, tag, marks).await
            }
            None => writer.store_all(&self.table, backend).await,
        }
    }
}

/// What becomes of what is found.
impl Tags {
    /// As far as that is known without waiting.
    #[inline]
    pub(crate) fn judge(&self, created: Stamp, meta: Option<&Meta>) -> Verdict {
        // Most have no tags, and are newer than all that was ever invalidated.
        if let (KeptIn::Process | KeptIn::Entries(_), None) = (&self.kept, meta)
            && self.table.is_newer_than_all(created.as_micros())
        {
            return Verdict::Valid;
        }
        self.judge_closely(created, meta)
    }

    #[inline(never)]
    fn judge_closely(&self, created: Stamp, meta: Option<&Meta>) -> Verdict {
        // What others may have done, the store is asked.
        if self.is_silent() {
            return Verdict::Unknown;
        }
        self.known(created, meta).into()
    }

    /// What becomes of these, each of which was [unknown](Verdict::Unknown), as far as the store knows.
    pub(crate) async fn find_out<V>(
        &self,
        backend: &dyn Backend,
        values: &[&CacheValue<Described<V>>],
    ) -> Vec<Verdict> {
        let metas = values.iter().map(|value| value.data().meta.as_deref());
        let metas: Vec<Option<&Meta>> = metas.collect();
        let learnt = self.look_up(backend, &metas).await;
        // Nobody can be asked, and nothing is heard: what is known is not known to be all.
        let is_doubtful = learnt.is_none() && self.is_silent();
        let learnt = learnt.unwrap_or_default();
        let each = values.iter().zip(metas);
        let known = each.map(|(value, meta)| self.known_with(value.created(), meta, &learnt));
        let verdicts = known.map(|known| match Verdict::from(known) {
            Verdict::Valid if is_doubtful => Verdict::Stale,
            verdict @ (Verdict::Valid | Verdict::Stale | Verdict::Gone | Verdict::Unknown) => {
                verdict
            }
        });
        verdicts.collect()
    }

    /// What invalidates every key.
    pub(crate) fn of_every_key(&self) -> Invalidations {
        if let KeptIn::Fleet(fleet) = &self.kept {
            return fleet.of_all();
        }
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
