//! The server that all processes share: one by itself, or a master and its replica.

use std::{net::SocketAddr, time::Duration};

use test_servers::redis::{RedisOptions, RedisSentinels, RedisServer, SentinelOptions};
use tokio::time::sleep;
use xtask::Failure;

use super::{composed::NAMESPACE, record::now};

/// How long the sentinels may take to agree on another master.
const FAILOVER_LIMIT: u64 = 20_000_000_000;

/// How often a command is said again that was not answered.
const ATTEMPTS: u32 = 20;

/// The server, or those that take each other's place.
pub(super) enum Server {
    One(RedisServer),
    Watched(RedisSentinels),
}

impl Server {
    pub(super) async fn start(with_replica: Replica) -> Result<Self, Failure> {
        Ok(match with_replica {
            Replica::None => Self::One(RedisServer::start(RedisOptions::new()).await?),
            Replica::Watched => Self::Watched(RedisSentinels::start(SentinelOptions::new()).await?),
        })
    }

    /// That which is asked: the one, or the replica if it has become the master.
    fn current(&mut self) -> Result<&mut RedisServer, Failure> {
        match self {
            Self::One(server) => Ok(server),
            Self::Watched(watched) => {
                let last = watched.servers().last_mut();
                last.ok_or_else(|| "there is no replica".into())
            }
        }
    }

    pub(super) fn address(&mut self) -> Result<SocketAddr, Failure> {
        Ok(SocketAddr::from(([127, 0, 0, 1], self.current()?.port())))
    }

    pub(super) fn description(&mut self) -> Result<String, Failure> {
        Ok(self.current()?.description())
    }

    pub(super) async fn say(&mut self, command: &str) -> Result<(), Failure> {
        let server = self.current()?;
        let mut attempts = 0;
        let said = loop {
            match server.say(command).await {
                Ok(said) => break said,
                Err(error) if attempts == ATTEMPTS => return Err(error.into()),
                // Sentinels cut all clients off when they make another server the master.
                Err(_cut_off) => attempts += 1,
            }
            sleep(Duration::from_millis(20)).await;
        };
        match said.starts_with('-') {
            true => Err(format!("{command}: {}", said.trim()).into()),
            false => Ok(()),
        }
    }

    /// Takes out of the log what comes before its last entries.
    pub(super) async fn trim_log(&mut self, left: usize) -> Result<(), Failure> {
        let log = log();
        self.say(&format!("XTRIM {log} MAXLEN {left}")).await
    }

    pub(super) async fn delete_log(&mut self) -> Result<(), Failure> {
        self.say(&format!("DEL {}", log())).await
    }

    pub(super) async fn pause(&mut self, time: Duration) -> Result<(), Failure> {
        let server = self.current()?;
        server.pause()?;
        sleep(time).await;
        Ok(server.resume()?)
    }

    /// Kills it, and starts it again without its data after a while.
    pub(super) async fn restart(&mut self, after: Duration) -> Result<(), Failure> {
        let server = self.current()?;
        server.kill();
        sleep(after).await;
        Ok(server.restart().await?)
    }

    /// Kills the master, and waits until the replica has taken its place.
    pub(super) async fn fail_over(&mut self) -> Result<(), Failure> {
        let Self::Watched(watched) = self else {
            return Err("there is no replica".into());
        };
        let [master, replica] = watched.servers() else {
            return Err("there are not two servers".into());
        };
        let killed = now();
        master.kill();
        loop {
            let said = replica.say("INFO replication").await;
            if said.is_ok_and(|said| said.contains("role:master")) {
                return Ok(());
            }
            if now() - killed > FAILOVER_LIMIT {
                return Err("the replica has not become the master".into());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether there is a server that can take another one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replica {
    None,
    /// Sentinels watch both.
    Watched,
}

fn log() -> String {
    format!("hitbox:{{{NAMESPACE}}}:news")
}
