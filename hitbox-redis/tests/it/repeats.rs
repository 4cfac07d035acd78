//! A change whose connection broke is sent again, and its first attempt may come in last. Then it is
//! not reported as done and over.

use crate::gate::Gate;
use crate::server;
use crate::server::{PATIENT, key, patient, payload, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendError, DeleteStatus, Repeated};
use hitbox_redis::RedisBackend;
use test_servers::redis::RedisServer;

/// More than go by themselves.
const MANY: usize = 64;

async fn behind_a_gate() -> (RedisServer, Gate, RedisBackend) {
    let server = start().await;
    let gate = Gate::before(server.port()).await;
    let settings = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
    (server, gate, settings.connect().await.unwrap())
}

async fn read(cache: &impl Backend, name: &str) -> Option<String> {
    let found = payload(cache.read(&key(name)).await.unwrap());
    found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

#[track_caller]
fn assert_repeated(outcome: Result<impl std::fmt::Debug, BackendError>, made: Repeated) {
    let error = outcome.unwrap_err();
    assert_eq!(error.repeated(), Some(made), "{error:?}");
    assert!(!error.is_definite(), "{error:?}");
}

#[tokio::test]
async fn a_write_whose_first_attempt_comes_in_last() {
    let (_server, gate, cache) = behind_a_gate().await;
    gate.keep_what_comes_next();
    assert_repeated(cache.write(&key("k"), value("one")).await, Repeated::Write);
    assert_eq!(read(&cache, "k").await.as_deref(), Some("one"));
    cache.write(&key("k"), value("two")).await.unwrap();
    gate.deliver().await;
    // What the composition has to know of.
    assert_eq!(read(&cache, "k").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_removal_whose_first_attempt_comes_in_last() {
    let (_server, gate, cache) = behind_a_gate().await;
    cache.write(&key("k"), value("one")).await.unwrap();
    gate.keep_what_comes_next();
    let made = Repeated::Remove(DeleteStatus::Deleted(1));
    assert_repeated(cache.remove(&key("k")).await, made);
    cache.write(&key("k"), value("two")).await.unwrap();
    gate.deliver().await;
    assert_eq!(read(&cache, "k").await, None);
}

#[tokio::test]
async fn bulks_whose_first_attempt_comes_in_last() {
    let (_server, gate, cache) = behind_a_gate().await;
    let entries = || vec![(key("a"), value("one")), (key("b"), value("one"))];
    let keys = [key("a"), key("b")];
    gate.keep_what_comes_next();
    for outcome in cache.write_many(entries()).await {
        assert_repeated(outcome, Repeated::Write);
    }
    cache.remove_many(&keys).await;
    gate.deliver().await;
    assert_eq!(read(&cache, "b").await.as_deref(), Some("one"));
    // The connection from before the gate kept anything is gone; this one came after.
    let cache = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
    let cache = cache.connect().await.unwrap();
    gate.keep_what_comes_next();
    for outcome in cache.remove_many(&keys).await {
        assert_repeated(outcome, Repeated::Remove(DeleteStatus::Deleted(1)));
    }
    gate.deliver().await;
}

/// Those of many tasks, which go together.
#[tokio::test]
async fn batches_whose_first_attempt_comes_in_last() {
    let (_server, gate, cache) = behind_a_gate().await;
    gate.keep_what_comes_next();
    let names: Vec<_> = (0..MANY).map(|number| number.to_string()).collect();
    let writes = names.iter().map(async |name| {
        let outcome = cache.write(&key(name), value("one")).await;
        // Some may find the connection gone before they are sent.
        if let Err(error) = outcome {
            assert_eq!(error.repeated(), Some(Repeated::Write), "{error:?}");
            return 1;
        }
        0
    });
    let in_doubt: usize = join_all(writes).await.into_iter().sum();
    for name in &names {
        assert_eq!(read(&cache, name).await.as_deref(), Some("one"));
        cache.write(&key(name), value("two")).await.unwrap();
    }
    gate.deliver().await;
    let mut come_back = 0;
    for name in &names {
        come_back += usize::from(read(&cache, name).await.as_deref() == Some("one"));
    }
    println!("{in_doubt} of {MANY} in doubt, {come_back} applied last");
    assert!(come_back > 0 && in_doubt >= come_back);
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn in_a_cluster() {
    use test_servers::redis::RedisCluster;

    // The node has to know where the gate is, and the gate where the node is.
    let gate = Gate::before(1).await;
    let node = RedisCluster::start_one(Some(gate.port())).await.unwrap();
    gate.lead_to(node.port());
    let settings = RedisBackend::builder()
        .cluster_nodes([gate.url()])
        .deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("zero")).await.unwrap();
    gate.keep_what_comes_next();
    assert_repeated(cache.write(&key("k"), value("one")).await, Repeated::Write);
    cache.write(&key("k"), value("two")).await.unwrap();
    gate.deliver().await;
    assert_eq!(read(&cache, "k").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_read_is_repeated_as_ever() {
    let (_server, gate, cache) = behind_a_gate().await;
    cache.write(&key("k"), value("one")).await.unwrap();
    gate.keep_what_comes_next();
    assert_eq!(read(&cache, "k").await.as_deref(), Some("one"));
    gate.deliver().await;
}

/// What a connection that has ended can no longer have sent is not in doubt.
#[tokio::test]
async fn a_write_on_a_connection_that_had_ended_is_done() {
    let server = start().await;
    let cache = patient(&server);
    cache.ping().await.unwrap();
    let mut observer = server::Observer::connect(&server.url()).await;
    let _: u64 = observer
        .ask(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"])
        .await;
    while observer.connections().await > 0 {}
    // The end came in before this answer did. Its task has its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    cache.write(&key("k"), value("one")).await.unwrap();
    assert_eq!(cache.statistics().connections_opened, 2);
}
