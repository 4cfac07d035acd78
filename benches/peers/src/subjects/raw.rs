//! The parts alone, with the bytes that hitbox encodes a body to.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use hitbox_benches::{
    Failure, Runner,
    bodies::{self, Size, Text},
    floor::{TypedMoka, raw_moka},
    keys,
    questions::concurrent::in_tasks,
};
use redis::{
    AsyncConnectionConfig, IntoConnectionInfo, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::runtime::Runtime;

use super::{
    ENTRIES, body,
    loading::{Emptied, Loading},
    over_hot,
};

/// What the adapter of hitbox waits for a connection and for a reply.
const PATIENCE: Duration = Duration::from_millis(500);

/// F: `moka::future::Cache::get`, which returns bytes.
pub(crate) fn future_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let (cache, keys) = filled(runtime, size)?;
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        std::hint::black_box(&cache.get(key).await.ok_or("a miss")?);
        Ok(())
    }))
}

/// The same, and the bytes decoded.
pub(crate) fn decoded_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let (cache, keys) = filled(runtime, size)?;
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        let bytes = cache.get(key).await.ok_or("a miss")?;
        std::hint::black_box(&bodies::decoded::<Text>(&bytes)?);
        Ok(())
    }))
}

type Filled = (hitbox_benches::floor::RawMoka, Vec<Arc<str>>);

fn filled(runtime: &Runtime, size: Size) -> Result<Filled, Failure> {
    let cache = raw_moka(ENTRIES);
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        let encoded = bodies::encoded(&body(index, size))?;
        runtime.block_on(cache.insert(Arc::clone(key), encoded));
    }
    Ok((cache, keys))
}

/// `moka::sync::Cache::get`, which returns bytes.
pub(crate) fn sync_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache: moka::sync::Cache<Arc<str>, Bytes> = moka::sync::Cache::new(ENTRIES);
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.insert(Arc::clone(key), bodies::encoded(&body(index, size))?);
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        std::hint::black_box(&cache.get(key).ok_or("a miss")?);
        Ok(())
    }))
}

/// `quick_cache::sync::Cache::get`, which returns a clone: here an `Arc` of the object.
pub(crate) fn quick_cache_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = quick_cache::sync::Cache::<Arc<str>, Arc<Text>>::new(usize::try_from(ENTRIES)?);
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.insert(Arc::clone(key), Arc::new(body(index, size)));
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        std::hint::black_box(&cache.get(key).ok_or("a miss")?);
        Ok(())
    }))
}

/// What a service would keep objects in that has no hitbox, with so many of them.
pub(crate) fn filled_typed_moka(
    _: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let cache = TypedMoka::<Text>::new(2 * entries as u64);
    for index in 0..entries {
        cache.insert(keys::joined(index), Arc::new(body(index, size).clone()));
    }
    cache.run_pending_tasks();
    Ok(Box::new(cache))
}

/// The same in `quick_cache`.
pub(crate) fn filled_quick_cache(
    _: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let cache = quick_cache::sync::Cache::<Arc<str>, Arc<Text>>::new(2 * entries);
    for index in 0..entries {
        cache.insert(keys::text(index), Arc::new(body(index, size).clone()));
    }
    Ok(Box::new(cache))
}

/// Encodes once and inserts into two of `moka::future::Cache`.
pub(crate) fn sets(runtime: &Rc<Runtime>, size: Size) -> Runner {
    let (one, other) = (raw_moka(ENTRIES), raw_moka(ENTRIES));
    let body = body(0, size);
    over_hot(
        runtime,
        keys::texts(keys::HOT),
        async move |key: &Arc<str>| {
            let encoded = bodies::encoded(&body)?;
            one.insert(Arc::clone(key), encoded.clone()).await;
            other.insert(Arc::clone(key), encoded).await;
            Ok(())
        },
    )
}

/// A connection with the settings of hitbox's adapter: its time-outs, and TCP_NODELAY, which is off by
/// default in the client.
fn connected(runtime: &Runtime, url: &str) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let at_once = TcpSettings::default().set_nodelay(true);
    let address = url.into_connection_info()?.set_tcp_settings(at_once);
    let client = redis::Client::open(address)?;
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    Ok(runtime.block_on(connecting)?)
}

async fn set(
    connection: &mut MultiplexedConnection,
    name: &str,
    encoded: &[u8],
) -> Result<(), Failure> {
    let mut command = redis::cmd("SET");
    command.arg(name).arg(encoded).arg("EX").arg(3_600);
    Ok(command.query_async(connection).await?)
}

/// GET by `MultiplexedConnection`, which returns bytes.
pub(crate) fn gets(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let connection = connected(runtime, url)?;
    for (index, name) in names.iter().enumerate() {
        let encoded = bodies::encoded(&body(index, size))?;
        runtime.block_on(set(&mut connection.clone(), name, &encoded))?;
    }
    let shared = Arc::new(names);
    Ok(in_tasks(runtime, tasks, move |index| {
        let (names, mut connection) = (Arc::clone(&shared), connection.clone());
        async move {
            let mut command = redis::cmd("GET");
            command.arg(&names[index % names.len()]);
            let found: Option<Vec<u8>> = command.query_async(&mut connection).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        }
    }))
}

/// Encodes, and SET by `MultiplexedConnection`.
pub(crate) fn redis_sets(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let connection = connected(runtime, url)?;
    let shared = Arc::new((names, body(0, size)));
    Ok(in_tasks(runtime, tasks, move |index| {
        let (shared, mut connection) = (Arc::clone(&shared), connection.clone());
        async move {
            let (names, body) = &*shared;
            let encoded = bodies::encoded(body)?;
            set(&mut connection, &names[index % names.len()], &encoded).await
        }
    }))
}

/// `moka::future::Cache::get_with`, of objects.
#[derive(Clone)]
pub(crate) struct GetWith(moka::future::Cache<Arc<str>, Arc<Text>>);

impl Loading for GetWith {
    type Key = Arc<str>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        Ok(Self(moka::future::Cache::new(ENTRIES)))
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        let load = async { Arc::new(load.await) };
        std::hint::black_box(&self.0.get_with_by_ref(key, load).await);
        Ok(())
    }
}

impl Emptied for GetWith {
    async fn empty(&self) -> Result<(), Failure> {
        self.0.invalidate_all();
        self.0.run_pending_tasks().await;
        Ok(())
    }
}

/// The same by hand, without a thought for others: get, load, insert.
#[derive(Clone)]
pub(crate) struct ByHand(moka::future::Cache<Arc<str>, Arc<Text>>);

impl Loading for ByHand {
    type Key = Arc<str>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        Ok(Self(moka::future::Cache::new(ENTRIES)))
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        if let Some(found) = self.0.get(key).await {
            std::hint::black_box(&found);
            return Ok(());
        }
        let loaded = Arc::new(load.await);
        self.0.insert(Arc::clone(key), Arc::clone(&loaded)).await;
        std::hint::black_box(&loaded);
        Ok(())
    }
}

impl Emptied for ByHand {
    async fn empty(&self) -> Result<(), Failure> {
        self.0.invalidate_all();
        self.0.run_pending_tasks().await;
        Ok(())
    }
}
