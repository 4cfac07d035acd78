//! Sentinels: servers that watch a master and its replicas, and say which of them is the master now.
//!
//! The client library has a client for them, too. It asks one sentinel after another, so that a hung one holds
//! up all, and it opens the master's connection itself, without the bounds and the login of this crate.

mod news;
mod search;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    StreamExt,
    future::{Either, join_all},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    Credentials,
    connection::{Limits, Opened, asking::Asking, node::NodeAddress, open, peer::Peer},
    error::{Cause, Failure, words::Meaning},
    sentinel::search::{Search, address, late, of_question, question},
};

/// Sentinels tell each other of a new master every two seconds. For so long one of them may name the master
/// that another one has just left.
const LAG: Duration = Duration::from_secs(3);

/// A master that sentinels watch, and how to find it.
pub(crate) struct Sentinels {
    name: String,
    sentinels: Vec<Peer>,
    /// How to log in to the master, wherever it is.
    master: Peer,
    limits: Limits,
    /// The last one that a sentinel has said to be the master no longer, and when.
    left: Mutex<Option<(NodeAddress, Instant)>>,
}

impl Sentinels {
    pub(crate) fn new(name: String, sentinels: Vec<Peer>, master: Peer, limits: Limits) -> Self {
        Self {
            name,
            sentinels,
            master,
            limits,
            left: Mutex::default(),
        }
    }

    /// Without credentials.
    pub(crate) fn shown(&self) -> String {
        let addresses = self.sentinels.iter().map(|peer| peer.address.to_string());
        let addresses: Vec<_> = addresses.collect();
        format!("{} (by {})", self.name, addresses.join(", "))
    }

    pub(crate) const fn master(&self) -> &Peer {
        &self.master
    }

    /// Opens a connection to the master. All sentinels are asked at once, and a server that one of them names
    /// is the one if it says so itself: a sentinel that is down, or behind the others, holds up nobody.
    pub(crate) async fn connect(self: &Arc<Self>, asking: &mut Asking) -> Result<Opened, Failure> {
        let limits = self.limits;
        let credentials = asking.credentials(limits.connect).await?;
        let until = Instant::now() + limits.connect;
        let mut search = Search::default();
        let asked = self.sentinels.iter().map(|sentinel| {
            Either::Left(async move {
                let answer = self.ask(sentinel, until).await;
                Step::Answered(sentinel, answer)
            })
        });
        let mut steps: FuturesUnordered<_> = asked.collect();
        while let Some(step) = steps.next().await {
            match step {
                Step::Answered(_, Ok(address)) => {
                    if search.is_new(&address) && !self.was_left(&address) {
                        let credentials = credentials.clone();
                        steps.push(Either::Right(async move {
                            let opened = self.open(&address, credentials, until).await;
                            Step::Tried(address, opened.map(Box::new))
                        }));
                    }
                }
                Step::Answered(sentinel, Err(meaning)) => search.unanswered(sentinel, meaning),
                Step::Tried(address, Ok(mut opened)) => {
                    let NodeAddress { host, port } = &address;
                    tracing::debug!(master = self.name, host, port, "the master is found");
                    opened.moved = Some(Arc::clone(self).moved(address));
                    return Ok(*opened);
                }
                Step::Tried(address, Err(meaning)) => search.unusable(&address, &meaning),
            }
        }
        Err(Cause::NotConnected(search.meaning()).into())
    }

    /// Opens a connection to a server that was named, if that is a master.
    async fn open(
        &self,
        address: &NodeAddress,
        credentials: Option<Credentials>,
        until: Instant,
    ) -> Result<Opened, Meaning> {
        let peer = self.master.at(address.host.clone(), address.port);
        let opening = open(&peer, credentials, self.limits.bounds);
        let opened = timeout_at(until, opening).await;
        let opened = opened.map_err(|_elapsed| late())?;
        opened.map_err(Failure::into_meaning)
    }

    /// Where the master is, by one sentinel.
    async fn ask(&self, sentinel: &Peer, until: Instant) -> Result<NodeAddress, Meaning> {
        let asked = async {
            let mut asking = Asking::new(sentinel.credentials.clone());
            let credentials = asking.credentials(LAG).await?;
            let opened = open(sentinel, credentials, self.limits.bounds).await?;
            opened.ask(&question(&self.name)).await
        };
        let reply = timeout_at(until, asked).await.map_err(|_elapsed| late())?;
        address(&reply.map_err(of_question)?)
    }

    /// Whether there are sentinels that answer, and none of them names this server any more.
    async fn all_name_another(&self, here: &NodeAddress) -> bool {
        let until = Instant::now() + self.limits.connect;
        let sentinels = self.sentinels.iter();
        let asked = sentinels.map(|sentinel| self.ask(sentinel, until));
        let named: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        !named.is_empty() && !named.contains(here)
    }

    fn was_left(&self, address: &NodeAddress) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.as_ref()
            .is_some_and(|(left, at)| left == address && at.elapsed() < LAG)
    }

    fn note_left(&self, address: NodeAddress) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = Some((address, Instant::now()));
    }
}

/// One step of a search.
enum Step<'s> {
    Answered(&'s Peer, Result<NodeAddress, Meaning>),
    Tried(NodeAddress, Result<Box<Opened>, Meaning>),
}
