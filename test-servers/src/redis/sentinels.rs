use std::{
    io,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{RedisOptions, RedisServer, START_LIMIT, StartError, source::Source};

/// So many sentinels, of which two have to agree.
const SENTINELS: usize = 3;

/// How to start [`RedisSentinels`].
#[derive(Clone, Debug, Default)]
pub struct SentinelOptions {
    servers: RedisOptions,
    sentinels: Vec<String>,
}

impl SentinelOptions {
    /// Without passwords and TLS.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The settings of the master and the replica.
    #[must_use]
    pub fn servers(mut self, options: RedisOptions) -> Self {
        self.servers = options;
        self
    }

    /// A line for the configuration of each sentinel: `requirepass secret`.
    #[must_use]
    pub fn sentinel_line(mut self, line: impl Into<String>) -> Self {
        self.sentinels.push(line.into());
        self
    }
}

/// A master, a replica of it, and three sentinels that watch them and make the replica the master within
/// seconds when the master has been away for one.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// What the sentinels call the master.
    pub const NAME: &str = "mymaster";

    /// Starts all of them, and waits until they know each other.
    ///
    /// # Errors
    ///
    /// [`StartError`]; a Docker engine alone does not do.
    pub async fn start(options: SentinelOptions) -> Result<Self, StartError> {
        let source = tokio::task::spawn_blocking(Source::find_program)
            .await
            .map_err(io::Error::other)??;
        let of_servers = options.servers.setting("repl-diskless-sync-delay", "0");
        let master = RedisServer::start_from(source.clone(), of_servers.clone()).await?;
        let follow = format!("127.0.0.1 {}", master.port());
        let of_replica = of_servers.setting("replicaof", &follow);
        let replica = RedisServer::start_from(source.clone(), of_replica).await?;
        // Sentinels look for replicas when they begin, and then every ten seconds.
        wait_for(&master, "INFO replication", &["state=online"]).await?;
        let mut sentinels = Vec::with_capacity(SENTINELS);
        for _ in 0..SENTINELS {
            let source = source.clone();
            sentinels.push(sentinel(source, master.port(), 2, &options.sentinels).await?);
        }
        for sentinel in &sentinels {
            let all_known = format!("slaves=1,sentinels={SENTINELS}");
            wait_for(sentinel, "INFO sentinel", &[&all_known, "status=ok"]).await?;
        }
        Ok(Self {
            servers: vec![master, replica],
            sentinels,
        })
    }

    /// One sentinel, which watches whatever server is at this port, and need not agree with others.
    ///
    /// # Errors
    ///
    /// [`StartError`]; a Docker engine alone does not do.
    pub async fn start_one(port: u16, options: SentinelOptions) -> Result<RedisServer, StartError> {
        let source = tokio::task::spawn_blocking(Source::find_program)
            .await
            .map_err(io::Error::other)??;
        sentinel(source, port, 1, &options.sentinels).await
    }

    /// The URLs of the sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The first master, and its replica.
    pub fn servers(&mut self) -> &mut [RedisServer] {
        &mut self.servers
    }

    /// The sentinels.
    pub fn sentinels(&mut self) -> &mut [RedisServer] {
        &mut self.sentinels
    }
}

async fn sentinel(
    source: Source,
    watched: u16,
    quorum: u16,
    lines: &[String],
) -> Result<RedisServer, StartError> {
    let name = RedisSentinels::NAME;
    let mut all = vec![
        format!("sentinel monitor {name} 127.0.0.1 {watched} {quorum}"),
        format!("sentinel down-after-milliseconds {name} 1000"),
        format!("sentinel failover-timeout {name} 3000"),
    ];
    all.extend_from_slice(lines);
    RedisServer::start_sentinel(source, &all).await
}

/// Until a server says all of this.
async fn wait_for(server: &RedisServer, command: &str, words: &[&str]) -> Result<(), StartError> {
    let started = Instant::now();
    loop {
        let said = server.say(command).await?;
        if words.iter().all(|words| said.contains(words)) {
            return Ok(());
        }
        if started.elapsed() > START_LIMIT {
            return Err(StartError::NotStarted(format!(
                "{command}: {}",
                said.trim()
            )));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
