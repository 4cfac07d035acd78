//! Runs the worker of the example sled_dynamodb over a real server.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is to fail the test")]

#[path = "../../tests/program/mod.rs"]
mod program;
mod running;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use program::program;
use running::Running;
use tempfile::TempDir;
use test_servers::dynamodb::DynamoDbServer;

const JOBS: u64 = 100;

/// The worker of one machine: one directory, started again and again.
struct Machine {
    directory: TempDir,
    endpoint: String,
}

impl Machine {
    fn new(server: &DynamoDbServer) -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            endpoint: server.endpoint().to_owned(),
        }
    }

    fn command(&self, jobs: u64) -> Command {
        let mut command = Command::new(program("sled_dynamodb"));
        command
            .arg("--directory")
            .arg(self.directory.path().join("cache"))
            .args(["--endpoint", &self.endpoint, "--region", "eu-central-1"])
            .args(["--table", "routes", "--jobs", &jobs.to_string()])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ])
            .env_remove("AWS_SESSION_TOKEN");
        command
    }

    fn run(&self) -> Outcome {
        self.run_jobs(JOBS)
    }

    fn run_jobs(&self, jobs: u64) -> Outcome {
        let output = self.command(jobs).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let outcome = Outcome::of(String::from_utf8(output.stdout).unwrap());
        assert_eq!(outcome.jobs, jobs, "{}", outcome.said);
        outcome
    }
}

struct Outcome {
    jobs: u64,
    from_sled: u64,
    from_dynamodb: u64,
    computed: u64,
    minutes: u64,
    said: String,
}

impl Outcome {
    fn of(said: String) -> Self {
        let tally = said.lines().find(|line| line.contains("jobs done"));
        let words = tally.unwrap().split_whitespace();
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        Self {
            jobs: numbers[0],
            from_sled: numbers[1],
            from_dynamodb: numbers[2],
            computed: numbers[3],
            minutes: numbers[4],
            said,
        }
    }

    /// How many routes the worker says the table lacks.
    fn pending_repairs(&self) -> i32 {
        let (_, pending) = self.said.split_once("the table lacks ").unwrap();
        match pending.split_whitespace().next().unwrap() {
            "nothing" => 0,
            number => number.parse().unwrap(),
        }
    }
}

/// How many routes are in the table; none if there is no table yet.
async fn stored(server: &DynamoDbServer) -> i32 {
    let scan = server.client().scan().table_name("routes");
    scan.send().await.map_or(0, |found| found.count)
}

#[tokio::test]
async fn a_restarted_worker_has_its_routes_and_a_new_one_has_them_too() {
    let server = DynamoDbServer::start_in_process().await.unwrap();
    let machine = Machine::new(&server);
    let first = machine.run();
    assert!(first.computed > 0);
    assert_eq!(first.pending_repairs(), 0);

    let again = machine.run();
    assert_eq!(again.from_sled, JOBS, "{}", again.said);
    assert_eq!(again.minutes, first.minutes);

    let elsewhere = Machine::new(&server).run();
    assert_eq!(elsewhere.computed, 0, "{}", elsewhere.said);
    assert!(elsewhere.from_dynamodb > 0);
    assert_eq!(elsewhere.minutes, first.minutes);
}

#[tokio::test]
async fn what_was_done_without_the_table_is_brought_by_the_next_run() {
    let mut server = DynamoDbServer::start_in_process().await.unwrap();
    server.stop().unwrap();
    let machine = Machine::new(&server);
    let without = machine.run();
    assert!(without.said.starts_with("going on without the table: "));
    assert!(without.said.contains("the table cannot be used: "));
    let routes = without.pending_repairs();
    assert!(routes > 0);

    let again = machine.run();
    assert_eq!(again.from_sled, JOBS, "{}", again.said);
    assert_eq!(again.minutes, without.minutes);

    server.restart().await.unwrap();
    let with = machine.run();
    assert_eq!(with.from_sled, JOBS, "{}", with.said);
    assert_eq!(with.pending_repairs(), 0);
    assert_eq!(stored(&server).await, routes);
}

#[tokio::test]
async fn a_table_that_comes_back_meanwhile_is_brought_up_to_date() {
    let mut server = DynamoDbServer::start_in_process().await.unwrap();
    server.stop().unwrap();
    let machine = Machine::new(&server);
    let mut worker = Running::start(&mut machine.command(u64::MAX));
    worker.wait_for("going on without the table: ");
    server.restart().await.unwrap();
    worker.wait_for("the table is back");
    let (status, said) = worker.interrupt();
    assert!(status.success(), "{said}");
    let outcome = Outcome::of(said);
    assert_eq!(outcome.pending_repairs(), 0, "{}", outcome.said);
    assert!(stored(&server).await > 0);
}

#[tokio::test]
async fn a_stream_that_sled_answers_brings_the_table_up_to_date_and_can_be_ended() {
    let mut server = DynamoDbServer::start_in_process().await.unwrap();
    server.stop().unwrap();
    let machine = Machine::new(&server);
    // Enough jobs for every route there is.
    let routes = machine.run_jobs(2_000).pending_repairs();
    server.restart().await.unwrap();
    let worker = Running::start(&mut machine.command(u64::MAX));
    let began = Instant::now();
    while stored(&server).await < routes {
        assert!(began.elapsed() < Duration::from_secs(60), "never");
    }
    let (status, said) = worker.interrupt();
    assert!(status.success(), "{said}");
    let outcome = Outcome::of(said);
    assert_eq!(outcome.jobs, outcome.from_sled, "{}", outcome.said);
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_a_reason() {
    let server = DynamoDbServer::start_in_process().await.unwrap();
    let machine = Machine::new(&server);
    let refused = |command: &mut Command, code, reason: &str| {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(reason), "{error}");
    };
    refused(machine.command(1).arg("--fast"), 2, "--fast");
    let no_credentials = "AWS_ACCESS_KEY_ID";
    refused(
        machine.command(1).env_remove(no_credentials),
        2,
        no_credentials,
    );
    let passing = "AWS_SESSION_TOKEN";
    refused(machine.command(1).env(passing, "token"), 2, passing);
    refused(
        machine.command(1).args(["--endpoint", "nowhere"]),
        1,
        "`endpoint`",
    );
}
