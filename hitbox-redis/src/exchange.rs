//! Commands and their replies, under the overall deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::{
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
    Server(Link),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

impl Exchange {
    /// How many connections have been opened so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let pinging = async {
            match &self.target {
                Target::Server(link) => link.send(&commands::ping()).await.map(drop)?,
                // Which nodes there are is what a cluster has to know before anything else.
                #[cfg(feature = "cluster")]
                Target::Cluster(cluster) => cluster.refresh().await?,
            }
            Ok(())
        };
        timeout_at(self.until(), pinging).await?
    }

    /// The reply to a command on one key.
    pub(crate) async fn reply(&self, key: &str, command: &Cmd) -> Result<Value, Failure> {
        let replying = async {
            match &self.target {
                Target::Server(link) => Ok(link.send(command).await?),
                #[cfg(feature = "cluster")]
                Target::Cluster(cluster) => cluster.reply(key, command).await,
            }
        };
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        timeout_at(self.until(), replying).await?
    }

    /// The values under `keys`, as GET replies them.
    pub(crate) async fn values(&self, keys: Vec<String>) -> Vec<Result<Value, Failure>> {
        match &self.target {
            Target::Server(link) => {
                let count = keys.len();
                let command = commands::get_many(keys.iter().map(String::as_str));
                let values = timeout_at(self.until(), link.send(&command))
                    .await
                    .map_err(Failure::from)
                    .and_then(|reply| commands::found_many(reply?, count));
                match values {
                    Ok(values) => values.into_iter().map(Ok).collect(),
                    Err(failure) => vec![Err(failure); count],
                }
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
            Target::Server(link) => {
                let commands = commands.into_iter().map(|command| command.command);
                pipeline(link, commands.collect(), self.until()).await
            }
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.replies(commands, self.until()).await,
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.deadline
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
    let failure = match timeout_at(until, link.send(&pipeline)).await {
        Ok(Ok(replies)) if replies.len() == count => {
            let replies = replies.into_iter();
            return replies.map(|reply| reply.map_err(Failure::from)).collect();
        }
        Ok(Ok(_)) => Failure::UnexpectedReply,
        Ok(Err(error)) => Failure::from(error),
        Err(elapsed) => Failure::from(elapsed),
    };
    vec![Err(failure); count]
}
