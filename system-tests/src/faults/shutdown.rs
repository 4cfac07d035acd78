//! A thousand writes in the background when the service shuts down.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hitbox_backend::{
    Backend, BackendResult, Compose, CompositionBackend, CompositionPolicy, OffloadManager,
    RaceReadPolicy, RaceWritePolicy,
    conformance::{Fault as LayerFault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, Offload, OffloadKey};
use hitbox_moka::MokaBackend;
use test_servers::proxy::{Direction, Fault};
use xtask::Failure;

use super::{
    caller::{key, value},
    disturbed::{Arrangement, Disturbed},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{DEADLINE, Server, Stage, moka_over},
};

const WRITES: usize = 1_000;

/// More than a thousand writes take, also to a DynamoDB that is compiled without optimisation.
const PLENTY: Duration = Duration::from_secs(20);

/// Less than a hung layer's own deadline.
const TOO_SHORT: Duration = Duration::from_millis(300);

/// What `close` may take beyond its deadline: dropping what is left.
const SLACK: Duration = Duration::from_secs(1);

/// The same for DynamoDB, whose SDK, compiled without optimisation, takes a millisecond and more to
/// drop one request.
const SLACK_OF_DYNAMODB: Duration = Duration::from_secs(20);

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let mut all = Vec::new();
    for server in Server::ALL {
        if depth == Depth::Short && server == Server::DynamoDb {
            // A thousand requests of its SDK, compiled without optimisation, take half a minute on a
            // busy machine.
            continue;
        }
        all.push(Scenario::new(
            format!("moka+{server}: close with {WRITES} writes in the background"),
            move |stage| async move { at_work(&stage, server).await },
        ));
        all.push(Scenario::new(
            format!("moka+{server}: close with {WRITES} writes in the background, {server} hung"),
            move |stage| async move { hung_server(&stage, server).await },
        ));
    }
    all.push(Scenario::new(
        format!("offload: close with {WRITES} writes, every third on a layer that hangs for ever"),
        |_| hung_layer(),
    ));
    // The thousand writes keep the machine busy.
    all.into_iter().map(Scenario::heavy).collect()
}

type Raced = CompositionBackend<
    MokaBackend,
    Arc<dyn Backend>,
    OffloadManager,
    RaceReadPolicy,
    RaceWritePolicy,
>;

/// A service that has written, and is about to shut down.
struct Service {
    disturbed: Disturbed,
    composed: Raced,
    offload: OffloadManager,
    slack: Duration,
    record: Record,
}

impl Service {
    /// A thousand writes that moka has taken while the server's are on their way.
    async fn with_writes(
        stage: &Stage,
        server: Server,
        deadline: Duration,
        fault: Fault,
    ) -> Result<Self, Failure> {
        let disturbed = Disturbed::within(deadline, stage, server, Arrangement::Alone).await?;
        disturbed.until_up().await?;
        disturbed.proxy.set(fault);
        let offload = OffloadManager::builder().build()?;
        let policy = CompositionPolicy::new()
            .read(RaceReadPolicy::new())
            .write(RaceWritePolicy::new());
        let layer = Arc::clone(&disturbed.layer);
        let composed = moka_over(&*layer)?.compose_with(layer, offload.clone(), policy);
        let mut record = Record::default();
        let written = join_all((0..WRITES).map(|number| {
            let (composed, name) = (&composed, name(number));
            async move {
                let began = Instant::now();
                let written = composed.write(&key(&name), value(&name, 1)).await;
                (written, began.elapsed())
            }
        }))
        .await;
        for (written, took) in written {
            record.took(took);
            match written {
                Ok(()) => record.saw("ok"),
                Err(error) => record.violation(error.to_string()),
            }
        }
        Ok(Self {
            disturbed,
            composed,
            offload,
            slack: match server {
                Server::Redis => SLACK,
                Server::DynamoDb => SLACK_OF_DYNAMODB,
            },
            record,
        })
    }

    /// Closes, and checks that every write is accounted for: what the server does not hold, the
    /// composition lists as pending.
    async fn close(&mut self, deadline: Duration) -> Result<usize, Failure> {
        let began = Instant::now();
        let report = self.offload.close(deadline).await;
        let took = began.elapsed();
        let record = &mut self.record;
        record.recovered(took);
        record.expect(took < deadline + self.slack, "close keeps its deadline");
        let statistics = self.offload.statistics();
        record.expect(
            statistics.pending + statistics.running + statistics.deferred == 0,
            "nothing is left running",
        );
        let ended = usize::try_from(statistics.completed + statistics.abandoned)?;
        record.expect(
            // Repairs of those that failed come on top.
            ended >= WRITES,
            "every write has ended in one way or the other",
        );
        record.expect(
            usize::try_from(statistics.abandoned)? == report.unfinished.len(),
            "what was given up is reported",
        );
        let pending: BTreeSet<String> = self
            .composed
            .pending_repairs()
            .into_iter()
            .map(|pending| pending.key.as_text().to_owned())
            .collect();
        let missing = self.missing().await?;
        let told = missing.iter().all(|missing| pending.contains(missing));
        let record = &mut self.record;
        record.expect(told, "what the server lacks is listed as pending");
        if !missing.is_empty() {
            record.lost(format!(
                "{} of {WRITES} writes to the server, all listed",
                missing.len()
            ));
        }
        Ok(report.unfinished.len())
    }

    async fn missing(&self) -> BackendResult<BTreeSet<String>> {
        let mut missing = BTreeSet::new();
        let keys: Vec<CacheKey> = (0..WRITES).map(|number| key(&name(number))).collect();
        for some in keys.chunks(50) {
            let found = self.disturbed.direct.read_many(some).await;
            for (key, found) in some.iter().zip(found) {
                if found?.is_none() {
                    missing.insert(key.as_text().to_owned());
                }
            }
        }
        Ok(missing)
    }
}

fn name(number: usize) -> String {
    format!("write {number}")
}

async fn at_work(stage: &Stage, server: Server) -> Result<Outcome, Failure> {
    let latency = Fault::Latency(Duration::from_millis(20));
    let mut service = Service::with_writes(stage, server, PLENTY, latency).await?;
    let unfinished = service.close(PLENTY).await?;
    let record = &mut service.record;
    record.expect(unfinished == 0, "all is done in time");
    let missing = service.missing().await?;
    let record = &mut service.record;
    record.expect(missing.is_empty(), "the server holds every value");
    Ok(Outcome::Ran(service.record))
}

async fn hung_server(stage: &Stage, server: Server) -> Result<Outcome, Failure> {
    let hang = Fault::Hang(Direction::Requests);
    let mut service = Service::with_writes(stage, server, DEADLINE, hang).await?;
    let unfinished = service.close(TOO_SHORT).await?;
    service.record.lost(format!(
        "{unfinished} cut off by close, the others by their deadline"
    ));
    Ok(Outcome::Ran(service.record))
}

/// The report names exactly those that hang.
async fn hung_layer() -> Result<Outcome, Failure> {
    let offload = OffloadManager::builder().build()?;
    let (hung, faults) = FaultyBackend::new(MemoryBackend::new());
    faults.writes().always(LayerFault::HangBeforeEffect);
    let (hung, healthy) = (Arc::new(hung), Arc::new(MemoryBackend::new()));
    let hangs = |number: u64| number.is_multiple_of(3);
    for number in 0..WRITES as u64 {
        let layer: Arc<dyn Backend> = if hangs(number) {
            Arc::clone(&hung) as _
        } else {
            Arc::clone(&healthy) as _
        };
        offload.register(("write", number), async move {
            let name = format!("{number}");
            // A failure would show as a value that is missing below.
            let _checked_below = layer.write(&key(&name), value(&name, 1)).await;
        });
    }
    let began = Instant::now();
    let report = offload.close(TOO_SHORT).await;
    let took = began.elapsed();
    let mut record = Record::default();
    record.took(took);
    record.expect(took < TOO_SHORT + SLACK, "close keeps its deadline");
    let mut unfinished = BTreeSet::new();
    for key in &report.unfinished {
        match key {
            OffloadKey::Explicit { kind: "write", id } => {
                unfinished.insert(*id);
            }
            OffloadKey::Keyed { .. } | OffloadKey::Explicit { .. } | OffloadKey::Auto { .. } => {
                record.violation(format!("unfinished: {key}"));
            }
        }
    }
    let expected: BTreeSet<u64> = (0..WRITES as u64).filter(|number| hangs(*number)).collect();
    record.expect(
        unfinished == expected,
        "the report names exactly those that hang",
    );
    for number in (0..WRITES as u64).filter(|number| !hangs(*number)) {
        let found = healthy.read(&key(&number.to_string())).await?;
        record.expect(found.is_some(), "the others are done");
        record.saw("done");
    }
    record.lost(format!(
        "{} of {WRITES} writes, each named",
        unfinished.len()
    ));
    Ok(Outcome::Ran(record))
}
