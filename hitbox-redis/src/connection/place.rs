//! Where a server is: what an address, a cluster and sentinels have in common.

#[cfg(feature = "sentinel")]
use std::sync::Arc;

use futures::future::pending;

#[cfg(feature = "sentinel")]
use crate::sentinel::Sentinels;
use crate::{
    connection::{Limits, Opened, asking::Asking, connect, peer::Peer, session::Companion},
    error::Failure,
};

/// What a connection leads to. It is found again for each that is opened.
#[derive(Clone)]
pub(crate) enum Place {
    /// Whatever server is at this address.
    Address(Peer),
    /// This node of a cluster: another one's replies say where to go.
    #[cfg(feature = "cluster")]
    Node(Peer),
    /// Whatever server is the master, by the word of sentinels.
    #[cfg(feature = "sentinel")]
    Master(Arc<Sentinels>),
}

impl Place {
    /// In words, without credentials.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Address(peer) => peer.address.to_string(),
            #[cfg(feature = "cluster")]
            Self::Node(peer) => peer.address.to_string(),
            #[cfg(feature = "sentinel")]
            Self::Master(sentinels) => sentinels.shown(),
        }
    }

    /// Which of the server's databases it is.
    pub(crate) fn database(&self) -> i64 {
        match self {
            Self::Address(peer) => peer.database,
            #[cfg(feature = "cluster")]
            Self::Node(peer) => peer.database,
            #[cfg(feature = "sentinel")]
            Self::Master(sentinels) => sentinels.master().database,
        }
    }

    /// Opens a connection of the caller's own. Who wants one that is opened anew when it breaks takes a
    /// [`Link`](crate::connection::link::Link) to the place instead.
    pub(crate) async fn connect(
        &self,
        asking: &mut Asking,
        limits: Limits,
    ) -> Result<Opened, Failure> {
        match self {
            Self::Address(peer) => connect(peer, asking, limits).await,
            #[cfg(feature = "cluster")]
            Self::Node(peer) => connect(peer, asking, limits).await,
            #[cfg(feature = "sentinel")]
            Self::Master(sentinels) => sentinels.connect(asking).await,
        }
    }

    /// Asks for the credentials of the server there.
    pub(crate) fn asking(&self) -> Asking {
        let peer = match self {
            Self::Address(peer) => peer,
            #[cfg(feature = "cluster")]
            Self::Node(peer) => peer,
            #[cfg(feature = "sentinel")]
            Self::Master(sentinels) => sentinels.master(),
        };
        Asking::new(peer.credentials.clone())
    }

    /// Whether another connection may lead to another server.
    pub(crate) const fn is_found_anew(&self) -> bool {
        match self {
            Self::Address(_) => true,
            #[cfg(feature = "cluster")]
            Self::Node(_) => false,
            #[cfg(feature = "sentinel")]
            Self::Master(_) => true,
        }
    }

    /// Ends when there is another server at this place, as far as anybody says so.
    pub(crate) fn news(&self) -> Companion {
        match self {
            Self::Address(_) => Box::pin(pending()),
            #[cfg(feature = "cluster")]
            Self::Node(_) => Box::pin(pending()),
            #[cfg(feature = "sentinel")]
            Self::Master(sentinels) => Arc::clone(sentinels).next_switch(),
        }
    }
}
