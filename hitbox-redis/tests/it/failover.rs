//! The server behind the address changes its role, and another one takes over.

use std::time::Duration;

use crate::gate::Gate;
use crate::server::{Observer, PATIENT, key, start, value};
use hitbox_backend::{Backend, BackendErrorKind, DeleteStatus};
use hitbox_redis::RedisBackend;
use test_servers::redis::RedisServer;
use tokio::time::{sleep, timeout};

/// Makes one server follow another, and waits until it does.
async fn demote(server: &RedisServer, new_primary: &RedisServer) {
    let mut observer = Observer::connect(&server.url()).await;
    let port = new_primary.port().to_string();
    let () = observer
        .ask(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()])
        .await;
    let follows = async {
        loop {
            let replication: String = observer.ask(&[b"INFO", b"replication"]).await;
            if replication.contains("master_link_status:up") {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), follows).await.unwrap();
}

/// The old connection stays open, as a proxy or a name that moves leaves it.
#[tokio::test]
async fn writes_go_on_at_the_new_primary() {
    let (old, new) = (start().await, start().await);
    let gate = Gate::before(old.port()).await;
    let settings = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("before")).await.unwrap();
    gate.lead_to(new.port());
    demote(&old, &new).await;
    // One that has just been opened is not replaced again.
    sleep(Duration::from_millis(250)).await;
    cache.write(&key("k"), value("after")).await.unwrap();
    assert_eq!(
        cache.remove(&key("k")).await.unwrap(),
        DeleteStatus::Deleted(1)
    );
    assert_eq!(cache.statistics().connections_opened, 2);
    let mut observer = Observer::connect(&new.url()).await;
    assert!(observer.calls("unlink").await > 0);
}

#[tokio::test]
async fn bulk_calls_go_on_at_the_new_primary() {
    let (old, new) = (start().await, start().await);
    let gate = Gate::before(old.port()).await;
    let settings = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    let entries = || {
        (0..10)
            .map(|number| (key(&number.to_string()), value("live")))
            .collect()
    };
    for written in cache.write_many(entries()).await {
        written.unwrap();
    }
    gate.lead_to(new.port());
    demote(&old, &new).await;
    sleep(Duration::from_millis(250)).await;
    for written in cache.write_many(entries()).await {
        written.unwrap();
    }
}

/// Many tasks write all the time; the failures end when the new primary is there.
#[tokio::test(flavor = "multi_thread")]
async fn failures_end_with_the_failover() {
    let (old, new) = (start().await, start().await);
    let gate = Gate::before(old.port()).await;
    let settings = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    demote(&old, &new).await;
    let mut kinds = Vec::new();
    for number in 0..100 {
        let outcome = cache.write(&key(&number.to_string()), value("x")).await;
        let error = outcome.unwrap_err();
        assert!(error.is_definite() && error.is_retryable(), "{error}");
        kinds.push(error.kind());
    }
    assert!(kinds.contains(&BackendErrorKind::Unavailable), "{kinds:?}");
    let opened = cache.statistics().connections_opened;
    assert!(opened < 50, "it looks again now and then: {opened}");
    gate.lead_to(new.port());
    let goes_on = async {
        while cache.write(&key("k"), value("x")).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), goes_on).await.unwrap();
    for number in 0..100 {
        cache
            .write(&key(&number.to_string()), value("x"))
            .await
            .unwrap();
    }
}

/// Which replies mean that another server may have taken over: each of a stub.
#[tokio::test]
async fn a_server_that_is_no_longer_the_right_one_is_left() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    for reply in [
        "-READONLY You can't write against a read only replica.\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-MOVED 3999 127.0.0.1:6381\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-NOAUTH Authentication required.\r\n",
    ] {
        let right = start().await;
        let stub = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::before(stub.local_addr().unwrap().port()).await;
        tokio::spawn(async move {
            let (mut client, _) = stub.accept().await.unwrap();
            let mut buffer = [0; 16 << 10];
            while let Ok(length @ 1..) = client.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]);
                let of_keys = ["GET", "SET\r\n$4", "UNLINK"];
                let asked = text.matches("\r\n").count();
                let replies =
                    if of_keys.iter().any(|name| text.contains(name)) && !text.contains("CLIENT") {
                        reply.to_owned()
                    } else {
                        "-ERR not here\r\n".repeat(text.matches('*').count().min(asked))
                    };
                client.write_all(replies.as_bytes()).await.unwrap();
            }
        });
        let settings = RedisBackend::builder().url(gate.url()).deadline(PATIENT);
        let cache = settings.build().unwrap();
        cache.ping().await.unwrap_err();
        sleep(Duration::from_millis(250)).await;
        gate.lead_to(right.port());
        assert_eq!(cache.read(&key("k")).await.unwrap(), None, "{reply}");
    }
}
