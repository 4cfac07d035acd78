//! A server that goes and comes back while it is being used.

use std::time::Duration;

use crate::table::Table;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::DynamoDbBackend;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const TASKS: usize = 16;

fn failed_for_want_of_a_server<T>(outcome: &BackendResult<T>) -> bool {
    let Err(error) = outcome else {
        return false;
    };
    let expected = [BackendErrorKind::Timeout, BackendErrorKind::Unavailable];
    assert!(expected.contains(&error.kind()), "{error}");
    true
}

/// Writes values and reads each back. What is read is what was written there. Returns how many
/// were, and how many calls failed.
async fn use_until(until: Instant, backend: DynamoDbBackend, task: usize) -> (u64, u64) {
    let (mut served, mut failed) = (0, 0);
    for round in 0.. {
        if Instant::now() >= until {
            break;
        }
        let key = CacheKey::from_pair("key", format!("{task}-{round}"));
        let own = format!("value of {task} in round {round}").into_bytes();
        let value = CacheValue::loaded(Raw::from(own.clone()), Stamp::now());
        if failed_for_want_of_a_server(&backend.write(&key, value).await) {
            failed += 1;
            continue;
        }
        let found = backend.read(&key).await;
        if failed_for_want_of_a_server(&found) {
            failed += 1;
            continue;
        }
        // The table outlives the server.
        assert_eq!(
            found.unwrap().unwrap().data().payload().unwrap().as_ref(),
            own
        );
        served += 1;
    }
    (served, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_restarted_under_load() {
    let mut table = Table::create_in_process().await;
    let backend = table.default_builder().build().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(use_until(until, backend.clone(), task));
    }
    for _ in 0..3 {
        sleep(Duration::from_millis(500)).await;
        table.server.stop().unwrap();
        sleep(Duration::from_millis(500)).await;
        table.server.restart().await.unwrap();
    }
    let (mut served, mut failed) = (0, 0);
    for outcome in tasks.join_all().await {
        served += outcome.0;
        failed += outcome.1;
    }
    println!(
        "{served} served, {failed} failed, {:?}",
        backend.statistics()
    );
    assert!(served > 0 && failed > 0);
    let read_again = async {
        let key = CacheKey::from_pair("key", "k");
        while failed_for_want_of_a_server(&backend.read(&key).await) {}
    };
    timeout(Duration::from_secs(20), read_again).await.unwrap();
}
