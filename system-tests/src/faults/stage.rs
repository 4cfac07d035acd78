use std::{fmt, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use hitbox_backend::Backend;
use hitbox_dynamodb::DynamoDbBackend;
use hitbox_moka::MokaBackend;
use hitbox_redis::RedisBackend;
use hitbox_sled::{SledBackend, SledBackendBuilder};
use test_servers::{
    dynamodb::{ACCESS_KEY_ID, DynamoDbServer, REGION, SECRET_ACCESS_KEY},
    redis::{RedisOptions, RedisServer},
};
use xtask::Failure;

use super::scenario::Depth;

/// The deadline of every backend that asks a server: well below what callers are promised, so that a
/// busy machine does not look like a broken promise.
pub(super) const DEADLINE: Duration = Duration::from_millis(600);

/// What callers are promised.
pub(super) const LIMIT: Duration = Duration::from_secs(1);

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Redis,
    DynamoDb,
}

impl Server {
    pub(super) const ALL: [Self; 2] = [Self::Redis, Self::DynamoDb];
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::DynamoDb => "dynamodb",
        })
    }
}

/// What the scenarios of a run share: servers that stay up. They end when this is dropped.
pub(super) struct Stage {
    pub(super) depth: Depth,
    redis: RedisServer,
    dynamodb: DynamoDbServer,
    table: String,
}

impl Stage {
    pub(super) async fn set(depth: Depth) -> Result<Self, Failure> {
        let stage = Self {
            depth,
            redis: RedisServer::start(RedisOptions::new()).await?,
            dynamodb: DynamoDbServer::start_in_process().await?,
            table: format!("hitbox-faults-{:016x}", fastrand::u64(..)),
        };
        let settings = DynamoDbBackend::builder()
            .endpoint(stage.dynamodb.endpoint())
            .region(REGION)
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
            .table(&stage.table)
            .deadline(Duration::from_secs(60))
            .attempt_timeout(Duration::from_secs(60));
        settings.build()?.create_table_if_missing().await?;
        Ok(stage)
    }

    pub(super) fn address(&self, server: Server) -> Result<SocketAddr, Failure> {
        Ok(match server {
            Server::Redis => SocketAddr::from(([127, 0, 0, 1], self.redis.port())),
            Server::DynamoDb => {
                let endpoint = self.dynamodb.endpoint();
                endpoint.trim_start_matches("http://").parse()?
            }
        })
    }

    /// A backend that asks the server at this address, be it the server's own or a proxy's.
    pub(super) fn backend(
        &self,
        server: Server,
        at: SocketAddr,
        namespace: &str,
    ) -> Result<Arc<dyn Backend>, Failure> {
        self.backend_within(DEADLINE, server, at, namespace)
    }

    /// The same with another deadline.
    pub(super) fn backend_within(
        &self,
        deadline: Duration,
        server: Server,
        at: SocketAddr,
        namespace: &str,
    ) -> Result<Arc<dyn Backend>, Failure> {
        Ok(match server {
            Server::Redis => Arc::new(redis_within(deadline, at, namespace)?),
            Server::DynamoDb => Arc::new(
                DynamoDbBackend::builder()
                    .endpoint(format!("http://{at}"))
                    .region(REGION)
                    .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
                    .table(&self.table)
                    .namespace(namespace)
                    .deadline(deadline)
                    .attempt_timeout(deadline / 2)
                    .build()?,
            ),
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "redis: {}", self.redis.description())?;
        writeln!(f, "dynamodb: {}", self.dynamodb)
    }
}

pub(super) fn redis_at(at: SocketAddr, namespace: &str) -> Result<RedisBackend, Failure> {
    redis_within(DEADLINE, at, namespace)
}

fn redis_within(
    deadline: Duration,
    at: SocketAddr,
    namespace: &str,
) -> Result<RedisBackend, Failure> {
    Ok(RedisBackend::builder()
        .url(format!("redis://{at}"))
        .namespace(namespace)
        .deadline(deadline)
        .build()?)
}

/// In process, and never full.
pub(super) fn moka() -> Result<MokaBackend, Failure> {
    Ok(MokaBackend::builder().max_entries(100_000).build()?)
}

/// The same to stand in front of `l2`, with its namespace: so both have the same keys.
pub(super) fn moka_over(l2: &dyn Backend) -> Result<MokaBackend, Failure> {
    let builder = MokaBackend::builder().max_entries(100_000);
    Ok(builder.key_format(l2.key_format().clone()).build()?)
}

/// On disk, with little memory.
pub(super) fn sled_in(directory: &Path) -> SledBackendBuilder {
    SledBackend::builder()
        .path(directory)
        .cache_capacity(1 << 20)
        .flush_every(Some(Duration::from_millis(50)))
}

/// A namespace that nobody else uses.
pub(super) fn fresh_namespace() -> String {
    format!("faults-{:016x}", fastrand::u64(..))
}
