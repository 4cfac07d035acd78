//! What a new connection says first, and what the server answers.

use std::{
    io,
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{Cmd, Value, aio::MultiplexedConnection};

use crate::{
    Credentials, commands,
    connection::peer::{Peer, Role},
    error::{
        Cause, Failure,
        words::{Step, no_master, not_connected, not_let_in},
    },
};

/// Says who is connected, in `CLIENT LIST`.
const CLIENT_NAME: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// The server's clock, in milliseconds since 1970, and how long it took to be told.
pub(crate) type Time = (i64, Duration);

/// What a server has told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) time: Option<Time>,
    /// That [others](Peer::others) announce what they change.
    pub(crate) others: bool,
}

/// Logs in, and asks for the time.
pub(crate) async fn log_in(
    connection: &MultiplexedConnection,
    peer: &Peer,
    credentials: Option<&Credentials>,
) -> Result<Told, Failure> {
    let (commands, steps): (Vec<_>, Vec<_>) = login(peer, credentials).into_iter().unzip();
    let asked = Instant::now();
    // Each by itself: a server that lets nobody in answers the first, and hangs up.
    let replies = commands.iter().map(async |command| {
        let mut connection = connection.clone();
        command.query_async::<Value>(&mut connection).await
    });
    let replies = join_all(replies).await;
    let took = asked.elapsed();
    let mut others = false;
    for (step, reply) in steps.into_iter().zip(&replies) {
        let error = match reply {
            Ok(role) if step == Step::Role && !is_masters(role) => {
                return Err(Cause::NotConnected(no_master()).into());
            }
            Ok(reply) => {
                others |= step == Step::Others && *reply == Value::Int(1);
                continue;
            }
            Err(error) => error,
        };
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
    let time = time.and_then(millis).map(|millis| (millis, took));
    Ok(Told { time, others })
}

/// The commands, and what each is for. The last asks for the time, where there are data that expire.
fn login(peer: &Peer, credentials: Option<&Credentials>) -> Vec<(Cmd, Step)> {
    let mut login = Vec::with_capacity(8);
    if let Some(credentials) = credentials {
        login.push((auth(credentials), Step::Auth));
    }
    if peer.database != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(peer.database);
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
    match peer.role {
        Role::Any => {}
        Role::Master => login.push((redis::cmd("ROLE"), Step::Role)),
        Role::Sentinel => return login,
    }
    login.push(client(&["SETINFO", "LIB-NAME", name]));
    login.push(client(&["SETINFO", "LIB-VER", version]));
    if let Some(others) = &peer.others {
        login.push((commands::exists(others), Step::Others));
    }
    login.push((commands::time(), Step::Courtesy));
    login
}

/// Logs in with these.
pub(crate) fn auth(credentials: &Credentials) -> Cmd {
    let mut auth = redis::cmd("AUTH");
    auth.arg(credentials.username.as_deref())
        .arg(credentials.password.as_str());
    auth
}

/// What a master replies to ROLE.
fn is_masters(role: &Value) -> bool {
    let Value::Array(parts) = role else {
        return false;
    };
    parts.first() == Some(&Value::BulkString(b"master".to_vec()))
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
