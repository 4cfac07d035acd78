//! What announced writes, and those who listen to them, cost a Redis server.
//!
//! The server says itself how long it has used a processor (`INFO cpu`), so a machine that is busy with other things makes
//! little difference. The ratios are of one run.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use hitbox_backend::{
    Backend, Compose, CompositionPolicy, StrictWritePolicy, coherence::Coherence,
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use hitbox_redis::{RedisBackend, RedisBackplane};
use redis::aio::MultiplexedConnection;
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{runtime::Builder, time::interval};

use crate::{Failure, questions::arrangement::quick_cache};

/// What is written: as in the figures of other rows, not short and not long.
const PAYLOAD: [u8; 100] = [7; 100];

/// So many writes by one task, and by each of many.
const ALONE: usize = 10_000;
const TASKS: usize = 64;
const EACH: usize = 1_000;

const BOUND: Duration = Duration::from_millis(250);
const LISTENED_FOR: Duration = Duration::from_secs(5);

struct Server {
    server: RedisServer,
    connection: MultiplexedConnection,
}

impl Server {
    async fn start() -> Result<Self, Failure> {
        let server = RedisServer::start(RedisOptions::new()).await?;
        let client = redis::Client::open(server.url())?;
        let connection = client.get_multiplexed_async_connection().await?;
        Ok(Self { server, connection })
    }

    fn plane(&self) -> Result<RedisBackplane, Failure> {
        let plane = RedisBackplane::builder().url(self.server.url());
        Ok(plane.namespace("bench").build()?)
    }

    async fn writer(&self, announces: Announces) -> Result<RedisBackend, Failure> {
        let builder = RedisBackend::builder().url(self.server.url());
        let builder = builder.namespace("bench").deadline(Duration::from_secs(30));
        Ok(match announces {
            Announces::Yes => builder.announce(&self.plane()?).connect().await?,
            Announces::No => builder.connect().await?,
        })
    }

    /// How long it has used a processor.
    async fn used(&mut self) -> Result<Duration, Failure> {
        let mut question = redis::cmd("INFO");
        let info: String = question
            .arg("cpu")
            .query_async(&mut self.connection)
            .await?;
        let seconds = |name: &str| -> Result<f64, Failure> {
            let lines = info.lines();
            let value = lines.filter_map(|line| line.strip_prefix(name)).next();
            Ok(value.ok_or("the server does not say")?.trim().parse()?)
        };
        let seconds = seconds("used_cpu_user:")? + seconds("used_cpu_sys:")?;
        Ok(Duration::from_secs_f64(seconds))
    }
}

#[derive(Clone, Copy)]
enum Announces {
    Yes,
    No,
}

/// Prints what things cost.
///
/// # Errors
///
/// If there is no server, or it does not answer.
pub fn answer() -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| writes | plain, us each | announced, us each | ratio |"
    )?;
    writeln!(out, "|---|---:|---:|---:|")?;
    for (name, tasks, each) in [("one task", 1, ALONE), ("64 tasks", TASKS, EACH)] {
        let plain = runtime.block_on(write(Announces::No, tasks, each))?;
        let announced = runtime.block_on(write(Announces::Yes, tasks, each))?;
        let ratio = announced / plain;
        writeln!(out, "| {name} | {plain:.2} | {announced:.2} | {ratio:.2} |")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "| 1,000 announced writes a second, and so many listen | of a processor |"
    )?;
    writeln!(out, "|---:|---:|")?;
    for listeners in [0, 1, 8, 64] {
        let share = 100.0 * runtime.block_on(listen(listeners))?;
        writeln!(out, "| {listeners} | {share:.1} % |")?;
    }
    Ok(())
}

/// Microseconds of the server for each write.
async fn write(announces: Announces, tasks: usize, each: usize) -> Result<f64, Failure> {
    let mut server = Server::start().await?;
    let writer = server.writer(announces).await?;
    write_all(&writer, tasks, each / 10).await?;
    let before = server.used().await?;
    write_all(&writer, tasks, each).await?;
    let used = server.used().await? - before;
    Ok(used.as_secs_f64() * 1e6 / (tasks * each) as f64)
}

async fn write_all(writer: &RedisBackend, tasks: usize, each: usize) -> Result<(), Failure> {
    let tasks = (0..tasks).map(|task| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for number in 0..each {
                writer.write(&key(task, number), value()).await?;
            }
            Ok::<_, hitbox_backend::BackendError>(())
        })
    });
    for outcome in try_join_all(tasks).await? {
        outcome?;
    }
    Ok(())
}

/// The share of a processor that the server uses.
async fn listen(listeners: usize) -> Result<f64, Failure> {
    let mut server = Server::start().await?;
    let writer = server.writer(Announces::Yes).await?;
    let mut compositions = Vec::with_capacity(listeners);
    for _ in 0..listeners {
        let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
        let composition = quick_cache(1_000)?
            .compose_with(
                server.writer(Announces::Yes).await?,
                DisabledOffload,
                policy,
            )
            .coherent(server.plane()?, Coherence::within(BOUND))?;
        compositions.push(composition);
    }
    while compositions.iter().any(|composition| {
        composition
            .hearing()
            .is_none_or(|hearing| hearing.age.is_none())
    }) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, before) = (Instant::now(), server.used().await?);
    let mut pace = interval(Duration::from_millis(1));
    let mut written = 0;
    while began.elapsed() < LISTENED_FOR {
        pace.tick().await;
        writer.write(&key(0, written % 1_000), value()).await?;
        written += 1;
    }
    let share = (server.used().await? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    if written < 4_500 {
        return Err(format!("only {written} writes: the machine is too busy").into());
    }
    Ok(share)
}

fn key(task: usize, number: usize) -> CacheKey {
    CacheKey::from_pair("key", format!("{task}:{number}"))
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(PAYLOAD.to_vec()), Stamp::now()).ttl(Duration::from_secs(300))
}
