use hitbox_backend::{BackendError, BackendErrorKind, Operation};
use hitbox_core::BackendLabel;
use redis::{ErrorKind, RedisError};
use tokio::time::Instant;

const NO_REPLY: &str = "the server did not answer in time";

/// Why an operation failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The overall deadline passed.
    Deadline,
    /// The server took longer over its reply than it may.
    NoReply,
    /// The client, or the server, said so.
    Redis(RedisError),
    /// The task that was to send it has gone, with its runtime.
    Abandoned,
    /// A reply of a type that the command does not have.
    UnexpectedReply,
    /// No node of the cluster has the key's slot.
    #[cfg(feature = "cluster")]
    NoNode,
}

impl Failure {
    /// There was no reply by `reply_by`, which is the deadline or earlier.
    pub(crate) fn no_reply(reply_by: Instant, deadline: Instant) -> Self {
        if reply_by < deadline {
            Self::NoReply
        } else {
            Self::Deadline
        }
    }

    /// Whether the key holds something that is not a string: another program's.
    pub(crate) fn is_wrong_type(&self) -> bool {
        match self {
            Self::Redis(error) => error.code() == Some("WRONGTYPE"),
            Self::Deadline | Self::NoReply | Self::Abandoned | Self::UnexpectedReply => false,
            #[cfg(feature = "cluster")]
            Self::NoNode => false,
        }
    }

    /// The same as a [`BackendError`].
    ///
    /// A server's own words are left out: they may quote arguments of the command, and so a value.
    /// The client's errors go along as the source where they are about the connection.
    pub(crate) fn into_error(self, operation: Operation, label: &BackendLabel) -> BackendError {
        let new = |kind, detail: String| {
            BackendError::new(kind, operation, label.clone()).with_detail(detail)
        };
        match self {
            Self::Deadline => new(
                BackendErrorKind::Timeout,
                "not done within the deadline".to_owned(),
            ),
            Self::NoReply => new(BackendErrorKind::Timeout, NO_REPLY.to_owned()),
            Self::Abandoned => new(
                BackendErrorKind::Unavailable,
                "the runtime that was to send this has ended".to_owned(),
            ),
            Self::UnexpectedReply => new(
                BackendErrorKind::Internal,
                "the server's reply does not fit the command".to_owned(),
            ),
            #[cfg(feature = "cluster")]
            Self::NoNode => new(
                BackendErrorKind::Unavailable,
                "no node of the cluster serves this key".to_owned(),
            ),
            Self::Redis(error) => {
                let (kind, detail) = classify(&error);
                let failed = new(kind, detail);
                if error.is_io_error() {
                    failed.with_source(error)
                } else {
                    failed
                }
            }
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_elapsed: tokio::time::error::Elapsed) -> Self {
        Self::Deadline
    }
}

pub(crate) fn invalid_configuration(label: &BackendLabel, detail: &str) -> BackendError {
    BackendError::new(
        BackendErrorKind::InvalidConfiguration,
        Operation::Open,
        label.clone(),
    )
    .with_detail(detail)
}

fn classify(error: &RedisError) -> (BackendErrorKind, String) {
    use BackendErrorKind as Kind;

    let kind = error.kind();
    let (kind, detail) = if error.is_timeout() {
        (Kind::Timeout, NO_REPLY)
    } else if error.is_io_error() {
        (Kind::Unavailable, "the connection failed")
    } else if kind == ErrorKind::AuthenticationFailed {
        (Kind::Denied, "the server refused the user name or password")
    } else if kind == ErrorKind::Parse {
        (
            Kind::Unavailable,
            // Also where a server quotes a value, which is not text, in its error.
            "the answer cannot be read: is there a Redis server at this address, and does it know \
             the commands GET, MGET, SET and UNLINK?",
        )
    } else if let Some(code) = error.code() {
        return classify_code(code, error.detail().unwrap_or_default());
    } else {
        (Kind::Internal, "the client failed")
    };
    (kind, detail.to_owned())
}

/// An error that the server returned, by the word that it begins with.
fn classify_code(code: &str, text: &str) -> (BackendErrorKind, String) {
    use BackendErrorKind as Kind;

    let (kind, meaning) = match code {
        "NOAUTH" => (
            Kind::Denied,
            "the server wants a password: give `password`, or one in the URL",
        ),
        "WRONGPASS" => (Kind::Denied, "the server refused the user name or password"),
        "NOPERM" => (
            Kind::Denied,
            "the user may not do this: allow it GET, MGET, SET, UNLINK and PING on this namespace",
        ),
        "READONLY" => (
            Kind::Denied,
            "the server is a read-only replica: give the address of its primary",
        ),
        "OOM" => (
            Kind::Full,
            "the server has reached its `maxmemory` and may not evict",
        ),
        "MISCONF" => (
            Kind::Full,
            "the server refuses writes because it cannot save them to its disk",
        ),
        "LOADING" => (Kind::Throttled, "the server is loading its data"),
        "BUSY" => (Kind::Throttled, "the server is running a script"),
        "TRYAGAIN" => (Kind::Throttled, "the cluster is moving this key"),
        "ERR" if text.starts_with("max number of clients reached") => {
            (Kind::Throttled, "the server has no room for more clients")
        }
        "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "ASK" => (
            Kind::Unavailable,
            "the node that serves this key cannot be reached",
        ),
        _ => (Kind::Internal, "the server refused the command"),
    };
    (kind, format!("{meaning} ({code})"))
}
