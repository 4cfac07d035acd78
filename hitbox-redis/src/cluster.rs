//! A cluster: a link to each master, and who has which slot.
//!
//! The client library has one, too, but there a dead or hung node stalls the commands for all nodes
//! while the library tries to reach it.

#[cfg(feature = "cluster")]
pub(crate) mod slots;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use futures::future::{join_all, select_ok};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::{Instant, sleep};

use crate::{
    cluster::slots::{SlotMap, slot_of},
    commands::{
        Keyed,
        request::{Several, Single, doubted},
        send::in_turn,
    },
    connection::{
        link::{Link, LinkSettings},
        node::NodeAddress,
        peer::Peer,
        place::Place,
        timer::done_by,
    },
    error::{Cause, Failure, Reply},
};

/// How long after one look at the slots no other is taken in the background.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    /// Known from the start; asked for the others.
    seeds: Vec<NodeAddress>,
    /// How to log in, whatever the node.
    login: Peer,
    settings: LinkSettings,
    links: Mutex<HashMap<NodeAddress, Link>>,
    slots: RwLock<Arc<SlotMap>>,
    /// Held by whoever looks at the slots.
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

/// Where to go instead.
enum Redirect {
    /// For good.
    Moved(NodeAddress),
    /// For this command, while the slot is being moved.
    Ask(NodeAddress),
}

impl Cluster {
    pub(crate) fn new(seeds: Vec<NodeAddress>, login: Peer, settings: LinkSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                seeds,
                login,
                settings,
                links: Mutex::default(),
                slots: RwLock::default(),
                refreshing: Arc::default(),
            }),
        }
    }

    /// The reply to a command on one key.
    pub(crate) async fn reply(
        &self,
        key: &str,
        command: &(impl Single + Clone),
        until: Instant,
    ) -> Reply {
        let slots = self.slots(until).await?;
        let Some(master) = slots.master_of(slot_of(key)) else {
            self.refresh_soon();
            return Err(Cause::NoNode.into());
        };
        let reply = self.link(master).one(command, until).await;
        self.follow(reply, command, until).await
    }

    /// The replies to commands, in their order: one pipeline for each node. Nodes that do not answer
    /// fail their own commands only.
    pub(crate) async fn replies<C: Single + Clone + Send>(
        &self,
        commands: Vec<Keyed<C>>,
        until: Instant,
    ) -> Vec<Reply> {
        let slots = match self.slots(until).await {
            Ok(slots) => slots,
            Err(failure) => return vec![Err(failure); commands.len()],
        };
        let mut replies = vec![Err(Cause::NoNode.into()); commands.len()];
        let mut by_master: HashMap<&NodeAddress, Vec<(usize, C)>> = HashMap::new();
        for (index, Keyed { key, command }) in commands.into_iter().enumerate() {
            match slots.master_of(slot_of(&key)) {
                Some(master) => by_master.entry(master).or_default().push((index, command)),
                None => self.refresh_soon(),
            }
        }
        let batches = by_master
            .into_iter()
            .map(|(master, batch)| self.batch(master, batch, until));
        for (index, reply) in join_all(batches).await.into_iter().flatten() {
            replies[index] = reply;
        }
        replies
    }

    async fn batch<C: Single + Clone + Send>(
        &self,
        master: &NodeAddress,
        batch: Vec<(usize, C)>,
        until: Instant,
    ) -> Vec<(usize, Reply)> {
        let link = self.link(master);
        let commands = batch.iter().map(|(_, command)| command.clone()).collect();
        let replies = in_turn(&link, commands, until).await;
        let mut followed = Vec::with_capacity(batch.len());
        for ((index, command), reply) in batch.into_iter().zip(replies) {
            followed.push((index, self.follow(reply, &command, until).await));
        }
        followed
    }

    /// The reply as it is, or if it names another node, that node's.
    async fn follow(&self, reply: Reply, command: &(impl Single + Clone), until: Instant) -> Reply {
        let Err(failure) = reply else {
            return reply;
        };
        if let Cause::Repeated { first, last } = failure.cause {
            let last = self.follow_last(*last, command, until).await;
            return doubted(last, Some(&first));
        }
        self.follow_last(Err(failure), command, until).await
    }

    async fn follow_last(
        &self,
        reply: Reply,
        command: &(impl Single + Clone),
        until: Instant,
    ) -> Reply {
        let failure = match reply {
            Err(failure) => failure,
            reply => return reply,
        };
        let error = match &failure.cause {
            Cause::Redis(error) => error,
            Cause::NoReply
            | Cause::Deadline
            | Cause::NoConnectionYet
            | Cause::NotConnected(_)
            | Cause::NotSent => {
                // Another node may have taken over from one that does not answer.
                self.refresh_soon();
                return Err(failure);
            }
            Cause::Abandoned
            | Cause::RuntimeEnded
            | Cause::Runtime(_)
            | Cause::UnexpectedReply
            | Cause::TooLong { .. }
            | Cause::Repeated { .. }
            | Cause::Unannounced(_)
            | Cause::NoNode => return Err(failure),
        };
        match Redirect::of(error) {
            Some(Redirect::Moved(address)) => {
                self.refresh_soon();
                self.link(&address).one(command, until).await
            }
            Some(Redirect::Ask(address)) => {
                let asking = Several::asking(command.clone());
                let replies = self.link(&address).each(&asking, until, None).await;
                let last = replies.into_iter().next_back();
                last.unwrap_or_else(|| Err(Cause::UnexpectedReply.into()))
            }
            None => {
                if says_that_masters_changed(error) {
                    self.refresh_soon();
                }
                Err(failure)
            }
        }
    }

    /// Who has which slot, as far as known; asks if nothing is known yet.
    async fn slots(&self, until: Instant) -> Result<Arc<SlotMap>, Failure> {
        let known = self.known_slots();
        if !known.is_empty() {
            return Ok(known);
        }
        let _one_at_a_time = done_by(until, self.shared.refreshing.lock()).await?;
        if self.known_slots().is_empty() {
            self.refresh(until).await?;
        }
        Ok(self.known_slots())
    }

    fn known_slots(&self) -> Arc<SlotMap> {
        let slots = self.shared.slots.read();
        Arc::clone(&slots.unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the nodes who has which slot; the first answer counts.
    pub(crate) async fn refresh(&self, until: Instant) -> Result<(), Failure> {
        let known = self.known_slots();
        let mut nodes: Vec<&NodeAddress> = known.masters().chain(&self.shared.seeds).collect();
        nodes.sort_unstable_by_key(|node| (&node.host, node.port));
        nodes.dedup();
        let questions = nodes.into_iter().map(|node| {
            Box::pin(async move {
                let mut question = redis::cmd("CLUSTER");
                question.arg("SLOTS");
                let reply = self.link(node).one(&question, until).await?;
                SlotMap::parse(reply, &node.host)
            })
        });
        let (slots, _unanswered) = select_ok(questions).await?;
        let masters: Vec<NodeAddress> = slots.masters().cloned().collect();
        *self
            .shared
            .slots
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(slots);
        // Closes the connections to nodes that have left, and to seeds by another name.
        self.links().retain(|address, _| masters.contains(address));
        Ok(())
    }

    /// Refreshes in the background, unless that is being done or has just been.
    fn refresh_soon(&self) {
        if let Ok(turn) = Arc::clone(&self.shared.refreshing).try_lock_owned() {
            let cluster = self.clone();
            self.shared.settings.home.spawn(async move {
                // A failure leaves what was known; the next command that fails tries again.
                let until = Instant::now() + cluster.shared.settings.limits.longest();
                let _outcome = cluster.refresh(until).await;
                sleep(REFRESH_PAUSE).await;
                drop(turn);
            });
        }
    }

    fn link(&self, address: &NodeAddress) -> Link {
        let mut links = self.links();
        if let Some(link) = links.get(address) {
            return link.clone();
        }
        let NodeAddress { host, port } = address.clone();
        let peer = self.shared.login.at(host, port);
        let link = Link::new(Place::Node(peer), self.shared.settings.clone());
        links.insert(address.clone(), link.clone());
        link
    }

    fn links(&self) -> std::sync::MutexGuard<'_, HashMap<NodeAddress, Link>> {
        self.shared
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redirect {
    fn of(error: &RedisError) -> Option<Self> {
        let (address, _slot) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let address = NodeAddress {
            host: host.to_owned(),
            port: port.parse().ok()?,
        };
        if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
            Some(Self::Ask(address))
        } else {
            Some(Self::Moved(address))
        }
    }
}

/// Whether another node may have taken over: after a connection failed, and when a master that was
/// has become a replica. Silence says so, too, but is no error of the client's.
fn says_that_masters_changed(error: &RedisError) -> bool {
    error.is_io_error()
        || matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::Moved
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
            )
        )
}
