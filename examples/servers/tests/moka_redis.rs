//! Runs the service of the example moka_redis over a real Redis.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is to fail the test")]

#[path = "../../tests/program/mod.rs"]
mod program;
mod running;

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use program::program;
use running::{Running, eventually};
use test_servers::redis::{RedisOptions, RedisServer};

struct Service {
    process: Running,
    address: String,
}

impl Service {
    fn start(redis: &RedisServer, options: &[&str]) -> Self {
        let mut process = Running::start(
            Command::new(program("moka_redis"))
                .args(["--listen", "127.0.0.1:0"])
                .args(options)
                .env("REDIS_URL", redis.url()),
        );
        let address = process.wait_for("listening on http://");
        Self { process, address }
    }

    fn get(&self, path: &str) -> Response {
        self.ask("GET", path)
    }

    fn delete(&self, path: &str) -> Response {
        self.ask("DELETE", path)
    }

    fn ask(&self, method: &str, path: &str) -> Response {
        ask(&self.address, method, path, "")
    }

    /// Waits until Redis has what this service has.
    fn settle(&self) {
        eventually("all is written", || {
            let status = self.get("/status").body;
            status.contains(r#""pending_repairs":0,"#) && status.contains(r#""unfinished":0,"#)
        });
    }
}

fn ask(host: &str, method: &str, path: &str, body: &str) -> Response {
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    Response::parse(&text)
}

struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Response {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Self {
            status: status.parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// Status and source, as the headers have them.
    fn origin(&self) -> (&str, &str) {
        assert_eq!(self.status, 200, "{}", self.body);
        (
            &self.headers["x-cache-status"],
            &self.headers["x-cache-source"],
        )
    }
}

impl Response {
    /// The same.
    fn from(&self) -> (String, String) {
        let (status, source) = self.origin();
        (status.to_owned(), source.to_owned())
    }
}

const MADE: (&str, &str) = ("loaded", "upstream");
const FROM_MOKA: (&str, &str) = ("hit", "composition.moka");
const FROM_REDIS: (&str, &str) = ("hit", "composition.redis");

async fn redis() -> RedisServer {
    RedisServer::start(RedisOptions::new()).await.unwrap()
}

#[tokio::test]
async fn a_report_is_made_once_for_all_instances() {
    let redis = redis().await;
    let one = Service::start(&redis, &[]);
    let made = one.get("/primes/100");
    assert_eq!(made.origin(), MADE);
    assert_eq!(
        made.body,
        r#"{"limit":100,"primes":25,"sum":1060,"largest":97,"twins":8,"widest_gap":8}"#
    );
    assert_eq!(
        made.headers["cache-control"],
        "max-age=60, stale-while-revalidate=540"
    );
    one.settle();
    let cached = one.get("/primes/100");
    assert_eq!(cached.origin(), FROM_MOKA);
    assert_eq!(cached.body, made.body);
    let age: u64 = cached.headers["age"].parse().unwrap();
    assert!(age < 600, "{age}");
    assert_eq!(one.get("/primes/101").origin(), MADE);
    one.settle();

    let two = Service::start(&redis, &[]);
    let shared = two.get("/primes/100");
    assert_eq!(shared.origin(), FROM_REDIS);
    assert_eq!(shared.body, made.body);
    eventually("moka is refilled", || {
        two.get("/primes/100").origin() == FROM_MOKA
    });
}

#[tokio::test]
async fn a_removed_report_is_made_anew() {
    let redis = redis().await;
    let one = Service::start(&redis, &[]);
    one.get("/primes/100");
    one.settle();
    assert_eq!(one.delete("/primes/100").status, 204);
    let two = Service::start(&redis, &[]);
    assert_eq!(two.get("/primes/100").origin(), MADE);
    two.settle();
    assert_eq!(one.delete("/primes/100").status, 204);
    assert_eq!(one.get("/primes/100").origin(), MADE);
    assert_eq!(one.delete("/primes/7").status, 204);
}

#[tokio::test]
async fn a_stale_report_is_served_and_made_anew_in_the_background() {
    let redis = redis().await;
    let service = Service::start(&redis, &["--fresh", "1"]);
    assert_eq!(service.get("/primes/100").origin(), MADE);
    let ask = || service.get("/primes/100");
    eventually("it is stale", || {
        ask().origin() == ("stale", "composition.moka")
    });
    eventually("it is fresh again", || ask().origin() == FROM_MOKA);
}

#[tokio::test]
async fn without_redis_the_service_goes_on() {
    let mut redis = redis().await;
    let service = Service::start(&redis, &[]);
    service.get("/primes/100");
    service.settle();
    assert_eq!(service.get("/primes/100").origin(), FROM_MOKA);

    redis.kill();
    let (status, source) = service.get("/primes/100").from();
    assert!(["hit", "stale"].contains(&&*status), "{status}");
    assert_eq!(source, FROM_MOKA.1);
    assert_eq!(service.get("/primes/101").origin(), MADE);
    eventually("moka has it", || {
        service.get("/primes/101").from().1 == FROM_MOKA.1
    });
    let removed = service.delete("/primes/100");
    assert_eq!(removed.status, 503, "{}", removed.body);
    assert!(removed.body.contains("redis"), "{}", removed.body);
    // Not from Redis, which may have it still.
    assert_eq!(service.get("/primes/100").origin(), MADE);
    assert_eq!(Service::start(&redis, &[]).get("/primes/3").origin(), MADE);

    redis.restart().await.unwrap();
    eventually("it is removed everywhere", || {
        service.delete("/primes/100").status == 204
    });
    eventually("Redis has the next one", || {
        service.delete("/primes/101");
        service.get("/primes/101");
        let another = Service::start(&redis, &[]);
        another.get("/primes/101").origin() == FROM_REDIS
    });
    let (status, said) = service.process.interrupt();
    assert!(status.success(), "{said}");
}

#[tokio::test]
async fn the_end_waits_for_redis_but_not_for_ever() {
    let redis = redis().await;
    let service = Service::start(&redis, &[]);
    redis.pause().unwrap();
    assert_eq!(service.get("/primes/100").origin(), MADE);
    let began = Instant::now();
    let (status, said) = service.process.interrupt();
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(status.success(), "{said}");
    assert!(said.contains("drained: "), "{said}");
    let pending = "not confirmed by Redis: primes:v1:id=100";
    assert!(said.contains(pending), "{said}");
    // What Redis keeps waiting ends by its own deadline, before the service runs out of patience.
    assert!(!said.contains("not done"), "{said}");

    redis.resume().unwrap();
    let service = Service::start(&redis, &[]);
    eventually("Redis is itself again", || {
        service.delete("/primes/100").status == 204
    });
    service.get("/primes/102");
    let (status, said) = service.process.interrupt();
    assert!(status.success(), "{said}");
    assert!(!said.contains("not "), "{said}");
    let another = Service::start(&redis, &[]);
    assert_eq!(another.get("/primes/102").origin(), FROM_REDIS);
}

/// Two processes, each with a moka of its own, in one command.
#[tokio::test]
async fn what_one_instance_changes_the_other_has_within_the_bound() {
    const BOUND: Duration = Duration::from_millis(250);
    let redis = redis().await;
    let notes = tempfile::tempdir().unwrap();
    let directory = notes.path().to_str().unwrap();
    let options = ["--notes", directory, "--instances", "2"];
    let mut one = Service::start(&redis, &options);
    let other = one.process.wait_for("listening on http://");
    let put = |note: &str| {
        assert_eq!(ask(&one.address, "PUT", "/notes/100", note).status, 204);
        Instant::now()
    };
    let get = || ask(&other, "GET", "/notes/100", "");
    assert_eq!(get().status, 404);
    put("note 0");
    eventually("it is heard of", || get().status == 200);
    let mut latest = Duration::ZERO;
    for number in 1..=50 {
        // It serves its own copy.
        eventually("a hit", || get().headers["x-cache-status"] == "hit");
        let note = format!("note {number}");
        let confirmed = put(&note);
        let old = format!("note {}", number - 1);
        loop {
            let asked = Instant::now();
            let found = get();
            assert_eq!(found.status, 200);
            if found.body == note {
                latest = latest.max(asked - confirmed);
                break;
            }
            assert_eq!(found.body, old);
            // By the clock: whoever asks later than this gets the new one, however busy the machine is.
            assert!(asked - confirmed <= BOUND, "{:?}", asked - confirmed);
        }
    }
    println!("the other one had it {latest:?} later, at most");
    let (status, said) = one.process.interrupt();
    assert!(status.success(), "{said}");
    assert!(
        TcpStream::connect(&other).is_err(),
        "it ends with the first"
    );
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    let run = |options: &[&str]| {
        let output = Command::new(program("moka_redis")).args(options).output();
        let output = output.unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--no-such-option"], 2, "--no-such-option"),
        (&["--fresh", "-1"], 2, "-1"),
        (&["--fresh", "10", "--keep", "9"], 2, "--keep"),
        (&["--listen", "nowhere"], 1, "--listen nowhere"),
        (&["--redis", "http://:secret@host"], 1, "redis://"),
    ];
    for (options, code, reason) in cases {
        let (ended, error) = run(options);
        assert_eq!(ended, Some(code), "{options:?}: {error}");
        assert!(error.contains(reason), "{options:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
