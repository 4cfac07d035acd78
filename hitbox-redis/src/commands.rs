//! The commands that the backend sends.

pub(crate) mod alone;
pub(crate) mod announced;
pub(crate) mod auto_pipeline;
pub(crate) mod batched;
pub(crate) mod conditional;
pub(crate) mod exchange;
pub(crate) mod learned;
pub(crate) mod request;
pub(crate) mod send;
pub(crate) mod transaction;

use bytes::Bytes;
use hitbox_backend::DeleteStatus;
use redis::{Cmd, ToRedisArgs, Value};

use crate::{
    commands::request::{Change, Expected},
    error::{Cause, Failure},
};

/// A command, and the key that it is about.
pub(crate) struct Keyed<C> {
    #[cfg_attr(
        not(feature = "cluster"),
        expect(dead_code, reason = "a single server has all keys")
    )]
    pub(crate) key: String,
    pub(crate) command: C,
}

pub(crate) fn ping() -> Cmd {
    redis::cmd("PING")
}

pub(crate) fn exists(key: &str) -> Cmd {
    let mut command = redis::cmd("EXISTS");
    command.arg(key);
    command
}

/// The server's clock.
pub(crate) fn time() -> Cmd {
    redis::cmd("TIME")
}

pub(crate) fn get(key: impl ToRedisArgs) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key);
    command
}

pub(crate) fn get_many<'k>(keys: impl IntoIterator<Item = &'k str>) -> Cmd {
    let mut command = redis::cmd("MGET");
    for key in keys {
        command.arg(key);
    }
    command
}

/// Replaces value and expiry in one step. `expire` is in milliseconds since 1970.
pub(crate) fn set(key: &str, stored: &[u8], expire: Option<i64>) -> Change {
    let mut command = redis::Cmd::with_capacity(5, key.len() + stored.len() + 32);
    command.arg("SET").arg(key).arg(stored);
    if let Some(millis) = expire {
        command.arg("PXAT").arg(millis);
    }
    Change {
        command,
        longest: key.len().max(stored.len()),
        expected: Expected::Done,
    }
}

/// Like DEL, but the server gives the memory back in the background.
pub(crate) fn unlink(key: &str) -> Change {
    let mut command = redis::cmd("UNLINK");
    command.arg(key);
    Change {
        command,
        longest: key.len(),
        expected: Expected::Count,
    }
}

/// What GET, and each element of MGET, replies. The client's buffer is taken over, not copied.
pub(crate) fn found(reply: Value) -> Result<Option<Bytes>, Failure> {
    if reply == Value::Nil {
        return Ok(None);
    }
    let Value::BulkString(stored) = reply else {
        return Err(Cause::UnexpectedReply.into());
    };
    Ok(Some(Bytes::from(stored)))
}

/// What MGET of `count` keys replies.
pub(crate) fn found_many(reply: Value, count: usize) -> Result<Vec<Value>, Failure> {
    let Value::Array(values) = reply else {
        return Err(Cause::UnexpectedReply.into());
    };
    if values.len() != count {
        return Err(Cause::UnexpectedReply.into());
    }
    let values = values.into_iter().map(|value| Expected::Value.check(value));
    values.collect()
}

/// What UNLINK of one key replies.
pub(crate) fn unlinked(reply: &Value) -> Result<DeleteStatus, Failure> {
    let Value::Int(unlinked) = reply else {
        return Err(Cause::UnexpectedReply.into());
    };
    if *unlinked == 0 {
        return Ok(DeleteStatus::Missing);
    }
    Ok(DeleteStatus::Deleted(1))
}
