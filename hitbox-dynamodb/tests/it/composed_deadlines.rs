//! What a server that is down, silent, hung, or stuck in a reply costs a caller: of the backend
//! alone, and beneath a layer in memory by every policy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::compositions::{compositions, offload};
use crate::stub::{Answer, Stub};
use crate::table::at;
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult, OffloadManager};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use serde_json::json;
use test_servers::lateness::Control;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{self, Instant, sleep},
};

/// Of each kind.
const CALLS: usize = 100;
/// How many tasks share them where the server keeps them waiting.
const TASKS: usize = 10;
const LIMIT: Duration = Duration::from_secs(1);

/// A way to use the backend.
struct Usage {
    name: String,
    cache: Arc<dyn Backend>,
}

/// Alone and composed, with default settings, each with connections of its own.
fn usages(endpoint: &str, offload: &OffloadManager) -> Vec<Usage> {
    let backend = || at(endpoint).table("cache").build().unwrap();
    let alone = Usage {
        name: "alone".to_owned(),
        cache: Arc::new(backend()),
    };
    let number = compositions(&backend(), offload).len();
    let composed = (0..number).map(|index| {
        let (policies, cache) = compositions(&backend(), offload)[index].clone();
        Usage {
            name: format!("L2, {policies}"),
            cache,
        }
    });
    [alone].into_iter().chain(composed).collect()
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Read,
    Write,
    Remove,
}

impl Call {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Remove];

    async fn make(self, cache: &dyn Backend, key: &CacheKey) -> BackendResult<()> {
        match self {
            Self::Read => cache.read(key).await.map(drop),
            Self::Write => {
                let value = CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now());
                cache.write(key, value).await
            }
            Self::Remove => cache.remove(key).await.map(drop),
        }
    }
}

/// The longest of that many calls in a row, less what the machine itself was late. What fails does
/// so for want of a server.
async fn longest(
    cache: Arc<dyn Backend>,
    (call, task): (Call, usize),
    calls: usize,
    clock: Clock,
) -> Duration {
    let control = Control::new();
    let measured = async {
        let mut longest = Duration::ZERO;
        for round in 0..calls {
            let key = CacheKey::from_pair("key", format!("{call:?} {task} {round}"));
            let began = Instant::now();
            let outcome = call.make(&*cache, &key).await;
            let late = match clock {
                Clock::Real => control.since(began.into_std()),
                Clock::Paused => Duration::ZERO,
            };
            longest = longest.max(began.elapsed().saturating_sub(late));
            if let Err(error) = outcome {
                let expected = [BackendErrorKind::Timeout, BackendErrorKind::Unavailable];
                assert!(expected.contains(&error.kind()), "{error}");
            }
        }
        longest
    };
    match clock {
        Clock::Real => control.beside(measured).await,
        Clock::Paused => measured.await,
    }
}

/// Measures all usages and calls at the same time, by that many tasks each, which begin one after
/// the other so that not all requests are made in the same moment.
async fn report(server_is: &str, tasks: usize, usages: &[Usage], clock: Clock) {
    let mut measuring = JoinSet::new();
    for task in 0..tasks {
        for (row, usage) in usages.iter().enumerate() {
            for (column, call) in Call::ALL.into_iter().enumerate() {
                let longest = longest(Arc::clone(&usage.cache), (call, task), CALLS / tasks, clock);
                measuring.spawn(async move { (row, column, longest.await) });
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    let mut table = vec![[Duration::ZERO; 3]; usages.len()];
    for (row, column, took) in measuring.join_all().await {
        table[row][column] = table[row][column].max(took);
    }
    for (usage, row) in usages.iter().zip(table) {
        let [read, write, remove] = row.map(|took| took.as_secs_f64() * 1_000.0);
        let name = &usage.name;
        println!("{server_is:9} {name:25} {read:6.1} | {write:6.1} | {remove:6.1}");
        for took in row {
            assert!(took < LIMIT, "{server_is}, {name}: {took:?}");
        }
    }
}

/// What the stub does once it is told to: up to then it has nothing and takes everything.
async fn stub_that_will(stuck: fn() -> Answer) -> (Stub, Arc<AtomicBool>) {
    let told = Arc::new(AtomicBool::new(false));
    let is_told = Arc::clone(&told);
    let stub = Stub::start(move |_, _, _| match is_told.load(Ordering::SeqCst) {
        false => Answer::ok(json!({})),
        true => stuck(),
    });
    (stub.await, told)
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Real,
    /// Stands still while this process has anything to do, so that only the waiting counts.
    Paused,
}

/// Measures what `usages` makes of an endpoint.
async fn report_all(clock: Clock, usages: impl Fn(&str) -> Vec<Usage>) {
    println!("longest of {CALLS} calls by the {clock:?} clock, in ms: read | write | remove");
    let report = async |server_is, tasks, usages: &[Usage]| match clock {
        Clock::Real => report(server_is, tasks, usages, clock).await,
        Clock::Paused => {
            time::pause();
            report(server_is, tasks, usages, clock).await;
            time::resume();
        }
    };
    // Bound and closed again: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    report("down", 1, &usages(&endpoint)).await;

    let stub = Stub::silent().await;
    report("silent", TASKS, &usages(stub.endpoint())).await;

    for server_is in ["hung", "mid-reply"] {
        let (stub, told) = match server_is {
            "hung" => stub_that_will(|| Answer::Silence).await,
            _ => stub_that_will(|| Answer::Half).await,
        };
        let usages = usages(stub.endpoint());
        for Usage { cache, .. } in &usages {
            // There is a connection for it to hang on.
            let key = CacheKey::from_pair("key", "k");
            assert_eq!(cache.read(&key).await.unwrap(), None);
        }
        told.store(true, Ordering::SeqCst);
        report(server_is, TASKS, &usages).await;
    }
}

/// One clock after the other: at the same time, they would keep each other from being on time. And
/// in this order: a clock that has stood still is ahead of the one that the control goes by.
#[tokio::test]
async fn a_layer_costs_no_more_than_its_deadline() {
    let offload = offload();
    // With all that this process adds. By every policy, it would be kept too busy to tell.
    let alone_and_by_default = |endpoint: &str| {
        let mut usages = usages(endpoint, &offload);
        usages.truncate(2);
        usages
    };
    report_all(Clock::Real, alone_and_by_default).await;
    report_all(Clock::Paused, |endpoint| usages(endpoint, &offload)).await;
}

/// Writes and removes of one key are ordered: each waits for the one that is under way, and all
/// but the newest of those that wait give way. So it is two deadlines here, not twenty.
#[tokio::test]
async fn on_one_key_a_call_waits_for_at_most_one_other() {
    let stub = Stub::silent().await;
    let offload = offload();
    let key = CacheKey::from_pair("key", "k");
    time::pause();
    for Usage { name, cache } in usages(stub.endpoint(), &offload).iter().skip(1) {
        let calls = (0..20).map(async |number| {
            let call = [Call::Write, Call::Remove][number % 2];
            let began = Instant::now();
            let _hung = call.make(&**cache, &key).await;
            began.elapsed()
        });
        let longest = join_all(calls).await.into_iter().max().unwrap();
        println!("{name:25} longest of 20 on one key: {longest:?}");
        assert!(longest < 2 * LIMIT);
    }
}
