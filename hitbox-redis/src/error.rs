//! Why an operation failed, and how a [`BackendError`] says so.

pub(crate) mod words;

use std::sync::Arc;

use hitbox_backend::{BackendError, BackendErrorKind, Operation};
use hitbox_core::BackendLabel;
use redis::{RedisError, Value};
use tokio::time::Instant;

use crate::error::words::{Meaning, meaning_of};

/// The reply to a command.
pub(crate) type Reply = Result<Value, Failure>;

/// Why an operation failed, and of which server, if it got as far as that.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// Without credentials.
    pub(crate) address: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// The overall deadline passed.
    Deadline,
    /// The overall deadline passed before there was a connection.
    NoConnectionYet,
    /// The server took longer over its reply than it may.
    NoReply,
    /// The client, or the server, said so.
    Redis(RedisError),
    /// There is no connection; the last attempt to open one ended so.
    NotConnected(Meaning),
    /// The connection had ended before anything was sent on it.
    NotSent,
    /// The task that was to send it has gone, with its runtime.
    Abandoned,
    /// The caller's runtime has, in the middle of the call.
    RuntimeEnded,
    /// The caller's runtime cannot do this.
    Runtime(&'static str),
    /// A reply of a type that the command does not have.
    UnexpectedReply,
    /// The server does not take strings of this length.
    TooLong { length: usize },
    /// A change that was sent again: the first attempt may still take effect, whatever the last one
    /// has come to.
    Repeated {
        first: Box<Failure>,
        last: Box<Reply>,
    },
    /// A change that may have been made, and was not announced.
    Unannounced(RedisError),
    /// No node of the cluster has the key's slot.
    #[cfg(feature = "cluster")]
    NoNode,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            address: None,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Cause::Redis(error).into()
    }
}

impl Cause {
    /// There was no reply by `reply_by`, which is the deadline or earlier.
    pub(crate) fn no_reply(reply_by: Instant, deadline: Instant) -> Self {
        if reply_by < deadline {
            Self::NoReply
        } else {
            Self::Deadline
        }
    }
}

impl Failure {
    /// The same of the server at this address.
    pub(crate) fn at(mut self, address: &Arc<str>) -> Self {
        self.address.get_or_insert_with(|| Arc::clone(address));
        self
    }

    /// What the server replied, if it did.
    pub(crate) fn server_error(&self) -> Option<&RedisError> {
        if let Cause::Redis(error) = &self.cause {
            error.code().is_some().then_some(error)
        } else {
            None
        }
    }

    /// Whether the connection broke.
    pub(crate) fn is_break(&self) -> bool {
        matches!(&self.cause, Cause::Redis(error) if error.is_unrecoverable_error())
    }

    /// Whether the key holds something that is not a string: another program's.
    pub(crate) fn is_wrong_type(&self) -> bool {
        self.server_error().and_then(RedisError::code) == Some("WRONGTYPE")
    }

    /// Of an attempt to connect.
    #[cfg(feature = "sentinel")]
    pub(crate) fn into_meaning(self) -> Meaning {
        if let Cause::NotConnected(meaning) = self.cause {
            return meaning;
        }
        if let Cause::Redis(error) = &self.cause {
            return meaning_of(error);
        }
        words::client_failed()
    }

    /// The same as a [`BackendError`].
    ///
    /// What a server says of a command on a key is left out: it may quote arguments, and so a value.
    pub(crate) fn into_error(self, operation: Operation, label: &BackendLabel) -> BackendError {
        let Self { cause, address } = self;
        let address = address.map_or_else(String::new, |address| format!("{address}: "));
        let new = |kind, detail: &str| {
            let detail = format!("{address}{detail}");
            BackendError::new(kind, operation, label.clone()).with_detail(detail)
        };
        use BackendErrorKind as Kind;
        match cause {
            Cause::Deadline => new(Kind::Timeout, "not done within the deadline"),
            Cause::NoConnectionYet => {
                new(Kind::Timeout, "no connection within the deadline").without_effect()
            }
            Cause::NoReply => new(Kind::Timeout, "the server did not answer in time"),
            Cause::NotConnected(Meaning { kind, detail }) => new(kind, &detail).without_effect(),
            Cause::NotSent => {
                let detail = "each new connection ended before it could be used";
                new(Kind::Unavailable, detail).without_effect()
            }
            Cause::Abandoned => new(
                Kind::Unavailable,
                "the runtime that was to send this has ended",
            ),
            Cause::RuntimeEnded => new(
                Kind::Unavailable,
                "the runtime that this call was begun in has ended",
            ),
            Cause::Runtime(detail) => new(Kind::InvalidConfiguration, detail),
            Cause::UnexpectedReply => new(
                Kind::Internal,
                "the server's reply does not fit the command",
            ),
            Cause::TooLong { length } => new(
                Kind::TooLarge,
                &format!(
                    "the server takes no key or value of {length} bytes: raise its \
                     `proto-max-bulk-len`, or lower `largest_value`"
                ),
            ),
            // Also where the last attempt was refused: the first may have been carried out.
            Cause::Repeated { first, last: _ } => first.into_error(operation, label),
            Cause::Unannounced(error) => new(
                Kind::Unavailable,
                &format!(
                    "the change may have been made, and its news were refused ({}): whoever listens has a gap",
                    error.code().unwrap_or("no code")
                ),
            ),
            #[cfg(feature = "cluster")]
            Cause::NoNode => {
                new(Kind::Unavailable, "no node of the cluster serves this key").without_effect()
            }
            Cause::Redis(error) => {
                let Meaning { kind, detail } = meaning_of(&error);
                let failed = new(kind, &detail);
                if error.code().is_some() {
                    // The server has looked at it and refused.
                    failed.without_effect()
                } else {
                    failed
                }
            }
        }
    }
}
