//! How many connections there are, what becomes of them when the network dies, and which runtime
//! they belong to.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::stub::{Answer, Stub};
use crate::table::{at, partition};
use futures::{FutureExt, executor, future::join_all};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use serde_json::json;
use test_servers::lateness::Control;
use tokio::{
    runtime,
    task::{self, JoinSet},
    time,
};

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now())
}

fn over(endpoint: &str) -> DynamoDbBackendBuilder {
    at(endpoint).table("cache")
}

/// A backend whose calls have time enough on any machine.
fn patient(endpoint: &str) -> DynamoDbBackend {
    let settings = over(endpoint).deadline(Duration::from_secs(60));
    settings
        .attempt_timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

async fn late_stub() -> Stub {
    Stub::start(|_, _, _| Answer::Late(Duration::from_millis(5), json!({}))).await
}

/// Reads so many keys at the same time.
async fn read_at_once(backend: &DynamoDbBackend, reads: usize) {
    let mut reading = JoinSet::new();
    for number in 0..reads {
        let backend = backend.clone();
        reading.spawn(async move { backend.read(&key(number)).await });
    }
    for read in reading.join_all().await {
        assert_eq!(read.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_reads_at_once_open_no_more_connections_than_they_may() {
    let stub = late_stub().await;
    let backend = patient(stub.endpoint());
    read_at_once(&backend, 2_000).await;
    let (opened, at_a_time) = stub.connections();
    println!("2,000 reads: {opened} connections, {at_a_time} at a time");
    assert!(at_a_time <= DynamoDbBackendBuilder::DEFAULT_MAX_CONNECTIONS);
    assert_eq!(backend.statistics().connections_opened, opened as u64);
    assert!(opened <= DynamoDbBackendBuilder::DEFAULT_MAX_CONNECTIONS);
}

#[tokio::test]
async fn one_connection_is_enough() {
    let stub = late_stub().await;
    let settings = over(stub.endpoint()).deadline(Duration::from_secs(60));
    let settings = settings.attempt_timeout(Duration::from_secs(30));
    let backend = settings.max_connections(1).build().unwrap();
    read_at_once(&backend, 50).await;
    let keys: Vec<_> = (0..50).map(key).collect();
    for removed in backend.remove_many(&keys).await {
        removed.unwrap();
    }
    assert_eq!(stub.connections(), (1, 1));
}

/// Which is not the fault of a connection, and certainly without effect.
#[tokio::test]
async fn who_waits_for_a_connection_in_vain_has_sent_nothing() {
    let stub = Stub::silent().await;
    let backend = over(stub.endpoint()).max_connections(1).build().unwrap();
    time::pause();
    let began = time::Instant::now();
    let writes = [0, 1].map(|number| {
        let backend = backend.clone();
        async move { backend.write(&key(number), value()).await.unwrap_err() }
    });
    let [sent, waiting] = join_all(writes).await.try_into().unwrap();
    let deadline = DynamoDbBackendBuilder::DEFAULT_DEADLINE;
    assert!(began.elapsed() <= deadline + Duration::from_millis(1));
    assert!(!sent.is_definite(), "{sent}");
    assert!(waiting.is_definite(), "{waiting}");
    assert_eq!(waiting.kind(), BackendErrorKind::Timeout);
    assert!(
        waiting.to_string().contains("`max_connections`"),
        "{waiting}"
    );
    assert_eq!(stub.requests(), 1);
}

#[derive(Clone, Copy)]
enum Change {
    None,
    Write,
}

/// Fills the pool, and then nothing comes on any of its connections. Returns what it has cost the
/// calls after that, which are made one after the other.
async fn failures_after_death(change: Change) -> usize {
    let stub = late_stub().await;
    let backend = over(stub.endpoint()).build().unwrap();
    while stub.open_connections() < 20 {
        join_all((0..30).map(|number| {
            let backend = &backend;
            async move { drop(backend.read(&key(number)).await) }
        }))
        .await;
    }
    stub.kill_connections();
    let control = Control::new();
    let calls = async {
        let mut failures = 0;
        for number in 0..30 {
            let began = Instant::now();
            let outcome = match change {
                Change::None => backend.read(&key(number)).await.map(drop),
                Change::Write => backend.write(&key(number), value()).await,
            };
            // One that failed for the machine's being late says nothing.
            let is_late = control.since(began) > Duration::from_millis(100);
            failures += usize::from(outcome.is_err() && !is_late);
        }
        failures
    };
    control.beside(calls).await
}

#[tokio::test]
async fn dead_connections_cost_one_retry_and_not_one_each() {
    let failures = failures_after_death(Change::None).await;
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn dead_connections_cost_one_write() {
    let failures = failures_after_death(Change::Write).await;
    assert!(failures <= 1, "{failures} writes failed");
}

#[tokio::test]
async fn a_connection_that_is_broken_off_costs_the_others_too() {
    let breaks = Arc::new(AtomicBool::new(false));
    let is_told = Arc::clone(&breaks);
    let stub = Stub::start(move |_, _, _| match is_told.load(Ordering::SeqCst) {
        true => Answer::HangUp,
        false => Answer::Late(Duration::from_millis(5), json!({})),
    })
    .await;
    let backend = patient(stub.endpoint());
    read_at_once(&backend, 10).await;
    breaks.store(true, Ordering::SeqCst);
    backend.read(&key(0)).await.unwrap_err();
    breaks.store(false, Ordering::SeqCst);
    let (before, _) = stub.connections();
    backend.read(&key(0)).await.unwrap();
    assert_eq!(stub.connections().0, before + 1);
}

/// A caller who gives up says nothing of the connections.
#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_connections_alone() {
    let stub = Stub::start(|_, body, _| {
        let delay = match body["Key"]["key"]["S"] == partition(&key(7)) {
            true => Duration::from_secs(3_600),
            false => Duration::from_millis(5),
        };
        Answer::Late(delay, json!({}))
    })
    .await;
    let backend = patient(stub.endpoint());
    backend.read(&key(0)).await.unwrap();
    let slow = key(7);
    time::timeout(Duration::from_millis(100), backend.read(&slow))
        .await
        .unwrap_err();
    backend.read(&key(0)).await.unwrap();
    let (opened, _) = stub.connections();
    for _ in 0..5 {
        backend.read(&key(0)).await.unwrap();
    }
    assert_eq!(stub.connections().0, opened);
}

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The stub has a runtime of its own: those of the test come and go.
fn stub_elsewhere() -> (runtime::Runtime, Stub) {
    let elsewhere = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let stub = elsewhere.block_on(late_stub());
    (elsewhere, stub)
}

#[test]
fn one_backend_in_many_short_lived_runtimes() {
    const THREADS: usize = 8;
    let (_elsewhere, stub) = stub_elsewhere();
    let backend = patient(stub.endpoint());
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for round in 0..30 {
                    runtime().block_on(async {
                        for number in 0..10 {
                            let read = backend.read(&key(round * 10 + number)).await;
                            assert_eq!(read.unwrap(), None);
                        }
                    });
                }
            });
        }
    });
    assert_eq!(stub.requests(), THREADS * 300);
}

/// As of a runtime that is there, and only driven now and then.
#[test]
fn a_runtime_that_is_not_driven_keeps_its_connections_to_itself() {
    let (_elsewhere, stub) = stub_elsewhere();
    let backend = patient(stub.endpoint());
    let (one, other) = (runtime(), runtime());
    for round in 0..3 {
        one.block_on(backend.read(&key(round))).unwrap();
        other.block_on(backend.read(&key(round))).unwrap();
    }
    assert_eq!((stub.requests(), backend.statistics().retries), (6, 0));
}

#[test]
fn the_connections_of_a_runtime_end_with_it() {
    let (elsewhere, stub) = stub_elsewhere();
    let backend = patient(stub.endpoint());
    for _ in 0..10 {
        runtime().block_on(backend.read(&key(0))).unwrap();
    }
    let gone = async {
        while stub.open_connections() > 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    elsewhere
        .block_on(async { time::timeout(Duration::from_secs(30), gone).await })
        .unwrap();
}

/// Begun in a runtime that ends, and gone on with in another one, or in none.
#[test]
fn a_call_that_goes_on_after_its_runtime_has_ended_does_not_panic() {
    let elsewhere = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let is_silent = Arc::new(AtomicBool::new(true));
    let stub = {
        let is_silent = Arc::clone(&is_silent);
        elsewhere.block_on(Stub::start(move |_, _, _| {
            match is_silent.load(Ordering::SeqCst) {
                true => Answer::Silence,
                false => Answer::ok(json!({})),
            }
        }))
    };
    // The others wait for the one connection.
    let backend = over(stub.endpoint())
        .max_connections(1)
        .deadline(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let key = key(0);
    for goes_on in [false, true] {
        let mut read = backend.read(&key);
        let mut write = backend.write(&key, value());
        let ends = runtime();
        ends.block_on(async {
            for _ in 0..3 {
                assert!((&mut read).now_or_never().is_none());
                assert!((&mut write).now_or_never().is_none());
                task::yield_now().await;
            }
        });
        drop(ends);
        is_silent.store(!goes_on, Ordering::SeqCst);
        let (read, write) = match goes_on {
            true => elsewhere.block_on(async { (read.await, write.await) }),
            false => (executor::block_on(read), executor::block_on(write)),
        };
        for error in [read.err(), write.err()].into_iter().flatten() {
            println!("{error}");
            assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
            // Whichever is noticed first.
            let told = error.to_string();
            let parts = ["runtime that this call was begun in", "connection failed"];
            assert!(parts.iter().any(|part| told.contains(part)), "{error}");
        }
    }
}

#[test]
fn without_a_runtime_that_fits_there_is_one_clear_error() {
    let backend = patient("http://127.0.0.1:1");
    let error = executor::block_on(backend.read(&key(0))).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    for bare in [
        runtime::Builder::new_current_thread().build().unwrap(),
        runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap(),
        runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap(),
    ] {
        for _ in 0..3 {
            let error = bare.block_on(backend.read(&key(0))).unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
            assert!(error.to_string().contains("`enable_all`"), "{error}");
        }
    }
}
