//! Commands and their replies, under the overall deadline.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hitbox_backend::coherence::Announces;
use hitbox_core::{CacheKey, Stamp};
use redis::Cmd;
use tokio::time::Instant;

#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::{
    announcer::Announcer,
    commands::{
        self, Keyed,
        announced::{Announced, announced_in_turn, together},
        auto_pipeline::AutoPipeline,
        batched::Get,
        request::Change,
        send::{in_turn, values},
    },
    connection::link::{Link, LinkSettings},
    error::{Cause, Failure, Reply},
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
    /// One server, where changes are announced.
    Announced(AnnouncedServer),
    #[cfg(feature = "cluster")]
    Cluster(Cluster),
}

/// One server.
pub(crate) struct Server {
    link: Link,
    gets: AutoPipeline<Get>,
    changes: AutoPipeline<Change>,
}

/// One server, where changes are announced.
pub(crate) struct AnnouncedServer {
    link: Link,
    gets: AutoPipeline<Get>,
    changes: AutoPipeline<Announced>,
    /// What is done under leases, which others need not hear of.
    unannounced: AutoPipeline<Change>,
    announcer: Arc<Announcer>,
}

/// What a command changes, as the backend's caller knows it.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'k> {
    pub(crate) key: &'k CacheKey,
    /// Of the value that is written.
    pub(crate) stamp: Option<Stamp>,
}

impl AnnouncedServer {
    pub(crate) fn new(link: Link, announcer: Arc<Announcer>) -> Self {
        Self {
            gets: AutoPipeline::new(link.clone()),
            changes: AutoPipeline::new(link.clone()),
            unannounced: AutoPipeline::new(link.clone()),
            link,
            announcer,
        }
    }

    fn announced(&self, subject: Subject<'_>, change: Change) -> Announced {
        Announced {
            change,
            key: subject.key.clone(),
            stamp: subject.stamp.unwrap_or_else(Stamp::now),
            announcer: Arc::clone(&self.announcer),
        }
    }

    /// Tells others that there is somebody who announces, if that is due. Nobody waits for it.
    fn sign(&self, until: Instant) {
        if let Some(sign) = self.announcer.sign() {
            let link = self.link.clone();
            let home = Arc::clone(&self.link.settings().home);
            home.spawn(async move {
                let _or_at_the_next_time = link.one(&sign, until).await;
            });
        }
    }

    async fn change(&self, subject: Subject<'_>, change: Change, until: Instant) -> Reply {
        self.sign(until);
        let announced = self.announced(subject, change);
        match self.changes.send_now() {
            Some(_in_flight) => {
                let replies = together(&self.link, vec![announced], until).await;
                replies
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err(Cause::UnexpectedReply.into()))
            }
            None => self.changes.enqueue(announced, until).await,
        }
    }

    async fn make_changes(
        &self,
        changes: impl Iterator<Item = (Subject<'_>, Change)>,
        until: Instant,
    ) -> Vec<Reply> {
        self.sign(until);
        let changes = changes.map(|(subject, change)| self.announced(subject, change));
        let changes = changes.collect();
        self.changes.after_flush();
        announced_in_turn(&self.link, changes, until).await
    }
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

    /// Where and as whom changes are announced.
    pub(crate) fn announces(&self) -> Option<Announces> {
        match &self.target {
            Target::Announced(AnnouncedServer { announcer, .. }) => {
                Some(Announces::new(announcer.log.id(), announcer.origin))
            }
            Target::Server(_) => None,
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => None,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let until = self.until()?;
        match &self.target {
            Target::Server(Server { link, .. })
            | Target::Announced(AnnouncedServer { link, .. }) => {
                link.one(&commands::ping(), until).await.map(drop)
            }
            // Which nodes there are is what a cluster has to know before anything else.
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.refresh(until).await,
        }
    }

    /// Who announces what is changed, if anybody does.
    pub(crate) fn announcer(&self) -> Option<&Arc<Announcer>> {
        match &self.target {
            Target::Announced(AnnouncedServer { announcer, .. }) => Some(announcer),
            Target::Server(_) => None,
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => None,
        }
    }

    /// The reply to a script, which may be run twice.
    pub(crate) async fn script(&self, script: &Cmd) -> Reply {
        let until = self.until()?;
        match &self.target {
            Target::Server(Server { link, .. })
            | Target::Announced(AnnouncedServer { link, .. }) => link.one(script, until).await,
            // Only a server that announces has any.
            #[cfg(feature = "cluster")]
            Target::Cluster(_) => Err(Cause::UnexpectedReply.into()),
        }
    }

    /// The value under `key`, as GET replies it.
    pub(crate) async fn value(&self, key: Cow<'_, str>) -> Reply {
        let until = self.until()?;
        match &self.target {
            Target::Server(Server { link, gets, .. })
            | Target::Announced(AnnouncedServer { link, gets, .. }) => match gets.send_now() {
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
    pub(crate) async fn change(&self, key: &str, subject: Subject<'_>, change: Change) -> Reply {
        let until = self.until()?;
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        match &self.target {
            Target::Server(Server { link, changes, .. }) => match changes.send_now() {
                Some(_in_flight) => link.one(&change, until).await,
                None => changes.enqueue(change, until).await,
            },
            Target::Announced(server) => server.change(subject, change, until).await,
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.reply(key, &change, until).await,
        }
    }

    /// The reply to a command that changes what is under `key`, and that nobody is told of.
    pub(crate) async fn change_unannounced(&self, key: &str, change: Change) -> Reply {
        let until = self.until()?;
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        let (link, changes) = match &self.target {
            Target::Server(Server { link, changes, .. }) => (link, changes),
            Target::Announced(server) => (&server.link, &server.unannounced),
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => return cluster.reply(key, &change, until).await,
        };
        match changes.send_now() {
            Some(_in_flight) => link.one(&change, until).await,
            None => changes.enqueue(change, until).await,
        }
    }

    /// The reply to a command that asks something about `key`.
    pub(crate) async fn ask(&self, key: &str, command: Cmd) -> Reply {
        let until = self.until()?;
        #[cfg(not(feature = "cluster"))]
        let _one_server_has_all_keys = key;
        match &self.target {
            Target::Server(Server { link, .. })
            | Target::Announced(AnnouncedServer { link, .. }) => link.one(&command, until).await,
            #[cfg(feature = "cluster")]
            Target::Cluster(cluster) => cluster.reply(key, &command, until).await,
        }
    }

    /// The values under `keys`, as GET replies them.
    pub(crate) async fn values(&self, keys: Vec<String>) -> Vec<Reply> {
        let until = match self.until() {
            Ok(until) => until,
            Err(failure) => return vec![Err(failure); keys.len()],
        };
        match &self.target {
            Target::Server(Server { link, .. })
            | Target::Announced(AnnouncedServer { link, .. }) => values(link, &keys, until).await,
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

    /// The replies to changes of these subjects, in their order. Those of one key are made in the order given.
    pub(crate) async fn changes(
        &self,
        subjects: impl Iterator<Item = Subject<'_>>,
        commands: Vec<Keyed<Change>>,
    ) -> Vec<Reply> {
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
            Target::Announced(server) => {
                let commands = commands.into_iter().map(|command| command.command);
                server.make_changes(subjects.zip(commands), until).await
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
