//! What the tests share: servers, backends, values, and a second connection to look behind the
//! backend's back.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "compiled into each test, and none uses all of it"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_redis::{Credentials, CredentialsProvider, RedisBackend, RedisBackendBuilder};
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult, aio::MultiplexedConnection};
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::time::{sleep, timeout};

pub async fn start() -> RedisServer {
    RedisServer::start(RedisOptions::new()).await.unwrap()
}

pub fn builder(server: &RedisServer) -> RedisBackendBuilder {
    RedisBackend::builder().url(server.url())
}

pub fn backend(server: &RedisServer) -> RedisBackend {
    builder(server).build().unwrap()
}

/// One that waits for a busy machine, for tests that are not about deadlines.
pub const PATIENT: Duration = Duration::from_secs(30);

pub fn patient(server: &RedisServer) -> RedisBackend {
    builder(server).deadline(PATIENT).build().unwrap()
}

pub fn key(name: &str) -> CacheKey {
    CacheKey::new(name, 1, [])
}

pub fn value(payload: impl Into<Bytes>) -> CacheValue<Raw> {
    let expire = Utc::now() + TimeDelta::minutes(1);
    CacheValue::loaded(Raw::from(payload.into()), Stamp::now()).expires_at(expire)
}

pub fn payload(found: Option<CacheValue<Raw>>) -> Option<Bytes> {
    found.map(|value| value.data().payload().unwrap().clone())
}

/// A connection beside the backend's, which waits as long as it takes.
pub async fn connection(url: &str) -> MultiplexedConnection {
    try_to_connect(url).await.unwrap()
}

async fn try_to_connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(url).unwrap();
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&patient);
    connecting.await
}

/// A provider that is told what to give.
#[derive(Clone, Default)]
pub struct Provider(Arc<Mutex<Provided>>);

#[derive(Default)]
struct Provided {
    asked: u32,
    /// What it gives, the last of them for ever.
    given: VecDeque<Result<Credentials, String>>,
    takes: Duration,
}

impl Provider {
    /// From now on it gives these one after another, and the last for ever.
    pub fn give(&self, given: impl IntoIterator<Item = Result<Credentials, String>>) {
        self.0.lock().unwrap().given = given.into_iter().collect();
    }

    /// How long it takes to answer.
    pub fn take(&self, time: Duration) {
        self.0.lock().unwrap().takes = time;
    }

    pub fn asked(&self) -> u32 {
        self.0.lock().unwrap().asked
    }
}

#[async_trait]
impl CredentialsProvider for Provider {
    async fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        let takes = self.0.lock().unwrap().takes;
        sleep(takes).await;
        let mut provided = self.0.lock().unwrap();
        provided.asked += 1;
        let next = provided.given.front().unwrap().clone();
        if provided.given.len() > 1 {
            provided.given.pop_front();
        }
        Ok(next?)
    }
}

/// Waits until this is so, for as long as a busy machine may need.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENT, so).await.unwrap();
}

/// Looks at a server behind the backend's back.
pub struct Observer(MultiplexedConnection);

impl Observer {
    pub async fn connect(url: &str) -> Self {
        Self(connection(url).await)
    }

    /// The same to a server that may cut its clients off.
    pub async fn try_to_connect(url: &str) -> RedisResult<Self> {
        try_to_connect(url).await.map(Self)
    }

    pub async fn ask<T: FromRedisValue>(&mut self, command: &[&[u8]]) -> T {
        self.try_to_ask(command).await.unwrap()
    }

    /// The same, for a server that may do so meanwhile.
    pub async fn try_to_ask<T: FromRedisValue>(&mut self, command: &[&[u8]]) -> RedisResult<T> {
        let mut sent = redis::Cmd::new();
        for argument in command {
            sent.arg(*argument);
        }
        sent.query_async(&mut self.0).await
    }

    /// How often the server has carried out each command, but for those that ask it.
    pub async fn commands(&mut self) -> BTreeMap<String, u64> {
        let statistics: String = self.ask(&[b"INFO", b"commandstats"]).await;
        let carried_out = statistics.lines().filter_map(|line| {
            let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next().unwrap().parse().unwrap();
            (command != "info").then(|| (command.to_owned(), calls))
        });
        carried_out.collect()
    }

    /// The commands that the server has carried out since it told of these.
    pub async fn commands_since(
        &mut self,
        before: &BTreeMap<String, u64>,
    ) -> BTreeMap<String, u64> {
        let mut commands = self.commands().await;
        for (command, calls) in before {
            commands
                .entry(command.clone())
                .and_modify(|now| *now -= calls);
        }
        commands.retain(|_, calls| *calls > 0);
        commands
    }

    /// How many keys the server has looked up, found or not.
    pub async fn lookups(&mut self) -> u64 {
        let statistics: String = self.ask(&[b"INFO", b"stats"]).await;
        let figures = statistics.lines().filter_map(|line| line.split_once(':'));
        let lookups =
            figures.filter(|(name, _)| matches!(*name, "keyspace_hits" | "keyspace_misses"));
        lookups
            .map(|(_, count)| count.parse::<u64>().unwrap())
            .sum()
    }

    /// How often the server has carried out a command.
    pub async fn calls(&mut self, command: &str) -> u64 {
        self.commands().await.remove(command).unwrap_or(0)
    }

    /// The connections that are the backend's.
    pub async fn connections(&mut self) -> usize {
        let list: String = self.ask(&[b"CLIENT", b"LIST"]).await;
        list.lines()
            .filter(|line| line.contains("name=hitbox-redis"))
            .count()
    }
}
