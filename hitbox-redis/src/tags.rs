//! Tags in the server, beside the log of news.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_backend::{
    BackendResult, LogMark, Operation,
    coherence::news_form,
    tags::{FoundTags, Severity, TagMarks, TagStore},
};
use redis::{Cmd, Value};

use crate::{
    announcer::{Announcer, FIELD},
    error::{Cause, Failure},
    inner::Inner,
    place::{id_at, place_of},
};

/// For how long the marks of a tag are kept after they were written. What is not found counts as removed.
const KEPT_FOR: u64 = 10 * 86_400 * 1_000;

/// Announces, and keeps the id of that as the mark. Of a key that was not there, nobody knows what it was.
///
/// Keys: the log, and what the mark is of. Arguments: the entry, how many the log keeps, the mark's field, for how long each of the
/// keys after the log is kept (0: for ever).
const INVALIDATE: &str = "
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', ARGV[3], ARGV[1])
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then redis.call('HSET', KEYS[i], 'h', id) end
  redis.call('HSET', KEYS[i], ARGV[4], id)
  local kept = ARGV[3 + i]
  if kept ~= '0' then redis.call('PEXPIRE', KEYS[i], kept) end
end
return id
";

/// The marks of each key after the log; of one that is not there, the end of the log, which is kept of it from then on.
const FIND: &str = "
local marks = {}
local newest = nil
for i = 2, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'h', 's')
  if not found[1] and not found[2] then
    if not newest then
      local log = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
      newest = log[1] and log[1][1] or ARGV[1]
    end
    redis.call('HSET', KEYS[i], 'h', newest)
    if i > 3 then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
    found[1] = newest
  end
  marks[#marks + 1] = found[1] or ''
  marks[#marks + 1] = found[2] or ''
end
return marks
";

/// The tags of the namespace of a backend that announces.
pub(crate) struct RedisTags {
    pub(crate) inner: Arc<Inner>,
    pub(crate) announcer: Arc<Announcer>,
}

impl RedisTags {
    fn eval(&self, script: &str, keys: &[String]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1 + keys.len());
        command.arg(&*self.announcer.log.key).arg(keys);
        command
    }

    fn of_all(&self, cache: &str) -> String {
        self.announcer.name(&format!("all:{cache}"))
    }

    fn of_any(&self, cache: &str) -> String {
        self.announcer.name(&format!("any:{cache}"))
    }

    /// The length keeps a name and a tag apart.
    fn of_tag(&self, cache: &str, tag: &str) -> String {
        let length = cache.len();
        self.announcer.name(&format!("tag:{length}:{cache}:{tag}"))
    }

    fn unexpected(&self, operation: Operation) -> hitbox_backend::BackendError {
        let failure: Failure = Cause::UnexpectedReply.into();
        self.inner.error(failure, operation)
    }
}

#[async_trait]
impl TagStore for RedisTags {
    async fn invalidate(
        &self,
        cache: &str,
        tag: Option<&str>,
        severity: Severity,
    ) -> BackendResult<LogMark> {
        let entry = news_form::encode_invalidated(self.announcer.origin, cache, tag, severity);
        let keys = match tag {
            Some(tag) => vec![self.of_any(cache), self.of_tag(cache, tag)],
            None => vec![self.of_all(cache)],
        };
        let mut command = self.eval(INVALIDATE, &keys);
        command.arg(entry).arg(self.announcer.log.max_entries);
        command.arg(FIELD).arg(match severity {
            Severity::Hard => "h",
            Severity::Soft => "s",
        });
        // That of everything, and of any tag, are few.
        command.arg(0).arg(KEPT_FOR);
        let reply = self.inner.exchange.script(&command).await;
        let reply = reply.map_err(|failure| self.inner.error(failure, Operation::Remove))?;
        mark(&reply).ok_or_else(|| self.unexpected(Operation::Remove))
    }

    async fn find(&self, cache: &str, tags: &[&str], heard: LogMark) -> BackendResult<FoundTags> {
        let of_tags = tags.iter().map(|tag| self.of_tag(cache, tag));
        let of_all = [self.of_all(cache), self.of_any(cache)];
        let keys: Vec<String> = of_all.into_iter().chain(of_tags).collect();
        let mut command = self.eval(FIND, &keys);
        command.arg(id_at(heard)).arg(KEPT_FOR);
        let reply = self.inner.exchange.script(&command).await;
        let reply = reply.map_err(|failure| self.inner.error(failure, Operation::Read))?;
        let marks = marks(reply).filter(|marks| marks.len() == keys.len());
        let mut marks = marks
            .ok_or_else(|| self.unexpected(Operation::Read))?
            .into_iter();
        Ok(FoundTags {
            all: marks.next().unwrap_or_default(),
            any: marks.next().unwrap_or_default(),
            tags: marks.collect(),
        })
    }
}

/// An id; an empty one is none.
fn mark(id: &Value) -> Option<LogMark> {
    let Value::BulkString(id) = id else {
        return None;
    };
    if id.is_empty() {
        return Some(LogMark::default());
    }
    place_of(id)
}

/// Pairs of ids, each of which may be empty.
fn marks(reply: Value) -> Option<Vec<TagMarks>> {
    let Value::Array(ids) = reply else {
        return None;
    };
    let pairs = ids.chunks_exact(2).map(|pair| {
        Some(TagMarks {
            hard: mark(&pair[0])?,
            soft: mark(&pair[1])?,
        })
    });
    pairs.collect()
}
