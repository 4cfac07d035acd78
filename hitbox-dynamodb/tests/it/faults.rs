//! What a caller gets, and when, while the service is down, hung or throttling.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use crate::stub::{Answer, Stub};
use crate::table::{Table, at};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use serde_json::json;
use test_servers::lateness::Control;
use tokio::time::{self, Instant};

/// No call of a backend with default settings takes longer.
const LONGEST: Duration = Duration::from_secs(1);

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now())
}

fn entries(keys: &[CacheKey]) -> Vec<(CacheKey, CacheValue<Raw>)> {
    keys.iter().map(|key| (key.clone(), value())).collect()
}

fn over(stub: &Stub) -> DynamoDbBackendBuilder {
    at(stub.endpoint()).table("cache")
}

fn kind<T: Debug>(outcome: BackendResult<T>) -> BackendErrorKind {
    outcome.unwrap_err().kind()
}

fn kinds<T: Debug>(outcomes: Vec<BackendResult<T>>) -> Vec<BackendErrorKind> {
    outcomes.into_iter().map(kind).collect()
}

/// Whose time a call is held to its limit by.
enum Clock {
    /// What the machine itself was late is no fault of a call's.
    Real(Control),
    /// Stands still while this process has anything to do: only the waiting counts.
    Paused,
}

impl Clock {
    /// How long a call that began then may have taken.
    fn limit(&self, began: Instant) -> Duration {
        match self {
            Self::Real(control) => LONGEST + control.since(began.into_std()),
            Self::Paused => LONGEST,
        }
    }

    async fn beside<W: Future>(&self, work: W) -> W::Output {
        match self {
            Self::Real(control) => control.beside(work).await,
            Self::Paused => work.await,
        }
    }
}

/// How long each kind of call took to fail, by its name.
type Durations = BTreeMap<&'static str, Duration>;

/// Makes a call of each kind, all of which must fail with this kind of error, and in time.
async fn fail_once(
    backend: &DynamoDbBackend,
    expected: BackendErrorKind,
    clock: &Clock,
) -> Durations {
    let keys = [key("a"), key("b")];
    let mut durations = Durations::new();
    let mut note = |call, began: Instant, failed: &[BackendErrorKind]| {
        assert!(
            failed.iter().all(|kind| *kind == expected),
            "{call}: {failed:?}"
        );
        let took = began.elapsed();
        assert!(took < clock.limit(began), "{call}: {took:?}");
        durations.insert(call, took);
    };
    let began = Instant::now();
    note("read", began, &[kind(backend.read(&key("k")).await)]);
    let began = Instant::now();
    note(
        "write",
        began,
        &[kind(backend.write(&key("k"), value()).await)],
    );
    let began = Instant::now();
    note("remove", began, &[kind(backend.remove(&key("k")).await)]);
    let began = Instant::now();
    note("read_many", began, &kinds(backend.read_many(&keys).await));
    let began = Instant::now();
    note(
        "write_many",
        began,
        &kinds(backend.write_many(entries(&keys)).await),
    );
    let began = Instant::now();
    note(
        "remove_many",
        began,
        &kinds(backend.remove_many(&keys).await),
    );
    durations
}

/// Does that so many times at the same time. Prints the slowest call of each kind.
async fn assert_fails_in_time(
    what: &str,
    backend: &DynamoDbBackend,
    (times, clock): (usize, Clock),
    expected: BackendErrorKind,
) {
    let rounds = (0..times).map(|_| fail_once(backend, expected, &clock));
    let rounds = clock.beside(join_all(rounds)).await;
    let mut slowest = Durations::new();
    for (call, took) in rounds.into_iter().flatten() {
        let slowest = slowest.entry(call).or_default();
        *slowest = took.max(*slowest);
    }
    println!("{what}, slowest of {times}: {slowest:?}");
}

fn real() -> Clock {
    Clock::Real(Control::new())
}

/// A backend whose calls have time enough on any machine.
fn patient(stub: &Stub) -> DynamoDbBackend {
    let settings = over(stub).deadline(Duration::from_secs(60));
    settings
        .attempt_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_refused_port_is_unavailable_at_once() {
    // Bound and closed again: nobody listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = at(&endpoint).table("cache");
    // It is no time-out that ends the calls.
    let minute = Duration::from_secs(60);
    let settings = settings.deadline(minute).attempt_timeout(minute);
    let backend = settings.build().unwrap();
    assert_fails_in_time(
        "refused port",
        &backend,
        (20, real()),
        BackendErrorKind::Unavailable,
    )
    .await;
}

/// By a clock that stands still while this process has anything to do: only the waiting counts.
#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_deadline() {
    let stub = Stub::silent().await;
    let backend = over(&stub).build().unwrap();
    time::pause();
    assert_fails_in_time(
        "silent",
        &backend,
        (20, Clock::Paused),
        BackendErrorKind::Timeout,
    )
    .await;
}

/// More requests than are under way at a time: those that wait have the same deadline.
#[tokio::test]
async fn many_keys_cost_no_more_than_the_deadline_either() {
    let stub = Stub::silent().await;
    let backend = over(&stub).build().unwrap();
    let keys: Vec<_> = (0..1_000).map(|n| key(&n.to_string())).collect();
    time::pause();
    let began = Instant::now();
    let failed = kinds(backend.read_many(&keys).await);
    let read = began.elapsed();
    let began = Instant::now();
    let failed = [failed, kinds(backend.write_many(entries(&keys)).await)].concat();
    let written = began.elapsed();
    let began = Instant::now();
    let failed = [failed, kinds(backend.remove_many(&keys).await)].concat();
    let removed = began.elapsed();
    assert_eq!(failed, vec![BackendErrorKind::Timeout; 3_000]);
    println!("1,000 keys: read {read:?}, written {written:?}, removed {removed:?}");
    assert!(
        [read, written, removed]
            .into_iter()
            .all(|took| took < LONGEST)
    );
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_is_found_again() {
    let mut table = Table::create_in_process().await;
    let backend = table.backend();
    let value = value();
    backend.write(&key("k"), value.clone()).await.unwrap();
    for _ in 0..3 {
        table.server.stop().unwrap();
        assert_fails_in_time(
            "stopped",
            &backend,
            (20, real()),
            BackendErrorKind::Unavailable,
        )
        .await;
        table.server.restart().await.unwrap();
        assert_eq!(backend.read(&key("k")).await.unwrap(), Some(value.clone()));
    }
}

/// The connection of the last request is dead, and that is noticed only now.
#[tokio::test]
async fn a_connection_that_broke_is_replaced_within_the_call() {
    let stub = Stub::start(|_, _, before| match before {
        1 => Answer::HangUp,
        _ => Answer::ok(json!({})),
    })
    .await;
    let backend = patient(&stub);
    for _ in 0..2 {
        assert_eq!(backend.read(&key("k")).await.unwrap(), None);
    }
    assert_eq!((stub.requests(), backend.statistics().retries), (3, 1));
}

/// As a half-open connection: it is there, and nothing comes.
#[tokio::test]
async fn a_read_on_a_connection_that_hangs_is_sent_on_another() {
    let stub = Stub::start(|_, _, before| match before {
        0 => Answer::Silence,
        _ => Answer::ok(json!({})),
    })
    .await;
    let backend = patient(&stub);
    assert_eq!(backend.read(&key("k")).await.unwrap(), None);
    assert_eq!(stub.requests(), 2);
}

#[tokio::test]
async fn throttling_is_a_kind_of_its_own_and_retryable() {
    for code in [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    ] {
        let stub = Stub::start(move |_, _, _| Answer::error(400, code)).await;
        let backend = patient(&stub);
        assert_fails_in_time(code, &backend, (1, real()), BackendErrorKind::Throttled).await;
        let error = backend.read(&key("k")).await.unwrap_err();
        assert!(error.is_retryable() && error.is_definite());
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn throttling_that_passes_is_not_noticed() {
    let stub = Stub::start(|_, _, before| match before {
        0 => Answer::error(400, "ProvisionedThroughputExceededException"),
        _ => Answer::ok(json!({})),
    })
    .await;
    let backend = patient(&stub);
    backend.write(&key("k"), value()).await.unwrap();
    assert_eq!(backend.statistics().retries, 1);
}

/// What was given up could be applied after a later write.
#[tokio::test]
async fn a_write_on_a_connection_that_hangs_is_not_sent_again() {
    let stub = Stub::silent().await;
    let backend = over(&stub).build().unwrap();
    let written = backend.write(&key("k"), value()).await;
    assert_eq!(kind(written), BackendErrorKind::Timeout);
    assert_eq!(stub.requests(), 1);
}

/// The first attempt may have been applied, or may yet be: a clear refusal of the second does not
/// change that.
#[tokio::test]
async fn a_write_whose_first_attempt_is_unclear_is_not_reported_as_refused() {
    let stub = Stub::start(|_, _, before| match before {
        0 => Answer::HangUp,
        _ => Answer::error(400, "ThrottlingException"),
    })
    .await;
    let backend = patient(&stub);
    let error = backend.write(&key("k"), value()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(!error.is_definite());
}

#[tokio::test]
async fn other_refusals_have_their_kinds() {
    for (status, code, expected) in [
        (400, "AccessDeniedException", BackendErrorKind::Denied),
        (400, "UnrecognizedClientException", BackendErrorKind::Denied),
        (
            400,
            "ResourceNotFoundException",
            BackendErrorKind::InvalidConfiguration,
        ),
        (
            400,
            "ValidationException",
            BackendErrorKind::InvalidConfiguration,
        ),
        (500, "InternalServerError", BackendErrorKind::Unavailable),
        (503, "ServiceUnavailable", BackendErrorKind::Unavailable),
        (
            400,
            "TransactionConflictException",
            BackendErrorKind::Unavailable,
        ),
        (
            400,
            "ReplicatedWriteConflictException",
            BackendErrorKind::Unavailable,
        ),
        (
            400,
            "TransactionInProgressException",
            BackendErrorKind::Unavailable,
        ),
        (400, "RequestTimeTooSkewed", BackendErrorKind::Denied),
        (418, "NobodyKnowsThisOne", BackendErrorKind::Internal),
    ] {
        let stub = Stub::start(move |_, _, _| Answer::error(status, code)).await;
        let backend = patient(&stub);
        assert_fails_in_time(code, &backend, (1, real()), expected).await;
    }
}
