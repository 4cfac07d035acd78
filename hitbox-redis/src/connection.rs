//! How a connection is opened: the way to the server, the login, and the time there.

pub(crate) mod address;
pub(crate) mod asking;
pub(crate) mod clock;
pub(crate) mod home;
pub(crate) mod incoming;
pub(crate) mod link;
pub(crate) mod login;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod place;
pub(crate) mod renewal;
pub(crate) mod session;
pub(crate) mod tidings;
pub(crate) mod timer;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod way;

use std::{
    future::Future,
    io,
    pin::Pin,
    time::{Duration, SystemTime},
};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
#[cfg(feature = "sentinel")]
use redis::{Cmd, Value};
use tokio::time::timeout;

use crate::{
    Credentials,
    connection::{
        asking::Asking,
        incoming::Bounds,
        login::{Told, log_in},
        peer::Peer,
        session::Companion,
        way::Way,
    },
    error::{Cause, Failure, words::not_connected},
};

/// How long to wait, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For a reply.
    pub(crate) attempt: Duration,
    pub(crate) bounds: Bounds,
}

#[cfg(feature = "cluster")]
impl Limits {
    /// For a connection and a reply over it.
    pub(crate) fn longest(self) -> Duration {
        self.connect + self.attempt
    }
}

/// A connection that many tasks can send on at a time.
pub(crate) struct Opened {
    pub(crate) connection: MultiplexedConnection,
    /// Moves its bytes.
    pub(crate) driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) told: Told,
    /// When the credentials end that it was opened with.
    pub(crate) end: Option<SystemTime>,
    /// Ends when the server is the right one no longer, where others than itself can tell.
    pub(crate) moved: Option<Companion>,
}

#[cfg(feature = "sentinel")]
impl Opened {
    /// The reply to a command, on a connection that is for nothing else.
    pub(crate) async fn ask(self, command: &Cmd) -> Result<Value, Failure> {
        let Self {
            mut connection,
            driver,
            ..
        } = self;
        tokio::select! {
            biased;
            reply = command.query_async(&mut connection) => Ok(reply?),
            () = driver => Err(failed(&io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// Opens a connection.
pub(crate) async fn connect(
    peer: &Peer,
    asking: &mut Asking,
    limits: Limits,
) -> Result<Opened, Failure> {
    let credentials = asking.credentials(limits.connect).await?;
    match timeout(limits.connect, open(peer, credentials, limits.bounds)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => {
            let late = format!("not open after {:?}", limits.connect);
            Err(failed(&io::Error::new(io::ErrorKind::TimedOut, late)))
        }
    }
}

/// The same, for as long as it takes.
pub(crate) async fn open(
    peer: &Peer,
    credentials: Option<Credentials>,
    bounds: Bounds,
) -> Result<Opened, Failure> {
    let way = Way::to(peer, bounds)
        .await
        .map_err(|error| failed(&error))?;
    // The login is ours: the client keeps to itself what the server says to it.
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        // The link has a timer for each request already; another would cost each as much again.
        .set_response_timeout(None);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&settings, way, config).await?;
    let mut driver: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(driver);
    let told = {
        let mut login = Box::pin(log_in(&connection, peer, credentials.as_ref()));
        tokio::select! {
            biased;
            told = &mut login => told?,
            () = &mut driver => {
                // What the server had to say is there.
                drop(driver);
                login.await?;
                return Err(failed(&io::ErrorKind::UnexpectedEof.into()));
            }
        }
    };
    Ok(Opened {
        connection,
        driver,
        told,
        end: credentials.and_then(|credentials| credentials.end),
        moved: None,
    })
}

fn failed(error: &io::Error) -> Failure {
    Cause::NotConnected(not_connected(error)).into()
}
