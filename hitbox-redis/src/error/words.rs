//! What the words of servers and systems mean to a user.

use std::{io, time::Duration};

use hitbox_backend::BackendErrorKind as Kind;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// So much of what a server, or a provider of credentials, says is shown.
const LONGEST: usize = 200;

/// A kind of failure, and a sentence on it: what it is, and what to do where something can be done.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
}

fn means(kind: Kind, detail: impl Into<String>) -> Meaning {
    Meaning {
        kind,
        detail: detail.into(),
    }
}

/// Of an error of the client's, or of what the server replied to a command on keys. The server's own
/// words to that are left out.
pub(crate) fn meaning_of(error: &RedisError) -> Meaning {
    if error.is_timeout() {
        means(Kind::Timeout, "the server did not answer in time")
    } else if error.is_io_error() {
        means(Kind::Unavailable, format!("the connection failed: {error}"))
    } else if error.kind() == ErrorKind::Parse {
        means(
            // Also where a server quotes a value, which is not text, in its error.
            Kind::Unavailable,
            "the answer cannot be read: is there a Redis server at this address, and does it know \
             the commands GET, MGET, SET and UNLINK?",
        )
    } else if let Some(code) = error.code() {
        let Meaning { kind, detail } = meaning_of_code(code, error.detail().unwrap_or_default());
        means(kind, format!("{detail} ({code})"))
    } else {
        client_failed()
    }
}

/// Of what should not be.
pub(crate) fn client_failed() -> Meaning {
    means(Kind::Internal, "the client failed")
}

/// Of an attempt to connect that the system, or TLS, has ended.
pub(crate) fn not_connected(error: &io::Error) -> Meaning {
    let kind = if error.kind() == io::ErrorKind::TimedOut {
        Kind::Timeout
    } else {
        Kind::Unavailable
    };
    means(kind, format!("no connection: {error}"))
}

/// Of an attempt to connect that has found a fault of the client's.
pub(crate) fn panicked() -> Meaning {
    means(Kind::Internal, "the client panicked while it connected")
}

/// Of a provider of credentials that has failed.
pub(crate) fn no_credentials(text: &str) -> Meaning {
    let words = first_words(text);
    means(Kind::Unavailable, format!("no credentials: {words}"))
}

/// Of one that takes its time.
pub(crate) fn credentials_are_late(waited: Duration) -> Meaning {
    let detail = format!("no credentials: their provider has not answered for {waited:.1?}");
    means(Kind::Unavailable, detail)
}

/// Of a server that was named as a master.
pub(crate) fn no_master() -> Meaning {
    means(
        Kind::Unavailable,
        "it is not a master, or not yet; there will be one when the failover is over",
    )
}

/// What a new connection asks of the server before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Auth,
    Select,
    /// To say whether it is a master. Who may not ask takes the sentinels' word for it.
    Role,
    /// Whether others announce what they change.
    Others,
    /// What the server may refuse without harm: to note a name, to tell the time.
    Courtesy,
}

/// Of a server's refusal of a step, or of the connection at the first of them; `None` where it does
/// not matter. These replies hold no secrets, so they are shown.
pub(crate) fn not_let_in(step: Step, error: &RedisError) -> Option<Meaning> {
    let code = error.code().unwrap_or("ERR");
    let text = error.detail().unwrap_or_default();
    let Meaning { kind, detail } = match (step, code) {
        (_, "NOAUTH" | "WRONGPASS" | "DENIED") => meaning_of_code(code, text),
        (_, "ERR") if text.starts_with(NO_ROOM) => meaning_of_code(code, text),
        (Step::Auth, _) => means(Kind::Denied, "the server refused the login"),
        (Step::Select, "NOPERM") => means(
            Kind::Denied,
            "the user may not choose a database: allow it SELECT",
        ),
        (Step::Select, "ERR") => means(
            Kind::InvalidConfiguration,
            "the server does not have this database: lower `database`, or leave it out",
        ),
        (Step::Select, _) => meaning_of_code(code, text),
        (Step::Role | Step::Others | Step::Courtesy, _) => return None,
    };
    Some(means(kind, format!("{detail}: {}", shown(code, text))))
}

/// The server's words, but for the arguments that it quotes: one of them may be a password.
fn shown(code: &str, text: &str) -> String {
    let text = text
        .split(", with args beginning with")
        .next()
        .unwrap_or_default();
    format!("{code} {}", first_words(text))
}

fn first_words(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    let words: String = text.chars().take(LONGEST).collect();
    words.trim().to_owned()
}

const NO_ROOM: &str = "max number of clients";

/// Whether this is what a server replies that is no longer the right one at its address: it was
/// demoted, cut off, or replaced. Such a reply comes before anything is done.
pub(crate) fn says_that_another_took_over(error: &RedisError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    matches!(
        code,
        "READONLY"
            | "MASTERDOWN"
            | "LOADING"
            | "CLUSTERDOWN"
            | "MOVED"
            | "NOREPLICAS"
            | "NOAUTH"
            | "UNBLOCKED"
    )
}

/// Whether a server refuses the command MGET, or MGET of these keys, where it may well take GET of
/// each.
pub(crate) fn refuses_several_keys(error: &RedisError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    matches!(
        code,
        "CROSSSLOT" | "NOPERM" | "TRYAGAIN" | "ASK" | "CLUSTERDOWN"
    ) || does_not_know(code, error)
}

/// Whether that will be so for any keys.
pub(crate) fn refuses_mget(error: &RedisError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    let text = error.detail().unwrap_or_default();
    match code {
        "CROSSSLOT" => true,
        "NOPERM" => text.contains("command"),
        // Of the first key's. Where there are slots, several keys have several.
        "CLUSTERDOWN" => text.contains("slot"),
        _ => does_not_know(code, error),
    }
}

fn does_not_know(code: &str, error: &RedisError) -> bool {
    let text = error.detail().unwrap_or_default();
    code == "ERR" && text.starts_with("unknown command")
}

/// Whether a server does not know an option of a command.
pub(crate) fn is_syntax_error(error: &RedisError) -> bool {
    let text = error.detail().unwrap_or_default();
    error.code() == Some("ERR") && text.contains("syntax error")
}

/// Whether a server says that a string was longer than it takes. It ends the connection then.
pub(crate) fn says_too_long(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && error
            .detail()
            .is_some_and(|text| text.starts_with("Protocol error: invalid bulk length"))
}

/// Of an error that the server returned, by the word that it begins with.
fn meaning_of_code(code: &str, text: &str) -> Meaning {
    let (kind, meaning) = match code {
        "NOAUTH" => (
            Kind::Denied,
            "the server wants a password: give `password`, or one in the URL",
        ),
        "WRONGPASS" => (Kind::Denied, "the server refused the user name or password"),
        "NOPERM" => (
            Kind::Denied,
            "the user may not do this: allow it GET, MGET, SET, UNLINK and PING on this namespace (and \
             where it announces, MULTI, EXEC, and XADD on the log of news)",
        ),
        "DENIED" => (
            Kind::Denied,
            "the server is in protected mode, which lets in only its own machine: set a password \
             there, or turn `protected-mode` off",
        ),
        "READONLY" => (
            Kind::Unavailable,
            "the server is a read-only replica: give the address of its primary",
        ),
        "NOREPLICAS" => (
            Kind::Unavailable,
            "the server takes no writes while too few replicas follow it",
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
        "ERR" if text.starts_with(NO_ROOM) => {
            (Kind::Throttled, "the server has no room for more clients")
        }
        "ERR" if text.starts_with("unknown command") => (
            Kind::InvalidConfiguration,
            "the server does not know this command: is it a Sentinel (give it by `sentinel`, with \
             the feature of that name), or older than 6.2?",
        ),
        "ERR" if text.starts_with("syntax error") => (
            Kind::InvalidConfiguration,
            "the server does not know `SET .. PXAT`: it must be Redis 6.2, Valkey, or later",
        ),
        "MASTERDOWN" | "CLUSTERDOWN" => (
            Kind::Unavailable,
            "the node that serves this key cannot be reached",
        ),
        "MOVED" | "ASK" => (
            Kind::Unavailable,
            "another node of a cluster has this key: give `cluster_nodes` in place of `url`",
        ),
        "CROSSSLOT" => (
            Kind::InvalidConfiguration,
            "the server is a node of a cluster: give `cluster_nodes` in place of `url`",
        ),
        _ => (Kind::Internal, "the server refused the command"),
    };
    means(kind, meaning)
}
