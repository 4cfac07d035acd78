//! Tags that processes share over one store: who invalidates one tells the others.

use std::{
    collections::VecDeque,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use hitbox_backend::{
    BackendResult, Invalidations, LogMark, Stamp,
    tags::{Severity, TagEar, TagHearing, TagStore},
};
use tokio::runtime::Handle;

use super::{
    marks::Marks,
    table::{Learnt, Table},
};

/// How many moments are remembered at which something was heard.
const REMEMBERED: usize = 1_024;

/// What a process knows of a fleet that its cache is part of.
pub(super) struct Fleet {
    /// The name of the cache: those of other names do not look at its tags.
    cache: String,
    table: Arc<Table>,
    store: Arc<dyn TagStore>,
    hearing: Arc<dyn TagHearing>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// When everything was invalidated last, as this process has heard: for its loads, which have no marks yet.
    all: Invalidations,
    /// The places of these.
    places: Marks,
    /// Up to where the log had been heard when, the newest last.
    heard: VecDeque<(Stamp, LogMark)>,
}

impl Fleet {
    pub(super) fn new(
        cache: String,
        table: Arc<Table>,
        store: Arc<dyn TagStore>,
        hearing: Arc<dyn TagHearing>,
    ) -> Self {
        Self {
            cache,
            table,
            store,
            hearing,
            told: Mutex::default(),
        }
    }

    /// Has this one told of all that is heard, from now on. What was before is a gap.
    pub(super) fn listen(&self, ear: &Arc<dyn TagEar>) {
        self.hearing.tell(Arc::downgrade(ear));
    }

    /// This process may have missed news up to this place in the log. A task asks the store at once when everything was
    /// invalidated last: a reader that asks when it finds a value gets no answer if the store has failed meanwhile.
    pub(super) fn note_gap(&self, heard: LogMark) {
        self.table.note_gap(heard.to_bits());
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (table, store) = (Arc::clone(&self.table), Arc::clone(&self.store));
        let (cache, gap) = (self.cache.clone(), self.table.gap());
        runtime.spawn(async move {
            match store.find(&cache, &[], heard).await {
                Ok(found) => table.learn_of_all(found.all.into(), found.any.into(), gap),
                Err(error) => tracing::debug!(
                    error = &error as &dyn Error,
                    "the store does not say what has been cleared: who finds values first may take them for that"
                ),
            }
        });
    }

    pub(super) fn cache(&self) -> &str {
        &self.cache
    }

    pub(super) fn heard(&self) -> LogMark {
        self.hearing.heard()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.hearing.is_silent()
    }

    pub(super) fn of_all(&self) -> Invalidations {
        self.told().all
    }

    /// Everything has been invalidated, at this place in the log. It may be said twice: by who does it, and by the news.
    pub(super) fn note_all(&self, severity: Severity, place: u64) {
        let now = Stamp::now();
        let mut told = self.told();
        let known = told.places;
        told.places = known.combine(Marks::of(severity, place));
        if told.places == known {
            return;
        }
        match severity {
            Severity::Hard => told.all.hard = now,
            Severity::Soft => told.all.soft = now,
        }
    }

    /// The log has been heard up to here.
    pub(super) fn note_heard(&self, heard: LogMark) {
        let mut told = self.told();
        if told.heard.len() == REMEMBERED {
            told.heard.pop_front();
        }
        told.heard.push_back((Stamp::now(), heard));
    }

    /// Up to where the log had certainly been heard then.
    pub(super) fn heard_at(&self, then: Stamp) -> LogMark {
        let told = self.told();
        let mut heard = told.heard.iter().rev();
        let heard = heard.find(|(at, _)| *at <= then);
        heard.map_or_else(LogMark::default, |(_, heard)| *heard)
    }

    /// Tells all, this one last.
    pub(super) async fn invalidate(
        &self,
        tag: Option<&str>,
        severity: Severity,
    ) -> BackendResult<LogMark> {
        self.store.invalidate(&self.cache, tag, severity).await
    }

    /// Learns what the store says of these tags.
    pub(super) async fn learn<'t>(&self, tags: Vec<&'t str>) -> BackendResult<Learnt<'t>> {
        let table = &*self.table;
        let gap = table.gap();
        let found = self.store.find(&self.cache, &tags, self.heard()).await?;
        table.learn_of_all(found.all.into(), found.any.into(), gap);
        let marks = found.tags.into_iter().map(Marks::from);
        let learnt = tags.into_iter().zip(marks);
        let learnt = learnt.map(|(tag, marks)| (tag, table.learn(tag, Some(marks), gap)));
        Ok(learnt.collect())
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        // No code that holds the lock leaves it half-changed.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
