//! Commands and their replies, under the overall deadline.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Pipeline, Value};
use tokio::time::Instant;

#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::{
    batch::{Batches, Change, Get},
    commands::{self, KeyCommand},
    error::Failure,
    link::Link,
};

/// Sends commands and waits for the replies, up to a deadline.
pub(crate) struct Exchange {
    pub(crate) target: Target,
    pub(crate) deadline: Duration,
    pub(crate) opened: Arc<AtomicU64>,
}

/// What there is at the other end.
pub(crate) enum Target {
    Server(Server),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

/// One server.
pub(crate) struct Server {
    link: Link,
    gets: Batches<Get>,
    changes: Batches<Change>,
}

impl From<Link> for Server {
    fn from(link: Link) -> Self {
        Self {
            gets: Batches::new(link.clone()),
            changes: Batches::new(link.clone()),
            link,
        }
    }
}

impl Exchange {
    /// How many connections have been opened so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let until = self.until();
        match &self.target {
            Target::Server(server) => server.link.send(&commands::ping(), until).await.map(drop),
            // Which nodes there are is what a cluster has to know before anything else.
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.refresh(until).await,
        }
    }

    /// The value under `key`, as GET replies it.
    pub(crate) async fn value(&self, key: Cow<'_, str>) -> Result<Value, Failure> {
        let until = self.until();
        match &self.target {
            Target::Server(Server { link, gets, .. }) => match gets.alone() {
                Some(_on_its_way) => link.send(&commands::get(&key), until).await,
                None => gets.together(Get(key.into_owned()), until).await,
            },
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => {
                let command = commands::get(&key);
                cluster.reply(&key, &command, until).await
            }
        }
    }

    /// The reply to a command that changes what is under `key`.
    pub(crate) async fn change(&self, key: &str, change: Change) -> Result<Value, Failure> {
        let until = self.until();
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        match &self.target {
            Target::Server(Server { link, changes, .. }) => match changes.alone() {
                Some(_on_its_way) => link.send(&change.command, until).await,
                None => changes.together(change, until).await,
            },
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.reply(key, &change.command, until).await,
        }
    }

    /// The values under `keys`, as GET replies them.
    pub(crate) async fn values(&self, keys: Vec<String>) -> Vec<Result<Value, Failure>> {
        match &self.target {
            Target::Server(server) => {
                let keys = keys.iter().map(String::as_str);
                values(&server.link, keys, self.until()).await
            }
            // A cluster refuses MGET over several slots, and one dead node must not fail the keys of
            // the others.
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => {
                let get = |key: String| {
                    let command = commands::get(&key);
                    KeyCommand { key, command }
                };
                let commands = keys.into_iter().map(get).collect();
                cluster.replies(commands, self.until()).await
            }
        }
    }

    /// The replies to commands, in their order. Commands on one key are carried out in the order
    /// given.
    pub(crate) async fn replies(&self, commands: Vec<KeyCommand>) -> Vec<Result<Value, Failure>> {
        match &self.target {
            Target::Server(server) => {
                let commands = commands.into_iter().map(|command| command.command);
                server.changes.in_turn();
                pipeline(&server.link, commands.collect(), self.until()).await
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.replies(commands, self.until()).await,
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.deadline
    }
}

/// The values under `keys`, by one MGET.
pub(crate) async fn values<'k>(
    link: &Link,
    keys: impl ExactSizeIterator<Item = &'k str>,
    until: Instant,
) -> Vec<Result<Value, Failure>> {
    let count = keys.len();
    let command = commands::get_many(keys);
    let reply = link.send(&command, until).await;
    match reply.and_then(|reply| commands::found_many(reply, count)) {
        Ok(values) => values.into_iter().map(Ok).collect(),
        Err(failure) => vec![Err(failure); count],
    }
}

/// Sends commands at once. The replies are in their order.
pub(crate) async fn pipeline(
    link: &Link,
    commands: Vec<Cmd>,
    until: Instant,
) -> Vec<Result<Value, Failure>> {
    let count = commands.len();
    if count == 0 {
        return Vec::new();
    }
    let mut pipeline = Pipeline::with_capacity(count);
    pipeline.ignore_errors();
    for command in commands {
        pipeline.add_command(command);
    }
    let failure = match link.send(&pipeline, until).await {
        Ok(replies) if replies.len() == count => {
            let replies = replies.into_iter();
            return replies.map(|reply| reply.map_err(Failure::from)).collect();
        }
        Ok(_) => Failure::UnexpectedReply,
        Err(failure) => failure,
    };
    vec![Err(failure); count]
}
