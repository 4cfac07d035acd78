//! What a server that is down, hung or silent costs a caller: of the backend alone, and beneath a
//! layer in memory by every policy.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::policies::Policies;
use crate::server;
use crate::server::{key, start, value};
use futures::future::{join_all, join3};
use hitbox_backend::{Backend, BackendErrorKind, BackendResult, OffloadManager};
use hitbox_core::CacheKey;
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use hitbox_scenarios::WriteKind;
use test_servers::{lateness::Control, redis::RedisServer};
use tokio::net::TcpListener;

/// Of each kind, at once and then in a row by ten tasks.
const CALLS: usize = 100;
const LIMIT: Duration = Duration::from_secs(1);
/// What answers later than this has waited for the server.
const AT_ONCE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
enum Call {
    Read,
    Write,
    Remove,
}

/// One way to use the backend, and a backend with default settings for each call, so that none
/// profits from what another has found out.
struct Usage {
    policies: Option<Policies>,
    caches: [Arc<dyn Backend>; 3],
}

fn usages(settings: &RedisBackendBuilder, offload: &OffloadManager) -> Vec<Usage> {
    let backend = || settings.clone().build().unwrap();
    let alone = Usage {
        policies: None,
        caches: [(); 3].map(|()| Arc::new(backend()) as Arc<dyn Backend>),
    };
    let composed = Policies::all().map(|policies| Usage {
        policies: Some(policies),
        caches: [(); 3].map(|()| policies.beneath_memory(backend(), offload)),
    });
    [alone].into_iter().chain(composed).collect()
}

impl Usage {
    fn name(&self) -> String {
        match self.policies {
            None => "alone".to_owned(),
            Some(policies) => format!("L2, {}", policies.name()),
        }
    }

    /// Makes the backends connect.
    async fn use_all(&self) {
        for cache in &self.caches {
            assert_eq!(cache.read(&key("k")).await.unwrap(), None);
        }
    }

    /// Whether a call fails whose L2 does.
    fn fails(&self, call: Call) -> bool {
        let Some(Policies { write, .. }) = self.policies else {
            return true;
        };
        match (call, write) {
            (Call::Remove, _) | (Call::Write, WriteKind::Sequential | WriteKind::Strict) => true,
            // A miss, and a write that L1 has taken.
            (Call::Read, _) | (Call::Write, WriteKind::OptimisticParallel | WriteKind::Race) => {
                false
            }
        }
    }

    async fn figures(&self, control: &Control) -> [Figures; 3] {
        let [reading, writing, removing] = &self.caches;
        let reads = self.worst(control, Call::Read, |key| async move {
            reading.read(&key).await.map(drop)
        });
        let writes = self.worst(control, Call::Write, |key| async move {
            writing.write(&key, value("x")).await
        });
        let removes = self.worst(control, Call::Remove, |key| async move {
            removing.remove(&key).await.map(drop)
        });
        join3(reads, writes, removes).await.into()
    }

    async fn worst<F>(&self, control: &Control, kind: Call, call: impl Fn(CacheKey) -> F) -> Figures
    where
        F: Future<Output = BackendResult<()>>,
    {
        let timed = async |name: String| {
            let started = Instant::now();
            let outcome = call(key(&name)).await;
            // What the machine itself was late is not the call's doing.
            let took = started.elapsed().saturating_sub(control.since(started));
            assert_eq!(outcome.is_err(), self.fails(kind), "{outcome:?}");
            if let Err(error) = outcome {
                let expected = [BackendErrorKind::Unavailable, BackendErrorKind::Timeout];
                assert!(expected.contains(&error.kind()), "{error}");
            }
            took
        };
        let at_once = join_all((0..CALLS).map(|call| timed(format!("at once {call}")))).await;
        let tasks = (0..10).map(async |task| {
            let mut took = Vec::new();
            for call in 0..CALLS / 10 {
                took.push(timed(format!("in a row {task} {call}")).await);
            }
            took
        });
        let in_a_row = join_all(tasks).await.concat();
        Figures { at_once, in_a_row }
    }
}

/// How long the calls took.
struct Figures {
    at_once: Vec<Duration>,
    in_a_row: Vec<Duration>,
}

impl Figures {
    fn worst(&self) -> Duration {
        let all = self.at_once.iter().chain(&self.in_a_row);
        all.max().copied().unwrap()
    }
}

/// For both phases the longest, and how many of the hundred waited.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = |all: &[Duration]| {
            let longest = all.iter().max().unwrap().as_secs_f64() * 1_000.0;
            let waited = all.iter().filter(|took| **took > AT_ONCE).count();
            format!("{longest:6.1} ({waited:3})")
        };
        write!(f, "{}{}", phase(&self.at_once), phase(&self.in_a_row))
    }
}

/// Measures that many usages at a time. Where they do nothing but wait, several do not disturb each
/// other.
async fn report(server_is: &str, at_a_time: usize, usages: &[Usage]) {
    for usages in usages.chunks(at_a_time) {
        let control = Control::new();
        let figures = join_all(usages.iter().map(|usage| usage.figures(&control)));
        let figures = control.beside(figures).await;
        for (usage, [read, write, remove]) in usages.iter().zip(figures) {
            let name = usage.name();
            println!("{server_is:20} {name:28} {read} | {write} | {remove}");
            for figures in [read, write, remove] {
                assert!(figures.worst() < LIMIT, "{server_is}, {name}: {figures}");
            }
        }
    }
}

async fn used(server: &RedisServer, offload: &OffloadManager) -> Vec<Usage> {
    let usages = usages(&server::builder(server), offload);
    for usage in &usages {
        usage.use_all().await;
    }
    usages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_costs_no_more_than_its_deadline() {
    let offload = OffloadManager::builder().build().unwrap();
    println!(
        "longest of {CALLS} calls at once, and of {CALLS} in a row by ten tasks, in ms (how many \
         took more than {AT_ONCE:?}): read | write | remove"
    );
    let mut server = start().await;
    let reached = used(&server, &offload).await;
    let fresh = usages(&server::builder(&server), &offload);
    server.kill();
    report("down, never reached", 1, &fresh).await;
    report("down, reached before", 1, &reached).await;

    let server = start().await;
    let reached = used(&server, &offload).await;
    let fresh = usages(&server::builder(&server), &offload);
    server.pause().unwrap();
    report("hung, never reached", 5, &fresh).await;
    report("hung, reached before", 5, &reached).await;

    // Accepts by the system's doing, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = RedisBackend::builder().host("127.0.0.1", port);
    report("silent", 5, &usages(&silent, &offload)).await;
}

/// Writes and removes of one key are ordered: each waits for the one that is under way, and all
/// but the newest of those that wait give way. So it is two deadlines here, not twenty.
#[tokio::test]
async fn on_one_key_a_call_waits_for_at_most_one_other() {
    let server = start().await;
    let offload = OffloadManager::builder().build().unwrap();
    let usages = used(&server, &offload).await;
    server.pause().unwrap();
    let control = Control::new();
    let longest = usages.iter().skip(1).map(async |usage| {
        let [_, cache, _] = &usage.caches;
        let calls = (0..20).map(async |call| {
            let started = Instant::now();
            let _hung = match call % 2 {
                0 => cache.write(&key("k"), value("x")).await,
                _ => cache.remove(&key("k")).await.map(drop),
            };
            started.elapsed().saturating_sub(control.since(started))
        });
        join_all(calls).await.into_iter().max().unwrap()
    });
    let longest = control.beside(join_all(longest)).await;
    for (usage, longest) in usages.iter().skip(1).zip(longest) {
        println!("{:28} longest of 20 on one key: {longest:?}", usage.name());
        assert!(longest < 2 * RedisBackendBuilder::DEFAULT_DEADLINE);
    }
}
