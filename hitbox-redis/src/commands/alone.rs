//! Reads that go alone: one after another, on a connection beside the one that all share.
//!
//! A server may hang up on whoever has more bytes to come than it keeps for a client. Whoever else waits on
//! that connection cannot tell whose reply it was. So a read under which two connections broke goes alone. If
//! that connection breaks, too, it is due to this read, and nobody else is on it. Else it may be due to what
//! was read with it.

use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::{
    commands::{self, learned::Share},
    connection::{
        link::{Beside, Link},
        timer::done_by,
    },
    error::{Cause, Reply},
};

const ROOM: u32 = Beside::ROOM;
const ROOM_BYTES: usize = (ROOM as usize) << 10;

/// One that uses the connection beside the shared one. If it comes to no reply, what it leaves on the connection is nobody's.
struct Use<'b> {
    beside: &'b Beside,
    link: Link,
    is_answered: bool,
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            *self.beside.lock() = None;
        }
    }
}

impl Link {
    /// The value under `key`, as GET replies it, on the connection beside this one.
    pub(crate) async fn alone(&self, key: &[u8], until: Instant) -> Reply {
        if Instant::now() >= until {
            return Err(Cause::Deadline.into());
        }
        let learned = &self.settings().learned;
        let room = match learned.share_of(key) {
            Some(Share::Of(bytes)) => u32::try_from(bytes >> 10).map_or(ROOM, |kib| kib + 1),
            Some(Share::All) | None => ROOM,
        };
        let get = commands::get(key);
        let reply = self.beside_this(&get, room.min(ROOM), until).await;
        match &reply {
            Ok(value) => learned.note_read_alone(key, length(value)),
            Err(failure) if failure.is_break() => learned.note_breaks(key),
            Err(_) => {}
        }
        reply
    }

    /// The values under `keys`, each as GET replies it, on the connection beside this one: of short ones, more
    /// and more at a time.
    pub(crate) async fn apart(&self, keys: &[&str], until: Instant) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(keys.len());
        let (mut rest, mut count, mut longest) = (keys, 1, 1);
        while !rest.is_empty() {
            if Instant::now() >= until {
                replies.resize(keys.len(), Err(Cause::Deadline.into()));
                break;
            }
            let (next, others) = rest.split_at(count.min(rest.len()));
            let found = self.some_apart(next, until).await;
            let lengths = found.iter().flatten().map(length);
            longest = lengths.fold(longest, usize::max);
            count = (2 * count).min(ROOM_BYTES / longest).max(1);
            replies.extend(found);
            rest = others;
        }
        replies
    }

    async fn some_apart(&self, keys: &[&str], until: Instant) -> Vec<Reply> {
        if let [key] = keys {
            return vec![self.alone(key.as_bytes(), until).await];
        }
        let get_many = commands::get_many(keys.iter().copied());
        let reply = self.beside_this(&get_many, ROOM, until).await;
        match reply.and_then(|reply| commands::found_many(reply, keys.len())) {
            Ok(values) => {
                let learned = &self.settings().learned;
                for (key, value) in keys.iter().zip(&values) {
                    learned.note_read_alone(key.as_bytes(), length(value));
                }
                values.into_iter().map(Ok).collect()
            }
            // One of them may be long. They are fewer each time.
            Err(failure) if failure.is_break() => Box::pin(self.apart(keys, until)).await,
            Err(failure) => vec![Err(failure.at(self.address())); keys.len()],
        }
    }

    /// The reply to a command on the connection beside this one, with so much room.
    async fn beside_this(&self, command: &Cmd, room: u32, until: Instant) -> Reply {
        let beside = self.beside();
        let room = done_by(until, beside.room.acquire_many(room)).await?;
        let link = beside.lock().get_or_insert_with(|| self.another()).clone();
        let mut using = Use {
            beside,
            link,
            is_answered: false,
        };
        let reply = using.link.one_shared(command, until).await;
        using.is_answered = match &reply {
            Ok(_) => true,
            Err(failure) => failure.server_error().is_some(),
        };
        drop((using, room));
        reply
    }
}

fn length(value: &Value) -> usize {
    if let Value::BulkString(bytes) = value {
        bytes.len()
    } else {
        0
    }
}
