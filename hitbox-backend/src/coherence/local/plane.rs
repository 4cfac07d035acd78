//! A log of news in the memory of this process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_core::{BackendLabel, CacheKey, LogMark, Stamp};
use tokio::{sync::Notify, time::timeout};

use crate::{
    BackendResult,
    coherence::{Backplane, Heard, Mark, News, Origin, PlaneId},
    tags::{FoundTags, Invalidated, Severity, TagMarks, TagStore},
};

/// How many pieces of news an answer has room for.
const ROOM: usize = 1_000;

/// A [`Backplane`] for compositions of one process: for tests, and for several compositions over one store.
///
/// What is written through a backend that it was [put around](Self::announcing) is announced. Clones are the same log.
#[derive(Clone, Debug)]
pub struct LocalBackplane {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: PlaneId,
    log: Mutex<Log>,
    announced: Notify,
}

#[derive(Debug)]
struct Log {
    news: VecDeque<News>,
    /// The number of the next one.
    next: u64,
    capacity: usize,
    /// By the name of the cache, and the tag.
    tags: HashMap<(Box<str>, Kept), TagMarks>,
    /// How often marks have been asked for.
    asked: u64,
}

/// What marks are kept of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kept {
    All,
    Any,
    Tag(Box<str>),
}

impl LocalBackplane {
    /// How many pieces of news are kept, if nothing else is said: 100,000.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty log that keeps so many pieces of news. Who has not heard of one when it goes has a gap.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let log = Log {
            news: VecDeque::new(),
            next: 1,
            capacity,
            tags: HashMap::new(),
            asked: 0,
        };
        Self {
            shared: Arc::new(Shared {
                id: PlaneId::new(&format!("local:{:016x}", fastrand::u64(..))),
                log: Mutex::new(log),
                announced: Notify::new(),
            }),
        }
    }

    /// Announces that a key has been changed in a way that no [`Announcing`](super::Announcing) knows of.
    pub fn announce(&self, key: CacheKey, origin: Origin, stamp: Stamp) {
        self.log().add(News::Changed { key, origin, stamp });
        self.shared.announced.notify_waiters();
    }

    /// How often the marks of tags have been asked for, however many at a time.
    #[must_use]
    pub fn tags_asked_for(&self) -> u64 {
        self.log().asked
    }

    /// Forgets what was kept of each tag, as a store that evicts them does; not what was done to everything.
    pub fn forget_tags(&self) {
        let mut log = self.log();
        log.tags
            .retain(|(_, kept), _| !matches!(kept, Kept::Tag(_)));
    }

    /// Forgets all news: whoever listens has a gap.
    pub fn forget(&self) {
        let mut log = self.log();
        log.news.clear();
        // The number of what everybody has heard last is no longer in it.
        log.next += 1;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LocalBackplane {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    fn add(&mut self, news: News) {
        self.news.push_back(news);
        self.next += 1;
        if self.news.len() > self.capacity {
            self.news.pop_front();
        }
    }

    fn found(&mut self, cache: &str, kept: Kept) -> TagMarks {
        let newest = LogMark::from_bits(self.next - 1);
        let unknown = TagMarks {
            hard: newest,
            ..TagMarks::default()
        };
        *self.tags.entry((cache.into(), kept)).or_insert(unknown)
    }

    fn raise(&mut self, cache: &str, kept: Kept, severity: Severity, mark: LogMark) {
        // Of what is not there yet, nobody knows what it was.
        self.found(cache, kept.clone());
        let marks = self.tags.entry((cache.into(), kept)).or_default();
        match severity {
            Severity::Hard => marks.hard = mark,
            Severity::Soft => marks.soft = mark,
        }
    }

    /// What comes after the piece of news with this number.
    fn after(&self, mark: Option<u64>) -> Heard {
        let oldest = self.next - self.news.len() as u64;
        // Whoever has heard the one before the oldest has missed nothing.
        let follows = mark.is_some_and(|mark| oldest <= mark + 1 && mark < self.next);
        let first = match mark {
            Some(mark) if follows => mark + 1,
            Some(_) | None => self.next,
        };
        let skipped = (first - oldest) as usize;
        let news: Vec<_> = self.news.iter().skip(skipped).take(ROOM).cloned().collect();
        let last = first + news.len() as u64 - 1;
        Heard {
            news,
            follows,
            complete: last + 1 == self.next,
            mark: Mark::new(Bytes::copy_from_slice(&last.to_le_bytes())),
            place: LogMark::from_bits(last),
        }
    }
}

#[async_trait]
impl TagStore for LocalBackplane {
    async fn invalidate(
        &self,
        cache: &str,
        tag: Option<&str>,
        severity: Severity,
    ) -> BackendResult<LogMark> {
        let mark = {
            let mut log = self.log();
            let mark = LogMark::from_bits(log.next);
            match tag {
                Some(tag) => {
                    log.raise(cache, Kept::Tag(tag.into()), severity, mark);
                    log.raise(cache, Kept::Any, severity, mark);
                }
                None => log.raise(cache, Kept::All, severity, mark),
            }
            log.add(News::Invalidated(Invalidated {
                cache: cache.into(),
                tag: tag.map(Box::from),
                severity,
                mark,
            }));
            mark
        };
        self.shared.announced.notify_waiters();
        Ok(mark)
    }

    async fn find(&self, cache: &str, tags: &[&str], _heard: LogMark) -> BackendResult<FoundTags> {
        let mut log = self.log();
        log.asked += 1;
        let tags = tags.iter();
        Ok(FoundTags {
            all: log.found(cache, Kept::All),
            any: log.found(cache, Kept::Any),
            tags: tags
                .map(|tag| log.found(cache, Kept::Tag((*tag).into())))
                .collect(),
        })
    }
}

#[async_trait]
impl Backplane for LocalBackplane {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        let number = |mark: &Mark| mark.as_bytes().try_into().ok().map(u64::from_le_bytes);
        let mark = mark.and_then(number);
        // Before the look: what is announced after it wakes.
        let announced = self.shared.announced.notified();
        let mut announced = std::pin::pin!(announced);
        announced.as_mut().enable();
        let heard = self.log().after(mark);
        if !heard.news.is_empty() || !heard.follows {
            return Ok(heard);
        }
        let _or_not = timeout(patience, announced).await;
        Ok(self.log().after(mark))
    }

    fn id(&self) -> PlaneId {
        self.shared.id.clone()
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("local")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(plane: &LocalBackplane, mark: Option<&Mark>) -> Heard {
        futures::executor::block_on(plane.ask(mark, Duration::ZERO)).unwrap()
    }

    fn announce(plane: &LocalBackplane, id: &str) {
        plane.announce(
            CacheKey::from_pair("id", id),
            Origin::random(),
            Stamp::now(),
        );
    }

    fn ids(heard: &Heard) -> Vec<String> {
        let key = |news: &News| match news {
            News::Changed { key, .. } => key.parts()[0].value().unwrap().to_owned(),
            News::Invalidated(_) => panic!("nothing has been invalidated"),
        };
        heard.news.iter().map(key).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_is_heard_once_and_in_order() {
        let plane = LocalBackplane::new();
        announce(&plane, "before");
        let first = plane.ask(None, Duration::ZERO).await.unwrap();
        assert!(!first.follows && first.complete && first.news.is_empty());
        announce(&plane, "1");
        announce(&plane, "2");
        let second = plane.ask(Some(&first.mark), Duration::ZERO).await.unwrap();
        assert!(second.follows && second.complete);
        assert_eq!(ids(&second), ["1", "2"]);
        let third = plane
            .ask(Some(&second.mark), Duration::from_secs(5))
            .await
            .unwrap();
        assert!(third.follows && third.complete && third.news.is_empty());
        assert_eq!(third.mark, second.mark);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_at_once() {
        let plane = LocalBackplane::new();
        let first = plane.ask(None, Duration::ZERO).await.unwrap();
        let asking = plane.ask(Some(&first.mark), Duration::from_secs(3_600));
        let (heard, ()) = tokio::join!(asking, async { announce(&plane, "1") });
        assert_eq!(ids(&heard.unwrap()), ["1"]);
    }

    #[test]
    fn what_has_been_forgotten_is_a_gap() {
        let plane = LocalBackplane::with_capacity(2);
        let first = heard_now(&plane);
        for id in ["1", "2"] {
            announce(&plane, id);
        }
        assert_eq!(ids(&heard(&plane, Some(&first))), ["1", "2"]);
        announce(&plane, "3");
        let late = heard(&plane, Some(&first));
        assert!(!late.follows && late.news.is_empty() && late.complete);
        let mark = heard_now(&plane);
        plane.forget();
        assert!(!heard(&plane, Some(&mark)).follows);
    }

    fn heard_now(plane: &LocalBackplane) -> Mark {
        heard(plane, None).mark
    }

    #[test]
    fn an_answer_without_room_for_all_says_so() {
        let plane = LocalBackplane::new();
        let mark = heard_now(&plane);
        (0..=ROOM).for_each(|number| announce(&plane, &number.to_string()));
        let first = heard(&plane, Some(&mark));
        assert!(first.follows && !first.complete && first.news.len() == ROOM);
        let rest = heard(&plane, Some(&first.mark));
        assert!(rest.follows && rest.complete);
        assert_eq!(ids(&rest), [ROOM.to_string()]);
    }
}
