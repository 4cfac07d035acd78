//! Servers start, obey, and end with whoever started them.

#![cfg(feature = "redis")]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use test_servers::redis::{
    Missing, RedisCluster, RedisOptions, RedisSentinels, RedisServer, SentinelOptions,
    oldest_and_newest,
};

/// The reply to PING, if there is one within a while.
fn ping(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut reply = [0; 64];
    let length = stream.read(&mut reply).ok()?;
    Some(String::from_utf8_lossy(&reply[..length]).into_owned())
}

/// Whether PING is answered before long: on a busy machine a server needs a while to come to itself.
fn answers(port: u16) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if ping(port).as_deref() == Some("+PONG\r\n") {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_server_is_killed_restarted_paused_and_resumed() {
    let mut server = RedisServer::start(RedisOptions::new()).await.unwrap();
    println!("{}", server.description());
    let port = server.port();
    assert!(answers(port));
    server.pause().unwrap();
    assert_eq!(ping(port), None);
    server.resume().unwrap();
    assert!(answers(port));
    server.kill();
    assert_eq!(ping(port), None);
    server.pause().unwrap_err();
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    assert!(answers(port));
    drop(server);
    assert_eq!(ping(port), None);
}

#[tokio::test]
async fn settings_reach_the_server() {
    let options = RedisOptions::new().setting("requirepass", "secret");
    let server = RedisServer::start(options).await.unwrap();
    let reply = std::iter::repeat_with(|| ping(server.port()))
        .take(50)
        .find_map(|reply| reply)
        .unwrap();
    assert!(reply.starts_with("-NOAUTH"), "{reply}");
}

#[tokio::test]
async fn a_server_that_cannot_start_is_an_error() {
    let options = RedisOptions::new().setting("maxmemory", "nonsense");
    let error = RedisServer::start(options).await.unwrap_err();
    assert!(error.to_string().contains("it ended"), "{error}");
}

#[tokio::test]
async fn three_nodes_make_a_cluster() {
    let mut cluster = RedisCluster::start().await.unwrap();
    assert_eq!(cluster.urls().len(), 3);
    cluster.kill_master(1);
}

const PARENT: &str = "TEST_SERVERS_PARENT";

/// Runs in a process of its own, for the test below.
#[tokio::test]
async fn start_a_server_and_wait_to_be_killed() {
    if env::var_os(PARENT).is_none() {
        return;
    }
    let server = RedisServer::start(RedisOptions::new()).await.unwrap();
    println!("\nport {}", server.port());
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_server_ends_when_its_process_is_killed() {
    let mut parent = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "start_a_server_and_wait_to_be_killed",
        ])
        .env(PARENT, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let port = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok())
        .unwrap();
    assert!(answers(port));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let killed = Instant::now();
    while ping(port).is_some() {
        assert!(killed.elapsed() < Duration::from_secs(10), "still there");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What `cargo xtask ci` runs the adapter's tests on.
#[tokio::test]
async fn the_oldest_and_the_newest_are_programs_that_run() {
    let found = tokio::task::spawn_blocking(|| oldest_and_newest(Missing::LeaveOut))
        .await
        .unwrap();
    for program in found {
        match program {
            Ok(program) => {
                println!("{} ({})", program.version, program.path.display());
                assert!(program.version.split(' ').count() >= 2, "{program:?}");
            }
            Err(problem) => println!("not there: {problem}"),
        }
    }
}

#[tokio::test]
async fn three_sentinels_watch_a_master_and_its_replica() {
    let mut watched = RedisSentinels::start(SentinelOptions::new()).await.unwrap();
    assert_eq!(watched.urls().len(), 3);
    let ports: Vec<_> = watched.sentinels().iter().map(RedisServer::port).collect();
    assert!(ports.into_iter().all(answers));
    watched.servers()[0].kill();
    let replica = watched.servers()[1].port();
    assert!(answers(replica));
}
