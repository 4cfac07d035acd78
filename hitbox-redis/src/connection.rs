//! How a connection is opened: the way to the server, the login, and the time there.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod home;
pub(crate) mod incoming;
pub(crate) mod link;
pub(crate) mod peer;
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
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    commands,
    connection::{incoming::Bounds, peer::Peer, way::Way},
    error::{
        Cause, Failure,
        words::{Step, not_connected, not_let_in},
    },
};

/// Says who is connected, in `CLIENT LIST`.
const CLIENT_NAME: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

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
    /// The server's clock, in milliseconds since 1970, and how long it took to be told.
    pub(crate) time: Option<(i64, Duration)>,
}

/// Opens a connection.
pub(crate) async fn connect(peer: &Peer, limits: Limits) -> Result<Opened, Failure> {
    match timeout(limits.connect, open(peer, limits.bounds)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => {
            let late = format!("not open after {:?}", limits.connect);
            let late = io::Error::new(io::ErrorKind::TimedOut, late);
            Err(Cause::NotConnected(not_connected(&late)).into())
        }
    }
}

async fn open(peer: &Peer, bounds: Bounds) -> Result<Opened, Failure> {
    let failed = |error: &io::Error| Cause::NotConnected(not_connected(error));
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
    let time = {
        let mut login = Box::pin(log_in(&connection, peer.info.redis_settings()));
        tokio::select! {
            biased;
            time = &mut login => time?,
            () = &mut driver => {
                // What the server had to say is there.
                drop(driver);
                login.await?;
                return Err(failed(&io::ErrorKind::UnexpectedEof.into()).into());
            }
        }
    };
    Ok(Opened {
        connection,
        driver,
        time,
    })
}

async fn log_in(
    connection: &MultiplexedConnection,
    settings: &RedisConnectionInfo,
) -> Result<Option<(i64, Duration)>, Failure> {
    let (commands, steps): (Vec<_>, Vec<_>) = login(settings).into_iter().unzip();
    let asked = Instant::now();
    // Each by itself: a server that lets nobody in answers the first, and hangs up.
    let replies = commands.iter().map(async |command| {
        let mut connection = connection.clone();
        command.query_async::<Value>(&mut connection).await
    });
    let replies = join_all(replies).await;
    let took = asked.elapsed();
    for (step, reply) in steps.into_iter().zip(&replies) {
        let Err(error) = reply else { continue };
        if error.code().is_none() {
            let error = io::Error::other(error.to_string());
            return Err(Cause::NotConnected(not_connected(&error)).into());
        }
        if let Some(meaning) = not_let_in(step, error) {
            return Err(Cause::NotConnected(meaning).into());
        }
    }
    // Whoever may not ask for the time is let in all the same.
    let time = replies.last().and_then(|reply| reply.as_ref().ok());
    Ok(time.and_then(millis).map(|millis| (millis, took)))
}

/// The commands, and what each is for. The last asks for the time.
fn login(settings: &RedisConnectionInfo) -> Vec<(Cmd, Step)> {
    let mut login = Vec::with_capacity(6);
    if let Some(password) = settings.password() {
        let mut auth = redis::cmd("AUTH");
        auth.arg(settings.username()).arg(password);
        login.push((auth, Step::Auth));
    }
    if settings.db() != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(settings.db());
        login.push((select, Step::Select));
    }
    let (name, version) = CLIENT_NAME;
    let client = |arguments: &[&str]| {
        let mut client = redis::cmd("CLIENT");
        client.arg(arguments);
        (client, Step::Courtesy)
    };
    // The first is known since Redis 2.6, the others since 7.2.
    login.push(client(&["SETNAME", name]));
    login.push(client(&["SETINFO", "LIB-NAME", name]));
    login.push(client(&["SETINFO", "LIB-VER", version]));
    login.push((commands::time(), Step::Courtesy));
    login
}

/// Of seconds and microseconds, as text.
pub(crate) fn millis(time: &Value) -> Option<i64> {
    let Value::Array(parts) = time else {
        return None;
    };
    let number = |part: &Value| -> Option<i64> {
        let Value::BulkString(digits) = part else {
            return None;
        };
        str::from_utf8(digits).ok()?.parse().ok()
    };
    let [seconds, micros] = parts.as_slice() else {
        return None;
    };
    number(seconds)?
        .checked_mul(1_000)?
        .checked_add(number(micros)? / 1_000)
}
