//! A server whose clock and this process's differ.

use crate::recorder;
use crate::server;
use crate::server::{Observer, PATIENT, key, start, value};
use chrono::{TimeDelta, Utc};
use hitbox_backend::Backend;
use hitbox_core::{CacheValue, Stamp};
use hitbox_redis::RedisBackend;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const TEN_MINUTES: i64 = 600;

/// A way to a server that tells another time than it has.
async fn telling(server: u16, ahead_seconds: i64) -> RedisBackend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            tokio::spawn(async move {
                let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
                loop {
                    tokio::select! {
                        sent = client.read(&mut up) => {
                            let Ok(length @ 1..) = sent else { return };
                            server.write_all(&up[..length]).await.unwrap();
                        }
                        replied = server.read(&mut down) => {
                            let Ok(length @ 1..) = replied else { return };
                            let told = with_other_time(&down[..length], ahead_seconds);
                            client.write_all(&told).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    let settings = RedisBackend::builder()
        .host("127.0.0.1", port)
        .deadline(PATIENT);
    settings.connect().await.unwrap()
}

/// Seconds of ten digits and microseconds, as TIME replies them.
fn with_other_time(reply: &[u8], ahead_seconds: i64) -> Vec<u8> {
    const BEGIN: &[u8] = b"*2\r\n$10\r\n";
    let mut told = reply.to_vec();
    let begin = reply.windows(BEGIN.len()).position(|part| part == BEGIN);
    if let Some(digits) = begin.map(|at| at + BEGIN.len()..at + BEGIN.len() + 10) {
        let seconds: i64 = str::from_utf8(&reply[digits.clone()])
            .unwrap()
            .parse()
            .unwrap();
        let other = (seconds + ahead_seconds).to_string();
        told[digits].copy_from_slice(other.as_bytes());
    }
    told
}

#[tokio::test]
async fn a_value_lives_as_long_as_it_was_given_by_the_servers_clock() {
    let recorder = recorder::record();
    for ahead in [TEN_MINUTES, -TEN_MINUTES] {
        let server = start().await;
        let cache = telling(server.port(), ahead).await;
        let expire = Utc::now() + TimeDelta::minutes(15);
        let value = CacheValue::loaded(value("x").into_inner(), Stamp::now()).expires_at(expire);
        cache.write(&key("k"), value.clone()).await.unwrap();
        for written in cache.write_many(vec![(key("bulk"), value.clone())]).await {
            written.unwrap();
        }
        let mut observer = Observer::connect(&server.url()).await;
        for stored in [b"k:v1".as_slice(), b"bulk:v1"] {
            let left: i64 = observer.ask(&[b"PTTL", stored]).await;
            let right = (15 * 60 + ahead) * 1_000;
            assert!((left - right).abs() < 30_000, "{left} for {right}");
        }
        // Whoever reads goes by what it was given.
        assert_eq!(cache.read(&key("k")).await.unwrap(), Some(value));
        let told = cache.statistics().clock_skew_millis.unwrap();
        assert!((told - ahead * 1_000).abs() < 30_000, "{told}");
    }
    let lines = recorder.lines();
    let warned = lines.iter().filter(|line| line.contains("clock"));
    assert_eq!(warned.count(), 2, "once for each server: {lines:#?}");
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_the_time_is_served_as_ever() {
    let _turn = recorder::record();
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let user: [&[u8]; 9] = [
        b"ACL", b"SETUSER", b"plain", b"on", b">pass", b"~*", b"+get", b"+set", b"+ping",
    ];
    let () = observer.ask(&user).await;
    let settings = server::builder(&server)
        .username("plain")
        .password("pass")
        .deadline(PATIENT);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("x")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
    assert_eq!(cache.statistics().clock_skew_millis, None);
}
