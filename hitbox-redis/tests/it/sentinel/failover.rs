//! The master changes.

use std::time::{Duration, Instant};

use crate::{
    sentinel::{builder, start},
    server::{Observer, PATIENT, Provider, key, payload, until, value},
};
use hitbox_backend::{Backend, BackendError};
use hitbox_redis::{Credentials, RedisBackend};
use test_servers::{
    lateness::Control,
    redis::{RedisSentinels, RedisServer},
};
use tokio::{task::JoinSet, time::sleep};

/// From the kill to the first write that succeeds: a second until the sentinels find the master down, and
/// what they need to agree and to make the replica the master.
const LONGEST: Duration = Duration::from_secs(5);

/// A demoted master cuts its clients off, so it is asked on a connection of its own.
async fn has_role(server: &RedisServer, role: &str) -> bool {
    let Ok(mut observer) = Observer::try_to_connect(&server.url()).await else {
        return false;
    };
    let replication = observer.try_to_ask(&[b"INFO", b"replication"]).await;
    replication.is_ok_and(|told: String| told.contains(&format!("role:{role}")))
}

/// What every failure in a failover has to be like: somebody else, or a later call, may try again.
#[track_caller]
fn assert_passing(error: &BackendError) {
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn writes_go_on_when_the_master_is_killed() {
    let mut watched = start().await;
    let cache = builder(&watched).connect().await.unwrap();
    cache.write(&key("k"), value("before")).await.unwrap();
    let control = Control::new();
    let took = control.beside(async {
        let killed = Instant::now();
        watched.servers()[0].kill();
        while let Err(error) = cache.write(&key("k"), value("after")).await {
            assert_passing(&error);
            sleep(Duration::from_millis(5)).await;
        }
        let (took, late) = (killed.elapsed(), control.since(killed));
        println!("{took:?} after the kill; the machine was {late:?} late");
        assert!(took < LONGEST + late, "{took:?}");
        took
    });
    assert!(
        took.await > Duration::from_millis(500),
        "there was an outage"
    );
    let replica = &watched.servers()[1];
    assert!(has_role(replica, "master").await);
    let mut replica = Observer::connect(&replica.url()).await;
    assert!(replica.calls("set").await > 0);
    let found = cache.read(&key("k")).await.unwrap();
    assert_eq!(payload(found).unwrap(), "after");
}

async fn fail_over(watched: &mut RedisSentinels) {
    let mut sentinel = Observer::connect(&watched.sentinels()[0].url()).await;
    let name = RedisSentinels::NAME.as_bytes();
    let () = sentinel.ask(&[b"SENTINEL", b"FAILOVER", name]).await;
}

/// Until the replica is the master, and the old master follows it.
async fn until_demoted(watched: &mut RedisSentinels) {
    for (server, role) in watched.servers().iter().zip(["slave", "master"]) {
        until(async || has_role(server, role).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_when_the_master_is_demoted() {
    const TASKS: usize = 8;
    let mut watched = start().await;
    let cache = builder(&watched).connect().await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (cache, stopped) = (cache.clone(), stopped.clone());
        tasks.spawn(async move {
            let (mut last_failure, mut written) = (None, 0_u64);
            while stopped.has_changed().is_ok() {
                match cache.write(&key(&format!("{task}")), value("x")).await {
                    Ok(()) => written += 1,
                    Err(error) => {
                        assert_passing(&error);
                        last_failure = Some(Instant::now());
                    }
                }
                sleep(Duration::from_millis(1)).await;
            }
            (last_failure, written)
        });
    }
    let control = Control::new();
    control
        .beside(async {
            let begun = Instant::now();
            fail_over(&mut watched).await;
            until_demoted(&mut watched).await;
            let demoted = Instant::now();
            // Long enough to see failures that go on.
            sleep(Duration::from_millis(500)).await;
            drop(stop);
            let done = tasks.join_all().await;
            let late = control.since(begun);
            let last = done
                .iter()
                .filter_map(|(last_failure, _)| *last_failure)
                .max();
            println!(
                "failures until {:?} after the demotion",
                last.map(|last| last - demoted)
            );
            let too_late = demoted + Duration::from_millis(400) + late;
            assert!(last.is_none_or(|last| last < too_late));
            assert!(done.iter().all(|(_, written)| *written > 0));
        })
        .await;
    let mut new = Observer::connect(&watched.servers()[1].url()).await;
    assert!(new.calls("set").await > 0);
    let opened = cache.statistics().connections_opened;
    assert!((2..20).contains(&opened), "{opened}");
}

/// Nobody calls meanwhile, and the old connection stays open: it is the sentinel that tells.
#[tokio::test]
async fn a_switch_is_heard_of() {
    let mut watched = start().await;
    let settings = builder(&watched).deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    watched.servers()[0].pause().unwrap();
    until(async || cache.statistics().connections_opened > 1).await;
    cache.write(&key("k"), value("after")).await.unwrap();
    assert!(has_role(&watched.servers()[1], "master").await);
    watched.servers()[0].resume().unwrap();
    until_demoted(&mut watched).await;
    cache.write(&key("k"), value("later")).await.unwrap();
}

/// Whoever connects while there is no master waits with the others, and is told at once.
#[tokio::test]
async fn one_that_has_no_connection_hears_of_a_switch_too() {
    let mut watched = start().await;
    watched.servers()[0].kill();
    let cache = builder(&watched).build().unwrap();
    let error = cache.write(&key("k"), value("x")).await.unwrap_err();
    assert_passing(&error);
    let port = watched.servers()[0].port().to_string();
    assert!(error.to_string().contains(&port), "it says which: {error}");
    until(async || cache.write(&key("k"), value("x")).await.is_ok()).await;
}

/// A provider is asked for the new master's connection, too.
#[tokio::test]
async fn the_new_master_is_logged_in_to() {
    let mut watched = start().await;
    for server in watched.servers() {
        let mut observer = Observer::connect(&server.url()).await;
        let rules: [&[u8]; 7] = [
            b"ACL", b"SETUSER", b"cache", b"on", b"~*", b"+@all", b">one",
        ];
        let () = observer.ask(&rules).await;
    }
    let provider = Provider::default();
    provider.give([Ok(Credentials::new("cache", "one"))]);
    let settings = builder(&watched).credentials(provider.clone());
    let cache: RedisBackend = settings.deadline(PATIENT).connect().await.unwrap();
    assert_eq!(provider.asked(), 1);
    fail_over(&mut watched).await;
    until_demoted(&mut watched).await;
    until(async || cache.write(&key("k"), value("x")).await.is_ok()).await;
    assert!(provider.asked() >= 2);
    let mut new = Observer::connect(&watched.servers()[1].url()).await;
    let list: String = new.ask(&[b"CLIENT", b"LIST"]).await;
    assert!(list.contains("user=cache "), "{list}");
}
