//! What a hit in L1 costs while L2 answers, and while L2 is stopped where it stands.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hitbox_backend::{Backend, Compose, CompositionPolicy, OffloadManager, SequentialReadPolicy};
use hitbox_core::{CacheValue, Raw, Stamp};
use hitbox_scenarios::WriteKind;
use test_servers::redis::{RedisOptions, RedisServer};
use xtask::Failure;

use super::{
    caller::key,
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{fresh_namespace, moka_over, redis_at},
};

/// Each with both states of the server, one after the other, so that whatever else the machine does
/// falls on both.
const ROUNDS: usize = 41;

const HITS_A_ROUND: usize = 20_000;

const HOT_KEYS: usize = 256;

/// By how much the 99th percentile may grow.
const ALLOWED: f64 = 1.05;

/// In the long form only: a figure that is measured wants a machine that does nothing else.
pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let name = "moka+redis sequential/optimistic: the cost of hits in L1 while redis is stopped";
    let measured = Scenario::new(name, |_| measure()).heavy();
    match depth {
        Depth::Short => Vec::new(),
        Depth::Long => vec![measured],
    }
}

async fn measure() -> Result<Outcome, Failure> {
    let server = RedisServer::start(RedisOptions::new()).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let l2 = redis_at(address, &fresh_namespace())?;
    let policy = CompositionPolicy::new()
        .read(SequentialReadPolicy::new())
        .write(WriteKind::OptimisticParallel);
    let composed = moka_over(&l2)?.compose_with(l2, OffloadManager::builder().build()?, policy);
    let keys: Vec<_> = (0..HOT_KEYS)
        .map(|number| key(&format!("hot {number}")))
        .collect();
    for key in &keys {
        let value = CacheValue::loaded(Raw::from(vec![7; 1_000]), Stamp::now());
        composed.write(key, value).await?;
    }
    let mut record = Record::default();
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let healthy = hits(&composed, &keys, &mut record).await?;
        server.pause()?;
        let stopped = hits(&composed, &keys, &mut record).await;
        server.resume()?;
        ratios.push(stopped?.as_secs_f64() / healthy.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    record.noted(format!(
        "the 99th percentile with redis stopped is {ratio:.3} of that with redis up"
    ));
    record.expect(ratio <= ALLOWED, "hits in L1 cost at most 5 % more");
    Ok(Outcome::Ran(record))
}

/// The 99th percentile of what a hit takes.
async fn hits(
    composed: &impl Backend,
    keys: &[hitbox_core::CacheKey],
    record: &mut Record,
) -> Result<Duration, Failure> {
    let mut took = Vec::with_capacity(HITS_A_ROUND);
    for key in keys.iter().cycle().take(HITS_A_ROUND) {
        let began = Instant::now();
        let found = composed.read(key).await?;
        took.push(began.elapsed());
        record.saw(if found.is_some() { "hit" } else { "miss" });
    }
    record.expect(record.how_often("miss") == 0, "L1 has every key");
    took.sort_unstable();
    let percentile = took[HITS_A_ROUND * 99 / 100];
    record.took(took[HITS_A_ROUND - 1]);
    Ok(percentile)
}
