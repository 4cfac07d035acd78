//! No call of a backend with default settings takes longer than a second, whatever the server does. What
//! the machine itself was late meanwhile is taken off.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::server;
use crate::server::{backend, key, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult};
use hitbox_redis::RedisBackend;
use test_servers::{lateness::Control, redis::RedisServer};
use tokio::net::TcpListener;

const CALLS: usize = 100;
const LIMIT: Duration = Duration::from_secs(1);

/// The longest of a hundred failing calls: ten tasks make ten each, one after the other.
async fn worst<T, F, C>(call: C) -> Duration
where
    F: Future<Output = BackendResult<T>>,
    C: Fn() -> F,
{
    let control = &Control::new();
    let task = || async {
        let mut worst = Duration::ZERO;
        for _ in 0..CALLS / 10 {
            let started = Instant::now();
            let outcome = call().await;
            worst = worst.max(started.elapsed().saturating_sub(control.since(started)));
            let kind = outcome.map(drop).unwrap_err().kind();
            let expected = [BackendErrorKind::Unavailable, BackendErrorKind::Timeout];
            assert!(expected.contains(&kind), "{kind:?}");
        }
        worst
    };
    let tasks = join_all((0..10).map(|_| task()));
    control.beside(tasks).await.into_iter().max().unwrap()
}

/// Each operation on a backend of its own, so that none profits from what another has found out.
async fn report(server_is: &str, backends: [RedisBackend; 4]) {
    let [reading, writing, removing, bulk] = backends;
    let key = key("k");
    let keys = [key.clone(), server::key("other")];
    let read = worst(|| reading.read(&key)).await;
    let write = worst(|| writing.write(&key, value("x"))).await;
    let remove = worst(|| removing.remove(&key)).await;
    let bulk = worst(|| async { bulk.read_many(&keys).await.swap_remove(0) }).await;
    println!(
        "server {server_is}: worst of {CALLS}: read {read:?}, write {write:?}, remove {remove:?}, \
         read_many {bulk:?}"
    );
    for worst in [read, write, remove, bulk] {
        assert!(worst < LIMIT, "{server_is}: {worst:?}");
    }
}

/// Backends with default settings that have not been used.
fn fresh(server: &RedisServer) -> [RedisBackend; 4] {
    [(); 4].map(|()| backend(server))
}

/// The same after the server has answered them.
async fn used(server: &RedisServer) -> [RedisBackend; 4] {
    let backends = fresh(server);
    for backend in &backends {
        backend.ping().await.unwrap();
    }
    backends
}

fn at(host: &str, port: u16) -> [RedisBackend; 4] {
    [(); 4].map(|()| RedisBackend::builder().host(host, port).build().unwrap())
}

#[tokio::test]
async fn server_down() {
    let mut server = start().await;
    let used = used(&server).await;
    server.kill();
    report("down, never reached", fresh(&server)).await;
    report("down, reached before", used).await;
}

#[tokio::test]
async fn server_hung() {
    let server = start().await;
    let used = used(&server).await;
    server.pause().unwrap();
    report("hung, never reached", fresh(&server)).await;
    report("hung, reached before", used).await;
}

/// Accepts by the system's doing, and says nothing.
#[tokio::test]
async fn port_that_accepts_and_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    report("silent", at("127.0.0.1", port)).await;
}

#[tokio::test]
async fn port_that_is_refused() {
    report("refusing", at("127.0.0.1", 1)).await;
}

/// An address for documentation: packets to it are dropped or refused on the way.
#[tokio::test]
async fn address_that_leads_nowhere() {
    report("nowhere", at("192.0.2.1", 6379)).await;
}
