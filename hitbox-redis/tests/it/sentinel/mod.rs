//! A master that sentinels watch.

mod failover;
mod finding;
mod findings;
mod news;
mod settings;

use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use test_servers::redis::{RedisSentinels, RedisServer, SentinelOptions};

async fn start() -> RedisSentinels {
    RedisSentinels::start(SentinelOptions::new()).await.unwrap()
}

fn builder(watched: &RedisSentinels) -> RedisBackendBuilder {
    RedisBackend::builder().sentinel(watched.urls(), RedisSentinels::NAME)
}

/// One sentinel that watches this server.
async fn sentinel_of(server: &RedisServer) -> RedisServer {
    let sentinel = RedisSentinels::start_one(server.port(), SentinelOptions::new());
    sentinel.await.unwrap()
}

fn through(sentinel: &RedisServer) -> RedisBackendBuilder {
    RedisBackend::builder().sentinel([sentinel.url()], RedisSentinels::NAME)
}
