//! Runs the service of the example users over a real Redis.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is to fail the test")]

#[path = "../../tests/program/mod.rs"]
mod program;
mod running;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    sync::{Arc, Barrier},
    thread,
};

use program::program;
use running::{Running, eventually};
use test_servers::redis::{RedisOptions, RedisServer};

struct Service {
    process: Running,
    address: String,
}

impl Service {
    fn start(redis: &RedisServer, fresh_seconds: u64) -> Self {
        let mut process = Running::start(
            Command::new(program("users"))
                .env("LISTEN", "127.0.0.1:0")
                .env("FRESH_SECONDS", fresh_seconds.to_string())
                .env("REDIS_URL", redis.url()),
        );
        let address = process.wait_for("listening on http://");
        Self { process, address }
    }

    fn get(&self, path: &str) -> Response {
        Connection::open(&self.address).get(path)
    }

    /// How often the table was asked.
    fn queries(&self) -> u64 {
        self.get("/queries").body.parse().unwrap()
    }
}

/// A connection that nothing has been asked over.
struct Connection(TcpStream);

struct Response {
    code: u16,
    /// How the service came to it.
    from: Option<String>,
    body: String,
}

impl Connection {
    fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    fn ask(&mut self, path: &str) {
        let asked = format!("GET {path} HTTP/1.1\r\nHost: users\r\nConnection: close\r\n\r\n");
        self.0.write_all(asked.as_bytes()).unwrap();
    }

    fn get(mut self, path: &str) -> Response {
        self.ask(path);
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut lines = head.lines();
        let from = lines.find_map(|line| line.strip_prefix("x-cache-status: "));
        Response {
            code,
            from: from.map(str::to_owned),
            body: body.to_owned(),
        }
    }
}

async fn redis() -> RedisServer {
    RedisServer::start(RedisOptions::new()).await.unwrap()
}

/// How many commands that read values the server has carried out.
fn reads(redis: &RedisServer) -> u64 {
    let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    connection
        .write_all(b"INFO commandstats\r\nQUIT\r\n")
        .unwrap();
    let mut told = String::new();
    connection.read_to_string(&mut told).unwrap();
    assert!(told.contains("cmdstat_"), "{told}");
    let of = |line: &str| {
        let (command, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let reads = ["get", "mget", "getex", "getrange"].contains(&command);
        reads.then(|| figures.split(',').next()?.parse::<u64>().ok())?
    };
    told.lines().filter_map(of).sum()
}

#[tokio::test]
async fn two_hundred_who_ask_at_once_cost_one_load_and_two_reads_of_redis() {
    const REQUESTS: usize = 200;
    let redis = redis().await;
    let service = Service::start(&redis, 60);
    // With a connection to Redis.
    assert_eq!(service.get("/users/7").code, 200);
    let (queries, before) = (service.queries(), reads(&redis));
    let at_once = Arc::new(Barrier::new(REQUESTS));
    let requests = (0..REQUESTS).map(|_| {
        let (connection, at_once) = (Connection::open(&service.address), Arc::clone(&at_once));
        thread::spawn(move || {
            at_once.wait();
            connection.get("/users/42")
        })
    });
    let requests: Vec<_> = requests.collect();
    let responses: Vec<_> = requests
        .into_iter()
        .map(|request| request.join().unwrap())
        .collect();
    for response in &responses {
        assert_eq!(response.code, 200);
        assert_eq!(response.body, r#"{"id":42,"name":"user 42"}"#);
    }
    let loaded = responses
        .iter()
        .filter(|response| response.from.as_deref() == Some("loaded"));
    assert_eq!((loaded.count(), service.queries() - queries), (1, 1));
    let reads = reads(&redis) - before;
    assert!((1..=2).contains(&reads), "{reads} reads of Redis");
}

#[tokio::test]
async fn who_is_not_there_is_asked_for_once() {
    let redis = redis().await;
    let service = Service::start(&redis, 3_600);
    for _ in 0..3 {
        assert_eq!(service.get("/users/1001").code, 404);
        assert_eq!(service.queries(), 1);
    }
}

#[tokio::test]
async fn a_stale_user_is_served_at_once_and_loaded_anew() {
    let redis = redis().await;
    let service = Service::start(&redis, 1);
    assert_eq!(service.get("/users/1").from.unwrap(), "loaded");
    assert_eq!(service.queries(), 1);
    eventually("he is stale", || {
        service.get("/users/1").from.unwrap() == "stale"
    });
    eventually("he is fresh", || {
        service.get("/users/1").from.unwrap() == "hit"
    });
    assert!(service.queries() >= 2);
}

/// Who has asked is gone, and so is all that waits for the load, but for the end of the service.
#[tokio::test]
async fn the_end_waits_for_what_is_being_loaded() {
    let redis = redis().await;
    let service = Service::start(&redis, 60);
    let mut connection = Connection::open(&service.address);
    connection.ask("/users/7");
    eventually("he is being loaded", || service.queries() == 1);
    drop(connection);
    let (status, said) = service.process.interrupt();
    assert!(status.success(), "{said}");

    let another = Service::start(&redis, 60);
    assert_eq!(another.get("/users/7").from.unwrap(), "hit");
    assert_eq!(another.queries(), 0);
}

#[tokio::test]
async fn who_has_asked_before_the_end_gets_an_answer() {
    let redis = redis().await;
    let service = Service::start(&redis, 60);
    let connection = Connection::open(&service.address);
    let asking = thread::spawn(move || connection.get("/users/7"));
    eventually("he is being loaded", || service.queries() == 1);
    let (status, said) = service.process.interrupt();
    assert!(status.success(), "{said}");
    assert_eq!(asking.join().unwrap().code, 200);
}
