//! What a sentinel tells is heard while there is no connection, too.

use std::time::{Duration, Instant};

use crate::server::{key, until};
use hitbox_backend::Backend;
use hitbox_redis::RedisBackend;
use test_servers::{
    lateness::Control,
    redis::{RedisOptions, RedisSentinels, RedisServer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

const SUBSCRIBED: &str = "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";

/// Stands for a sentinel that names this port, and tells of a switch when it is told to.
async fn stand_in(port: u16, switches: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, port, switches.clone()));
        }
    });
    own
}

async fn serve(mut client: TcpStream, port: u16, mut switches: watch::Receiver<bool>) {
    let mut buffer = [0; 4 << 10];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let mut reply = String::new();
        if asked.contains("SETNAME") {
            reply += "+OK\r\n";
        }
        if asked.contains("GET-MASTER-ADDR-BY-NAME") {
            let digits = port.to_string().len();
            reply += &format!("*2\r\n$9\r\n127.0.0.1\r\n${digits}\r\n{port}\r\n");
        }
        if asked.contains("SUBSCRIBE") {
            client.write_all(SUBSCRIBED.as_bytes()).await.unwrap();
            if switches.wait_for(|told| *told).await.is_err() {
                return;
            }
            let name = RedisSentinels::NAME;
            let told = format!("{name} 127.0.0.1 1 127.0.0.1 {port}");
            let length = told.len();
            let message = "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master";
            reply = format!("{message}\r\n${length}\r\n{told}\r\n");
        }
        client.write_all(reply.as_bytes()).await.unwrap();
    }
}

/// Each tries about once in 0.75 seconds by itself. All at once is not by chance.
#[tokio::test]
async fn a_switch_ends_the_pause_between_attempts() {
    const BACKENDS: usize = 8;
    let mut server = RedisServer::start(RedisOptions::new()).await.unwrap();
    server.kill();
    let (tell, told) = watch::channel(false);
    let sentinel = stand_in(server.port(), told).await;
    let url = format!("redis://127.0.0.1:{sentinel}");
    let settings = RedisBackend::builder().sentinel([url], RedisSentinels::NAME);
    let backends: Vec<_> = (0..BACKENDS)
        .map(|_| settings.clone().build().unwrap())
        .collect();
    for cache in &backends {
        cache.read(&key("k")).await.unwrap_err();
    }
    // The pauses have grown to the longest by then.
    sleep(Duration::from_secs(4)).await;
    let connected = || {
        let opened = backends.iter().map(RedisBackend::statistics);
        opened.filter(|seen| seen.connections_opened > 0).count()
    };
    let control = Control::new();
    control
        .beside(async {
            server.restart().await.unwrap();
            let _told = tell.send(true);
            let began = Instant::now();
            until(async || connected() == BACKENDS).await;
            let (took, late) = (began.elapsed(), control.since(began));
            assert!(took < Duration::from_millis(250) + late, "{took:?}");
        })
        .await;
    for cache in &backends {
        cache.read(&key("k")).await.unwrap();
    }
}
