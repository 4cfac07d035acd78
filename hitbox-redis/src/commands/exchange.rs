//! Commands and their replies, under the overall deadline.

use std::{borrow::Cow, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::{
    commands::{
        self, Keyed,
        auto_pipeline::AutoPipeline,
        batched::Get,
        request::Change,
        send::{in_turn, values},
    },
    connection::link::{Link, LinkSettings},
    error::{Failure, Reply},
};

/// Sends commands and waits for the replies, up to a deadline.
pub(crate) struct Exchange {
    pub(crate) target: Target,
    pub(crate) deadline: Duration,
    pub(crate) settings: LinkSettings,
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
    gets: AutoPipeline<Get>,
    changes: AutoPipeline<Change>,
}

impl From<Link> for Server {
    fn from(link: Link) -> Self {
        Self {
            gets: AutoPipeline::new(link.clone()),
            changes: AutoPipeline::new(link.clone()),
            link,
        }
    }
}

impl Exchange {
    /// How many connections have been opened so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.settings.opened.load(Ordering::Relaxed)
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let until = self.until()?;
        match &self.target {
            Target::Server(server) => server.link.one(&commands::ping(), until).await.map(drop),
            // Which nodes there are is what a cluster has to know before anything else.
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.refresh(until).await,
        }
    }

    /// The value under `key`, as GET replies it.
    pub(crate) async fn value(&self, key: Cow<'_, str>) -> Reply {
        let until = self.until()?;
        match &self.target {
            Target::Server(Server { link, gets, .. }) => match gets.send_now() {
                Some(_in_flight) => link.one(&commands::get(&*key), until).await,
                None => gets.enqueue(Get(key.into_owned()), until).await,
            },
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => {
                let command = commands::get(&*key);
                cluster.reply(&key, &command, until).await
            }
        }
    }

    /// The reply to a command that changes what is under `key`.
    pub(crate) async fn change(&self, key: &str, change: Change) -> Reply {
        let until = self.until()?;
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        match &self.target {
            Target::Server(Server { link, changes, .. }) => match changes.send_now() {
                Some(_in_flight) => link.one(&change, until).await,
                None => changes.enqueue(change, until).await,
            },
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.reply(key, &change, until).await,
        }
    }

    /// The values under `keys`, as GET replies them.
    pub(crate) async fn values(&self, keys: Vec<String>) -> Vec<Reply> {
        let until = match self.until() {
            Ok(until) => until,
            Err(failure) => return vec![Err(failure); keys.len()],
        };
        match &self.target {
            Target::Server(server) => values(&server.link, &keys, until).await,
            // A cluster refuses MGET over several slots, and one dead node must not fail the keys of
            // the others.
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => {
                let get = |key: String| {
                    let command = commands::get(&key);
                    Keyed { key, command }
                };
                let commands = keys.into_iter().map(get).collect();
                cluster.replies(commands, until).await
            }
        }
    }

    /// The replies to changes, in their order. Those of one key are made in the order given.
    pub(crate) async fn changes(&self, commands: Vec<Keyed<Change>>) -> Vec<Reply> {
        let until = match self.until() {
            Ok(until) => until,
            Err(failure) => return vec![Err(failure); commands.len()],
        };
        match &self.target {
            Target::Server(server) => {
                let commands = commands.into_iter().map(|command| command.command);
                server.changes.after_flush();
                in_turn(&server.link, commands.collect(), until).await
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.replies(commands, until).await,
        }
    }

    /// When a call that begins now has to end.
    fn until(&self) -> Result<Instant, Failure> {
        self.settings.home.check_caller()?;
        Ok(Instant::now() + self.deadline)
    }
}
