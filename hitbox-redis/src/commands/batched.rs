//! The kinds of commands that are sent together, and how.

use std::{future::Future, sync::Arc};

use tokio::time::Instant;

use crate::{
    commands::{
        self,
        request::{Change, Several},
        send::values,
    },
    connection::link::Link,
    error::{Failure, Reply},
};

/// A kind of command that can be sent together with others of it.
pub(crate) trait Batched: Send + Sized + 'static {
    /// Several of them, ready to be sent.
    type Packed: Send + Sync + 'static;

    /// How many bytes it carries.
    fn length(&self) -> usize;

    fn pack(commands: Vec<Self>) -> Self::Packed;

    /// The replies to these, in their order. `doubt` is of an attempt that was made before.
    fn exchange(
        packed: Arc<Self::Packed>,
        link: Link,
        until: Instant,
        doubt: Option<Failure>,
    ) -> impl Future<Output = Replies> + Send;
}

pub(crate) type Replies = Vec<Reply>;

/// GET of a key.
pub(crate) struct Get(pub(crate) String);

impl AsRef<str> for Get {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Batched for Get {
    type Packed = Vec<Self>;

    fn length(&self) -> usize {
        self.0.len()
    }

    fn pack(commands: Vec<Self>) -> Vec<Self> {
        commands
    }

    async fn exchange(
        packed: Arc<Vec<Self>>,
        link: Link,
        until: Instant,
        _read_before: Option<Failure>,
    ) -> Replies {
        if let [Self(key)] = packed.as_slice() {
            return vec![link.one(&commands::get(key), until).await];
        }
        values(&link, &packed, until).await
    }
}

/// One goes by itself: the server may hang up on it, if it is long, and its reply would go under.
pub(crate) enum Changes {
    One(Change),
    Several(Several),
}

impl Batched for Change {
    type Packed = Changes;

    fn length(&self) -> usize {
        self.longest
    }

    fn pack(mut commands: Vec<Self>) -> Changes {
        match commands.pop() {
            Some(one) if commands.is_empty() => Changes::One(one),
            last => {
                commands.extend(last);
                Changes::Several(Several::of(commands))
            }
        }
    }

    async fn exchange(
        packed: Arc<Changes>,
        link: Link,
        until: Instant,
        doubt: Option<Failure>,
    ) -> Replies {
        match &*packed {
            Changes::One(change) => {
                let reply = link.send(change, until, doubt).await;
                let reply = reply.one(change.expected);
                vec![reply.map_err(|failure| failure.at(link.address()))]
            }
            Changes::Several(several) => link.each(several, until, doubt).await,
        }
    }
}
