//! Commands of many tasks at a time, which go to the server together.

use std::collections::BTreeMap;

use crate::server::{Observer, backend, key, payload, start, value};
use futures::{future::join_all, poll};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::CacheKey;
use hitbox_redis::RedisBackend;
use tokio::runtime::{Builder, Runtime};

/// More than go by themselves, and no more than go together.
const MANY: usize = 64;

/// So many go by themselves, since there is nobody to go with.
const FEW: u64 = 8;

fn keys() -> Vec<CacheKey> {
    (0..MANY).map(|number| key(&number.to_string())).collect()
}

fn text(number: usize) -> String {
    format!("the value of {number}")
}

async fn fill(cache: &RedisBackend, keys: &[CacheKey]) {
    let entries = keys.iter().cloned().enumerate();
    let entries = entries.map(|(number, key)| (key, value(text(number))));
    for outcome in cache.write_many(entries.collect()).await {
        outcome.unwrap();
    }
}

fn only<const N: usize>(commands: [(&str, u64); N]) -> BTreeMap<String, u64> {
    let commands = commands.map(|(command, calls)| (command.to_owned(), calls));
    BTreeMap::from(commands)
}

#[tokio::test]
async fn reads_at_a_time_are_one_mget_and_each_gets_its_own() {
    let server = start().await;
    let (cache, keys) = (backend(&server), keys());
    fill(&cache, &keys).await;
    let mut observer = Observer::connect(&server.url()).await;
    // Another program's.
    let _: u64 = observer.ask(&[b"LPUSH", b"list:v1", b"item"]).await;
    let mut asked = keys.clone();
    asked[40] = key("list");
    asked[50] = key("absent");

    let before = observer.commands().await;
    let found = join_all(asked.iter().map(|key| cache.read(key))).await;
    let commands = observer.commands_since(&before).await;
    assert_eq!(commands, only([("get", FEW), ("mget", 1)]));
    for (number, found) in found.into_iter().enumerate() {
        let expected = (number != 40 && number != 50).then(|| text(number));
        let found = payload(found.unwrap());
        assert_eq!(found, expected.map(Into::into), "{number}");
    }
}

#[tokio::test]
async fn writes_at_a_time_take_effect_in_their_order() {
    let server = start().await;
    let (cache, keys) = (backend(&server), keys());
    cache.ping().await.unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let before = observer.commands().await;
    let writes = keys.iter().enumerate();
    let writes = writes.map(|(number, key)| cache.write(key, value(text(number))));
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    let same = key("same");
    let writes = (0..MANY).map(|number| cache.write(&same, value(text(number))));
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    let commands = observer.commands_since(&before).await;
    assert_eq!(commands, only([("set", 2 * MANY as u64)]));
    for (number, found) in cache.read_many(&keys).await.into_iter().enumerate() {
        assert_eq!(payload(found.unwrap()).unwrap(), text(number));
    }
    let found = payload(cache.read(&same).await.unwrap());
    assert_eq!(found.unwrap(), text(MANY - 1));
}

#[tokio::test]
async fn one_that_fails_does_not_fail_those_that_it_goes_with() {
    let server = start().await;
    let (cache, keys) = (backend(&server), keys());
    fill(&cache, &keys).await;
    let mut observer = Observer::connect(&server.url()).await;
    let used: String = observer.ask(&[b"INFO", b"memory"]).await;
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    // A write is refused from here on, a remove is not.
    let _: String = observer
        .ask(&[b"CONFIG", b"SET", b"maxmemory", used.unwrap().as_bytes()])
        .await;
    let changes = keys.iter().enumerate().map(async |(number, key)| {
        if number % 2 == 0 {
            cache.write(key, value("refused")).await
        } else {
            cache.remove(key).await.map(drop)
        }
    });
    for (number, outcome) in join_all(changes).await.into_iter().enumerate() {
        if number % 2 == 0 {
            assert_eq!(outcome.unwrap_err().kind(), BackendErrorKind::Full);
        } else {
            outcome.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_dropped_before_it_is_sent_is_never_sent() {
    let server = start().await;
    let cache = backend(&server);
    cache.ping().await.unwrap();
    let keys = keys();
    let mut writes: Vec<_> = keys
        .iter()
        .map(|key| cache.write(key, value("new")))
        .collect();
    for write in &mut writes {
        assert!(poll!(write).is_pending());
    }
    // Still in the queue: no task has run since.
    drop(writes.pop());
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    let found = cache.read_many(&keys).await;
    let absent: Vec<_> = (0..MANY)
        .filter(|number| matches!(found[*number], Ok(None)))
        .collect();
    assert_eq!(absent, [MANY - 1]);
}

/// A runtime that has begun these, and goes no further.
fn begun_on_another_runtime<T>(reads: &mut [impl Future<Output = T> + Unpin + Send]) -> Runtime {
    std::thread::scope(|scope| {
        let begin = scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for read in &mut *reads {
                    assert!(poll!(read).is_pending());
                }
            });
            runtime
        });
        begin.join().unwrap()
    })
}

#[tokio::test]
async fn a_runtime_that_is_stopped_holds_up_others_for_a_deadline_at_most() {
    let server = start().await;
    let cache = backend(&server);
    let key = key("k");
    cache.write(&key, value("live")).await.unwrap();
    let mut reads: Vec<_> = (0..MANY).map(|_| cache.read(&key)).collect();
    let stopped = begun_on_another_runtime(&mut reads);
    // This one may come so soon that it relies on the other runtime to send it along.
    let _perhaps_too_soon = cache.read(&key).await;
    let found = payload(cache.read(&key).await.unwrap());
    assert_eq!(found.unwrap(), "live");
    drop(reads);
    stopped.shutdown_background();
}

#[tokio::test]
async fn what_a_runtime_that_ends_has_not_sent_is_sent_by_another() {
    let server = start().await;
    let cache = backend(&server);
    let key = key("k");
    cache.write(&key, value("live")).await.unwrap();
    let mut theirs: Vec<_> = (0..MANY).map(|_| cache.read(&key)).collect();
    let ends = begun_on_another_runtime(&mut theirs);
    // These wait for the other runtime to send them along.
    let mut ours: Vec<_> = (0..MANY).map(|_| cache.read(&key)).collect();
    for read in &mut ours {
        assert!(poll!(read).is_pending());
    }
    ends.shutdown_background();
    for found in join_all(ours).await {
        assert_eq!(payload(found.unwrap()).unwrap(), "live");
    }
    drop(theirs);
    // Nobody is stuck behind them.
    assert!(cache.read(&key).await.unwrap().is_some());
}
