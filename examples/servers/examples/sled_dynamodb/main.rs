//! A worker that caches its lookups in sled (on disk), and behind it in a DynamoDB table, which all
//! workers share.
//!
//! ```text
//! cargo xtask example sled_dynamodb
//! ```
//!
//! starts a DynamoDB server for the time of the run, empty each time. With a server of your own, or
//! AWS's (without `--endpoint`):
//!
//! ```text
//! AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret \
//!     cargo run --example sled_dynamodb -- --endpoint http://localhost:8000 --region eu-central-1
//! ```
//!
//! The jobs are parcels, and each needs the quickest route from a depot to a town: 120 routes for any
//! number of jobs. The first run computes them (a few of them twice, for jobs that run side by side).
//! The second has them from sled, and another machine, or `--directory` somewhere else, from DynamoDB:
//!
//! ```text
//! $ sled_dynamodb --endpoint http://127.0.0.1:39203 --directory one
//! 1000 jobs done: 876 routes from sled, 0 from dynamodb, 124 computed; 1366289 minutes of driving, planned in 6.095 s
//! the table lacks nothing
//! $ sled_dynamodb --endpoint http://127.0.0.1:39203 --directory one
//! 1000 jobs done: 1000 routes from sled, 0 from dynamodb, 0 computed; 1366289 minutes of driving, planned in 0.401 s
//! the table lacks nothing
//! $ sled_dynamodb --endpoint http://127.0.0.1:39203 --directory another
//! 1000 jobs done: 849 routes from sled, 151 from dynamodb, 0 computed; 1366289 minutes of driving, planned in 3.264 s
//! the table lacks nothing
//! ```
//!
//! Without the table the worker goes on. It says what the table lacks, and a later run brings it
//! over as soon as its jobs need it, because the composition asks the table in the background for what
//! sled has answered, and repairs what it lacks:
//!
//! ```text
//! $ sled_dynamodb --endpoint http://127.0.0.1:9 --directory third
//! going on without the table: dynamodb: open: unavailable: connection failed: connection refused
//! 1000 jobs done: 873 routes from sled, 0 from dynamodb, 127 computed; 1366289 minutes of driving, planned in 5.534 s
//! the table cannot be used: dynamodb: open: unavailable: connection failed: connection refused
//! the table lacks 120 routes, which sled has for a later run to bring
//! $ sled_dynamodb --endpoint http://127.0.0.1:39203 --directory third
//! 1000 jobs done: 1000 routes from sled, 0 from dynamodb, 0 computed; 1366289 minutes of driving, planned in 0.356 s
//! the table lacks nothing
//! ```
//!
//! Ctrl-C ends it after the jobs that have begun.

mod arguments;
mod cache;
mod country;
mod jobs;
mod tally;
mod worker;

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use hitbox_backend::{CacheBackend, OffloadManager};
use hitbox_core::CacheContext;
use hitbox_sled::SledBackend;
use tokio::time::timeout;

use arguments::{Arguments, Command};
use cache::Cache;
use country::{Country, Route};
use worker::Worker;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Command::Run(arguments)) => arguments,
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("sled_dynamodb: {error} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sled_dynamodb: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    // As many requests to the table at once as run in the background.
    let offload = OffloadManager::builder().max_running(32).build()?;
    let sled = SledBackend::builder()
        .path(arguments.directory)
        .open()
        .await?;
    let table = cache::table(arguments.table)?;
    cache::prepare(&table).await?;
    let worker = Worker {
        cache: cache::compose(sled.clone(), table, offload.clone()),
        country: Arc::new(Country::new()),
    };

    let tally = worker
        .run(jobs::jobs(arguments.jobs), interrupted())
        .await?;
    println!("{tally}");

    settle(&worker.cache, &offload).await;
    drop(worker);
    // The last of its clones: the directory is free for the next run when this returns.
    sled.close().await?;
    Ok(())
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("sled_dynamodb: Ctrl-C will not be noticed: {error}");
        std::future::pending::<()>().await;
    }
}

/// Brings the table up to date as far as possible, and says what it lacks.
async fn settle(cache: &Cache, offload: &OffloadManager) {
    const PATIENCE: Duration = Duration::from_secs(10);

    // What is still under way then is reported by `close`.
    let _ = timeout(PATIENCE, offload.drain()).await;
    // It may have become reachable only now.
    let usable = cache.l2().create_table_if_missing().await;
    match &usable {
        Ok(()) => bring_over(cache).await,
        Err(error) => println!("the table cannot be used: {error}"),
    }
    let closed = offload.close(PATIENCE).await;
    for unfinished in &closed.unfinished {
        println!("not done within {PATIENCE:?}: {unfinished}");
    }
    match cache.pending_repairs().len() {
        0 if usable.is_ok() => println!("the table lacks nothing"),
        // What earlier runs left behind is not known while the table cannot be asked.
        0 => {}
        pending => {
            println!("the table lacks {pending} routes, which sled has for a later run to bring");
        }
    }
}

/// Asks once more for what the table lacks: what a read finds in sled alone, it copies over.
async fn bring_over(cache: &Cache) {
    for repair in cache.pending_repairs() {
        let mut context = CacheContext::default().boxed();
        if let Err(error) = cache.get_with::<Route>(&repair.key, &mut context).await {
            eprintln!("sled_dynamodb: {error}");
        }
    }
}
