//! One connection for each backend, however it is handed around.

use std::{sync::Arc, time::Duration};

use crate::server;
use crate::server::{Observer, backend, key, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, Compose};
use hitbox_core::DisabledOffload;
use hitbox_redis::RedisBackend;
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{runtime::Runtime, sync::Barrier, task::JoinSet, time::timeout};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clones_made_before_first_use_and_64_tasks_share_one_connection() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let clones: Vec<_> = (0..50).map(|_| cache.clone()).collect();
    assert_eq!(observer.connections().await, 0, "nothing has been used yet");
    let all_ready = Arc::new(Barrier::new(64));
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let cache = clones[task % clones.len()].clone();
        let all_ready = Arc::clone(&all_ready);
        tasks.spawn(async move {
            let key = key(&task.to_string());
            all_ready.wait().await;
            cache.write(&key, value("live")).await.unwrap();
            assert!(cache.read(&key).await.unwrap().is_some());
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(observer.connections().await, 1);
    assert_eq!(cache.statistics().connections_opened, 1);
}

#[tokio::test]
async fn boxed_borrowed_and_composed_backends_share_it() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let boxed: Box<dyn Backend> = Box::new(cache.clone());
    let shared: Arc<dyn Backend> = Arc::new(cache.clone());
    let composed = cache.clone().compose(cache.clone(), DisabledOffload);
    let users: [&dyn Backend; 4] = [&cache, &boxed, &shared, &composed];
    let key = key("shared");
    for read in join_all(users.iter().map(|user| user.read(&key))).await {
        assert_eq!(read.unwrap(), None);
    }
    assert_eq!(observer.connections().await, 1);
}

#[tokio::test]
async fn the_connection_ends_with_the_last_clone() {
    let server = start().await;
    let cache = server::builder(&server).connect().await.unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let clone = cache.clone();
    drop(cache);
    clone.ping().await.unwrap();
    assert_eq!(observer.connections().await, 1);
    drop(clone);
    while observer.connections().await > 0 {
        tokio::task::yield_now().await;
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The task that reads the connection belongs to the runtime that it was opened in.
#[test]
fn a_backend_outlives_the_runtime_it_was_first_used_in() {
    let first = runtime();
    let server = first.block_on(start());
    let cache = backend(&server);
    let key = key("kept");
    first.block_on(cache.write(&key, value("live"))).unwrap();
    drop(first);
    let found = runtime().block_on(cache.read(&key)).unwrap();
    assert!(found.is_some());
    assert_eq!(cache.statistics().connections_opened, 2);
}

/// So does the task that opens it.
#[test]
fn a_backend_outlives_a_runtime_that_ends_while_connecting() {
    let first = runtime();
    let server = first.block_on(start());
    let cache = backend(&server);
    let key = key("k");
    server.pause().unwrap();
    let given_up =
        first.block_on(async { timeout(Duration::from_millis(50), cache.read(&key)).await });
    given_up.unwrap_err();
    drop(first);
    server.resume().unwrap();
    assert_eq!(runtime().block_on(cache.read(&key)).unwrap(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let options = RedisOptions::new().setting("unixsocket", socket);
    let server = RedisServer::start(options).await.unwrap();
    let settings = RedisBackend::builder()
        .url(format!("unix://{socket}"))
        .database(3);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("live")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
    let found = backend(&server).read(&key("k")).await.unwrap();
    assert_eq!(found, None, "it is in another database");
}
