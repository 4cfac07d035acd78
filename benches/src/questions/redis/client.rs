//! The floor's client, and what it works on.

use std::{env, rc::Rc, sync::Arc, time::Duration};

use hitbox_backend::{Backend, CacheBackend};
use hitbox_redis::RedisBackend;
use redis::{
    AsyncConnectionConfig, FromRedisValue, IntoConnectionInfo, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tokio::runtime::Runtime;

use super::KEYS;
use crate::{
    Failure,
    bodies::{self, Body, Size},
    keys,
};

/// The adapter's default for a connection and for a reply.
const PATIENCE: Duration = Duration::from_millis(500);

/// In milliseconds. Nothing is left behind on a server that was there before.
const LIFE: u64 = 3_600_000;

/// A server, and names on it that nobody else uses.
pub(super) struct Stage {
    pub(super) runtime: Rc<Runtime>,
    url: String,
    namespace: String,
}

impl Stage {
    pub(super) fn new(runtime: Rc<Runtime>) -> Result<Self, Failure> {
        let url = env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = url.ok_or("no server: `cargo xtask bench` starts one, or REDIS_URL names one")?;
        Ok(Self {
            runtime,
            url,
            namespace: format!("bench-{:016x}", fastrand::u64(..)),
        })
    }

    pub(super) fn backend(&self) -> Result<RedisBackend, Failure> {
        let builder = RedisBackend::builder().url(&self.url);
        Ok(builder.namespace(&self.namespace).build()?)
    }

    /// One that shares no key with the other.
    pub(super) fn other_backend(&self) -> Result<RedisBackend, Failure> {
        let builder = RedisBackend::builder().url(&self.url);
        let namespace = format!("{}-other", self.namespace);
        Ok(builder.namespace(&namespace).build()?)
    }

    pub(super) fn raw(&self) -> Result<Client, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let address = self.url.as_str().into_connection_info()?;
        let at_once = TcpSettings::default().set_nodelay(true);
        let client = redis::Client::open(address.set_tcp_settings(at_once))?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let names = keys::texts(KEYS).into_iter();
        let names = names.map(|text| format!("{}-raw::{text}", self.namespace));
        Ok(Client {
            connection: self.runtime.block_on(connecting)?,
            names: names.collect(),
        })
    }

    /// Writes a body of this size, its own, under each key.
    pub(super) fn fill<T: Body>(&self, cache: &impl Backend, size: Size) -> Result<(), Failure> {
        let keys = keys::keys(KEYS);
        let expiry = bodies::expiry();
        let mut ids = 0..;
        self.runtime.block_on(async {
            for part in keys.chunks(64) {
                let entries = part.iter().zip(&mut ids).map(|(key, id)| {
                    let body = Arc::new(T::new(id, size));
                    (key.clone(), bodies::value(&body, expiry))
                });
                for outcome in cache.set_many(entries.collect()).await {
                    outcome?;
                }
            }
            Ok(())
        })
    }
}

/// A connection as the adapter opens it, and the names of the keys.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) connection: MultiplexedConnection,
    pub(super) names: Arc<[String]>,
}

impl Client {
    pub(super) fn fill<T: Body>(&self, runtime: &Runtime, size: Size) -> Result<(), Failure> {
        let encoded = bodies::encoded(&T::new(0, size))?;
        runtime.block_on(async {
            for index in 0..KEYS {
                self.clone().set(index, &encoded).await?;
            }
            Ok(())
        })
    }

    pub(super) async fn get<R: FromRedisValue>(&mut self, index: usize) -> Result<R, Failure> {
        let mut command = redis::cmd("GET");
        command.arg(&self.names[index]);
        Ok(command.query_async(&mut self.connection).await?)
    }

    pub(super) async fn set(&mut self, index: usize, encoded: &[u8]) -> Result<(), Failure> {
        let mut command = redis::cmd("SET");
        command.arg(&self.names[index]).arg(encoded);
        command.arg("PX").arg(LIFE);
        Ok(command.query_async(&mut self.connection).await?)
    }
}
