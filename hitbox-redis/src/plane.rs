//! A log of news in a Redis server.

mod builder;
mod entries;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, Operation,
    coherence::{Backplane, Heard, Mark, Origin, PlaneId, news_form},
};
use hitbox_core::BackendLabel;
use redis::Cmd;
use tokio::time::Instant;

pub use self::builder::RedisBackplaneBuilder;
use self::entries::{Entry, id_of};
use crate::{
    announcer::Log,
    commands::request::Several,
    connection::link::Link,
    error::{Cause, Failure},
};

/// How many entries an answer has room for, but for the one that was heard last.
const ROOM: usize = 999;

/// A log of news in a Redis or Valkey server, which coherent compositions hear from.
///
/// Made by [`RedisBackplane::builder`]. The log is a stream under `hitbox:{NAMESPACE}:news`, in the same server and database as
/// what is cached: a backend that [announces](crate::RedisBackendBuilder::announce) adds to it, in one transaction with each
/// change. Its entries have the [form of news](hitbox_backend::coherence::news_form).
///
/// Each composition asks on a connection of its own, which is opened when it is first used, and anew when it breaks, or has
/// left everything unanswered for two seconds. Clones share these connections.
///
/// A log that was deleted, trimmed, or replaced by another one since the last question is a gap; so is an entry that cannot
/// be read.
///
/// ```no_run
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
///
/// use hitbox_backend::{Compose, DisabledOffload, coherence::Coherence};
/// use hitbox_redis::{RedisBackend, RedisBackplane};
/// # let in_process = hitbox_backend::conformance::MemoryBackend::new();
///
/// let url = "redis://127.0.0.1:6379";
/// let plane = RedisBackplane::builder().url(url).namespace("shop").build()?;
/// let redis = RedisBackend::builder()
///     .url(url)
///     .namespace("shop")
///     .announce(&plane)
///     .build()?;
/// let cache = in_process
///     .compose(redis, DisabledOffload)
///     .coherent(plane, Coherence::within(Duration::from_millis(250)))?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RedisBackplane {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) log: Log,
    label: BackendLabel,
    /// Which server, and which of its databases.
    pub(crate) place: (String, i64),
    deadline: Duration,
    link: Link,
    /// Connections that nobody asks on at the moment.
    idle: Mutex<Vec<Link>>,
}

/// A question on a connection that nobody else asks on meanwhile.
struct Question<'p> {
    plane: &'p Shared,
    link: Link,
    until: Instant,
    is_answered: bool,
}

impl RedisBackplane {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    fn question(&self, patience: Duration) -> Question<'_> {
        let link = self.idle().pop();
        Question {
            link: link.unwrap_or_else(|| self.link.another()),
            plane: self,
            until: Instant::now() + patience + self.deadline,
            is_answered: false,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, failure: Failure) -> BackendError {
        let is_denied = failure
            .server_error()
            .is_some_and(|error| error.code() == Some("NOPERM"));
        if is_denied {
            let key = &self.log.key;
            return BackendError::new(
                BackendErrorKind::Denied,
                Operation::Read,
                self.label.clone(),
            )
            .with_detail(format!(
                "the user may not listen: allow it XREAD, XRANGE, XREVRANGE and XADD on `{key}`"
            ));
        }
        failure.into_error(Operation::Read, &self.label)
    }
}

impl Question<'_> {
    /// What came after the mark; `None` if it is no longer in the log.
    async fn after(&self, mark: &Mark, patience: Duration) -> Result<Option<Heard>, Failure> {
        let Some(id) = id_of(mark) else {
            return Ok(None);
        };
        let log = &self.plane.log;
        // The first only waits: it does not tell whether the mark is still there. The second does, in one step with what
        // came after it.
        let questions = vec![bell(log, id, patience), range(log, id)];
        let replies = self
            .link
            .each(&Several::of(questions), self.until, None)
            .await;
        let [bell, range] = replies.try_into().map_err(|_| Cause::UnexpectedReply)?;
        bell?;
        let entries = Entry::all(range?).ok_or(Cause::UnexpectedReply)?;
        let Some((first, new)) = entries.split_first() else {
            return Ok(None);
        };
        if first.mark() != *mark {
            return Ok(None);
        }
        let (mut news, mut follows) = (Vec::new(), true);
        for entry in new {
            match entry.news() {
                Some(more) => news.extend(more),
                None => follows = false,
            }
        }
        Ok(Some(Heard {
            news,
            follows,
            complete: new.len() < ROOM,
            mark: new.last().map_or_else(|| mark.clone(), Entry::mark),
            place: new.last().unwrap_or(first).place().unwrap_or_default(),
        }))
    }

    /// Where the log ends at the moment.
    async fn end_of_log(&self) -> Result<Heard, Failure> {
        let log = &self.plane.log;
        let newest = self.link.one(&newest(log), self.until).await?;
        let newest = Entry::all(newest).ok_or(Cause::UnexpectedReply)?.pop();
        let newest = match newest {
            Some(newest) => newest,
            None => self.hello().await?,
        };
        Ok(Heard {
            news: Vec::new(),
            follows: false,
            complete: true,
            mark: newest.mark(),
            place: newest.place().unwrap_or_default(),
        })
    }

    /// An entry to go on from, where there is none.
    async fn hello(&self) -> Result<Entry, Failure> {
        let hello = news_form::encode(Origin::random(), []).swap_remove(0);
        let add = self.plane.log.add(&hello);
        let id = self.link.one(&add, self.until).await?;
        Entry::added(id, hello).ok_or_else(|| Cause::UnexpectedReply.into())
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.link.note_given_up();
        }
        self.plane.idle().push(self.link.clone());
    }
}

#[async_trait]
impl Backplane for RedisBackplane {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        let plane = &*self.shared;
        let home = &plane.link.settings().home;
        home.check_caller()
            .map_err(|failure| plane.error(failure))?;
        let mut question = plane.question(patience);
        let answer = async {
            if let Some(mark) = mark
                && let Some(heard) = question.after(mark, patience).await?
            {
                return Ok(heard);
            }
            question.end_of_log().await
        };
        let answer = answer.await;
        question.is_answered = true;
        answer.map_err(|failure| plane.error(failure))
    }

    fn id(&self) -> PlaneId {
        self.shared.log.id()
    }

    fn label(&self) -> BackendLabel {
        self.shared.label.clone()
    }
}

/// Comes back when there is something after this, and after the patience at the latest.
fn bell(log: &Log, id: &[u8], patience: Duration) -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(1);
    let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    // 0 would be for ever.
    if millis > 0 {
        command.arg("BLOCK").arg(millis);
    }
    command.arg("STREAMS").arg(&*log.key).arg(id);
    command
}

fn range(log: &Log, id: &[u8]) -> Cmd {
    let mut command = redis::cmd("XRANGE");
    command
        .arg(&*log.key)
        .arg(id)
        .arg("+")
        .arg("COUNT")
        .arg(ROOM + 1);
    command
}

fn newest(log: &Log) -> Cmd {
    let mut command = redis::cmd("XREVRANGE");
    command.arg(&*log.key).arg("+").arg("-").arg("COUNT").arg(1);
    command
}

/// Shows no credentials.
impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane")
            .field("label", &self.shared.label.as_str())
            .field("address", &self.shared.place.0)
            .field("log", &self.shared.log)
            .finish_non_exhaustive()
    }
}

impl From<Shared> for RedisBackplane {
    fn from(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}
