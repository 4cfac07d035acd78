//! Commands that are carried out only if the key holds what is expected.

use redis::Value;

use crate::{
    commands::request::{Change, Expected},
    error::{Cause, Failure},
};

/// Stores the second argument, with the options that follow, if what is stored begins with the first.
const SET_IF: &str = "if redis.call('GETRANGE',KEYS[1],0,#ARGV[1]-1)==ARGV[1] then \
    redis.call('SET',KEYS[1],ARGV[2],unpack(ARGV,3)) return 1 end return 0";

/// Removes what is stored if it begins with the argument.
const UNLINK_IF: &str = "if redis.call('GETRANGE',KEYS[1],0,#ARGV[1]-1)==ARGV[1] then \
    return redis.call('UNLINK',KEYS[1]) end return 0";

/// For how long a value is stored.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    Forever,
    /// In milliseconds.
    For(u64),
    /// In milliseconds since 1970.
    Until(i64),
}

/// Who compares.
#[derive(Clone, Copy)]
pub(crate) enum Comparing {
    /// `SET` itself, by `IFEQ`: the whole of what is stored, which Valkey knows from 8.1 on, and Redis from 8.4 on.
    Whole,
    /// A script: how what is stored begins.
    Beginning,
}

/// Stores `stored` if the key holds nothing, and replies what it holds else.
pub(crate) fn set_if_absent(key: &str, stored: &[u8], life: u64, with_get: bool) -> Change {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(stored).arg("NX");
    if with_get {
        command.arg("GET");
    }
    command.arg("PX").arg(life);
    conditional(command, key, stored, Expected::Anything)
}

pub(crate) fn set_if(
    comparing: Comparing,
    key: &str,
    expected: &[u8],
    stored: &[u8],
    life: Life,
) -> Change {
    let capacity = key.len() + expected.len() + stored.len() + SET_IF.len() + 64;
    let mut command = redis::Cmd::with_capacity(8, capacity);
    match comparing {
        Comparing::Whole => {
            let command = command.arg("SET").arg(key).arg(stored);
            command.arg("IFEQ").arg(expected);
        }
        Comparing::Beginning => {
            let command = command.arg("EVAL").arg(SET_IF).arg(1);
            command.arg(key).arg(expected).arg(stored);
        }
    }
    match life {
        Life::Forever => {}
        Life::For(millis) => _ = command.arg("PX").arg(millis),
        Life::Until(millis) => _ = command.arg("PXAT").arg(millis),
    }
    conditional(command, key, stored, Expected::Conditional)
}

pub(crate) fn unlink_if(key: &str, expected: &[u8]) -> Change {
    let mut command = redis::cmd("EVAL");
    command.arg(UNLINK_IF).arg(1).arg(key).arg(expected);
    conditional(command, key, expected, Expected::Conditional)
}

/// How long the key is kept, in milliseconds.
pub(crate) fn life_left(key: &str) -> redis::Cmd {
    let mut command = redis::cmd("PTTL");
    command.arg(key);
    command
}

fn conditional(command: redis::Cmd, key: &str, stored: &[u8], expected: Expected) -> Change {
    Change {
        command,
        longest: key.len().max(stored.len()),
        expected,
    }
}

/// Whether a command has been carried out that is carried out under a condition.
pub(crate) fn is_done(reply: &Value) -> Result<bool, Failure> {
    if matches!(reply, Value::Okay | Value::Int(1)) {
        Ok(true)
    } else if matches!(reply, Value::Nil | Value::Int(0)) {
        Ok(false)
    } else {
        Err(Cause::UnexpectedReply.into())
    }
}
