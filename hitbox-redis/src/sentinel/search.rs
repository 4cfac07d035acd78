//! What sentinels answer, and what it means when none of them leads to a master.

use hitbox_backend::BackendErrorKind as Kind;
use redis::{Cmd, Value};

use crate::{
    connection::{node::NodeAddress, peer::Peer},
    error::{Failure, words::Meaning},
};

/// What has come of looking for the master.
#[derive(Default)]
pub(super) struct Search {
    /// By the word of a sentinel, each once.
    named: Vec<NodeAddress>,
    /// Why a sentinel has not named one.
    unanswered: Vec<Meaning>,
    /// Why one that was named is of no use.
    unusable: Option<Meaning>,
}

impl Search {
    /// Whether nobody has named this one before.
    pub(super) fn is_new(&mut self, address: &NodeAddress) -> bool {
        let is_new = !self.named.contains(address);
        if is_new {
            self.named.push(address.clone());
        }
        is_new
    }

    pub(super) fn unanswered(&mut self, sentinel: &Peer, meaning: Meaning) {
        let Meaning { kind, detail } = meaning;
        let detail = format!("{}: {detail}", sentinel.address);
        self.unanswered.push(Meaning { kind, detail });
    }

    pub(super) fn unusable(&mut self, address: &NodeAddress, meaning: &Meaning) {
        let NodeAddress { host, port } = address;
        self.unusable = Some(Meaning {
            kind: meaning.kind,
            detail: format!("the sentinels name {host}:{port}: {}", meaning.detail),
        });
    }

    /// Of a search that has found no master.
    pub(super) fn meaning(self) -> Meaning {
        if let Some(unusable) = self.unusable {
            return unusable;
        }
        if let [NodeAddress { host, port }, ..] = self.named.as_slice() {
            let detail = format!("the sentinels name {host}:{port}, which has just been left");
            return unavailable(detail);
        }
        let kinds = self.unanswered.iter().map(|meaning| meaning.kind);
        // What one of them refuses, another one may know.
        let kind = match kinds.reduce(|one, two| if one == two { one } else { Kind::Unavailable }) {
            None | Some(Kind::Timeout) => Kind::Unavailable,
            Some(kind) => kind,
        };
        let details: Vec<_> = self
            .unanswered
            .into_iter()
            .map(|meaning| meaning.detail)
            .collect();
        let detail = format!("no sentinel names the master: {}", details.join("; "));
        Meaning { kind, detail }
    }
}

fn unavailable(detail: impl Into<String>) -> Meaning {
    Meaning {
        kind: Kind::Unavailable,
        detail: detail.into(),
    }
}

/// There was no time left.
pub(super) fn late() -> Meaning {
    Meaning {
        kind: Kind::Timeout,
        detail: "no answer in time".to_owned(),
    }
}

pub(super) fn question(name: &str) -> Cmd {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    question
}

/// Of a sentinel that has answered with an error, or not at all.
pub(super) fn of_question(failure: Failure) -> Meaning {
    let error = failure.server_error();
    let text = error.and_then(|error| error.detail()).unwrap_or_default();
    if text.starts_with("unknown command") {
        return Meaning {
            kind: Kind::InvalidConfiguration,
            detail: "it is no sentinel: give the sentinels' ports, mostly 26379".to_owned(),
        };
    }
    failure.into_meaning()
}

/// What a sentinel replies to the question.
pub(super) fn address(reply: &Value) -> Result<NodeAddress, Meaning> {
    if *reply == Value::Nil {
        return Err(Meaning {
            kind: Kind::InvalidConfiguration,
            detail: "it watches no master of this name".to_owned(),
        });
    }
    let parsed = || {
        let Value::Array(parts) = reply else {
            return None;
        };
        let [Value::BulkString(host), Value::BulkString(port)] = parts.as_slice() else {
            return None;
        };
        Some(NodeAddress {
            host: str::from_utf8(host).ok()?.to_owned(),
            port: str::from_utf8(port).ok()?.parse().ok()?,
        })
    };
    parsed().ok_or_else(|| unavailable("its answer cannot be read"))
}
