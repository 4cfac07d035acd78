//! What sentinels tell of a master without being asked.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use redis::{RedisConnectionInfo, aio::PubSub};
use tokio::time::{sleep, timeout};

use crate::{
    connection::{
        asking::Asking, incoming::Bounds, node::NodeAddress, peer::Peer, session::Companion,
        way::Way,
    },
    sentinel::Sentinels,
};

/// What a sentinel says when another server has become the master.
const SWITCH: &str = "+switch-master";

/// A sentinel that has vanished says nothing any more, and nobody notices. So after this time another one is
/// listened to, and all are asked.
const LONGEST: Duration = Duration::from_secs(30);

/// After one sentinel that cannot be listened to.
const PAUSE: Duration = Duration::from_secs(1);

/// From this server to that one.
#[derive(Debug, PartialEq, Eq)]
struct Switch {
    from: NodeAddress,
    to: NodeAddress,
}

impl Sentinels {
    /// Ends when this server is the master no longer.
    pub(crate) fn moved(self: Arc<Self>, here: NodeAddress) -> Companion {
        Box::pin(async move { self.listen(Some(&here)).await })
    }

    /// Ends when some server becomes the master.
    pub(crate) fn next_switch(self: Arc<Self>) -> Companion {
        Box::pin(async move { self.listen(None).await })
    }

    async fn listen(&self, here: Option<&NodeAddress>) {
        loop {
            let subscription = self.subscribe().await;
            // After the subscription, so that nothing falls in between.
            if let Some(here) = here
                && self.all_name_another(here).await
            {
                return;
            }
            let switched = match subscription {
                Some(subscription) => timeout(LONGEST, self.switched(subscription, here)).await,
                None => Ok(false),
            };
            match switched {
                Ok(true) => return,
                Ok(false) => sleep(PAUSE).await,
                Err(_elapsed) => {}
            }
        }
    }

    /// At the first sentinel that can be listened to. They are tried in another order each time, so that many
    /// clients are spread among them.
    async fn subscribe(&self) -> Option<PubSub> {
        let (before, after) = self
            .sentinels
            .split_at(fastrand::usize(..self.sentinels.len()));
        for sentinel in after.iter().chain(before) {
            let subscribing = subscription(sentinel, self.limits.bounds);
            if let Ok(Some(subscription)) = timeout(self.limits.connect, subscribing).await {
                return Some(subscription);
            }
        }
        None
    }

    /// Whether the master has moved, and not here; else the sentinel has gone.
    async fn switched(&self, mut subscription: PubSub, here: Option<&NodeAddress>) -> bool {
        let mut messages = subscription.on_message();
        while let Some(message) = messages.next().await {
            let text = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
            if let Some(Switch { from, to }) = Switch::of(&self.name, &text) {
                self.note_left(from);
                if Some(&to) != here {
                    return true;
                }
            }
        }
        false
    }
}

async fn subscription(sentinel: &Peer, bounds: Bounds) -> Option<PubSub> {
    let mut asking = Asking::new(sentinel.credentials.clone());
    let credentials = asking.credentials(PAUSE).await.ok()?;
    let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(credentials) = credentials {
        settings = settings.set_password(credentials.password);
        if let Some(username) = credentials.username {
            settings = settings.set_username(username);
        }
    }
    let way = Way::to(sentinel, bounds).await.ok()?;
    let mut subscription = PubSub::new(&settings, way).await.ok()?;
    subscription.subscribe(SWITCH).await.ok()?;
    Some(subscription)
}

impl Switch {
    /// `NAME HOST PORT HOST PORT`, if it is of the master of this name.
    fn of(name: &str, text: &str) -> Option<Self> {
        let mut words = text.strip_prefix(name)?.strip_prefix(' ')?.split(' ');
        let mut address = || {
            Some(NodeAddress {
                host: words.next()?.to_owned(),
                port: words.next()?.parse().ok()?,
            })
        };
        Some(Self {
            from: address()?,
            to: address()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_of_one_master() {
        let switch = Switch::of("mymaster", "mymaster 10.0.0.1 6379 ::1 6380").unwrap();
        assert_eq!((&*switch.from.host, switch.from.port), ("10.0.0.1", 6379));
        assert_eq!((&*switch.to.host, switch.to.port), ("::1", 6380));
        for text in [
            "mymaster-2 10.0.0.1 6379 10.0.0.2 6379",
            "other 10.0.0.1 6379 10.0.0.2 6379",
            "mymaster 10.0.0.1 6379",
            "mymaster 10.0.0.1 6379 10.0.0.2 port",
            "",
        ] {
            assert_eq!(Switch::of("mymaster", text), None, "{text}");
        }
    }
}
