//! A report on every file below a directory, from a cache of two layers: moka (in process) in front
//! of sled (on disk).
//!
//! ```text
//! cargo run --release --example quickstart -- [DIR]
//! ```
//!
//! It asks for all reports twice. The first pass computes what the cache does not have, the second
//! is answered by moka. Run it again: now the first pass is answered by sled, where the first run
//! left its reports. Change a file, and its report alone is computed anew.

mod arguments;
mod report;
mod table;
mod tally;
mod walk;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use hitbox::{
    BackendResult, Cache, Compose, CompositionPolicy, Entry, Key, Keyspace, OffloadManager,
    ResponseSource,
    backend::{CompositionBackend, ParallelReadPolicy},
    moka::MokaBackend,
    sled::SledBackend,
};
use tokio::task::{JoinError, spawn_blocking};

use arguments::{Arguments, CacheUse, Command};
use report::Report;
use tally::{Answer, Origin, Tally};
use walk::SourceFile;

type Failure = Box<dyn Error + Send + Sync>;

// ---- The cache: what it is made of, and how it is asked. -----------------------------------------

/// moka in front of sled.
type Layers = CompositionBackend<MokaBackend, SledBackend, OffloadManager, ParallelReadPolicy>;

async fn open_layers(directory: &Path, offload: OffloadManager) -> BackendResult<Layers> {
    let moka = MokaBackend::builder().max_bytes(256 << 20).build()?;
    let sled = SledBackend::builder().path(directory).open().await?;
    // Both layers are asked at once, and the answer with the longer remaining life wins; moka, if
    // they are equal. What only sled has is copied to moka.
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    Ok(moka.compose_with(sled, offload, policy))
}

/// By path, length and time of the last change. The version is that of `Report`: raised when it changes, it leaves
/// old entries behind.
const REPORTS: Keyspace<(String, u64, i128), Report> = Keyspace::new("report", 1).ttl(LIFE);

/// How long a report is kept.
const LIFE: Duration = Duration::from_hours(30 * 24);

fn key_of(file: &SourceFile) -> Key<Report> {
    // Whatever the bytes of a path, its escaped form is text and no other path's.
    REPORTS.key((file.escaped_path(), file.length, file.modified))
}

/// The report on `file` from the cache, or made now and left there. `None` if the file cannot be
/// read.
async fn report_on(file: &SourceFile, cache: &Cache) -> Result<Option<Answer>, Failure> {
    let path = file.path.clone();
    let report = cache
        .get_or_try_load(key_of(file), move || compute(path))
        .entry()
        .optional();
    Ok(report
        .await?
        .map(|report| Answer::new(origin_of(&report), file, report.into_value())))
}

fn origin_of(report: &Entry<Report>) -> Origin {
    match report.source() {
        ResponseSource::Backend(path) if path.as_str() == "composition.moka" => Origin::Moka,
        ResponseSource::Backend(_) => Origin::Sled,
        ResponseSource::Upstream => Origin::Computed,
    }
}

// ---- The job: walk, two passes, a table. ---------------------------------------------------------

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Command::Run(arguments)) => arguments,
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("quickstart: {error} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let offload = OffloadManager::builder().build()?;
    let layers = match arguments.cache {
        CacheUse::Bypass => None,
        CacheUse::Keep | CacheUse::Clear => {
            Some(open_layers(&arguments.cache_directory, offload.clone()).await?)
        }
    };
    if let Some(layers) = &layers {
        if arguments.cache == CacheUse::Clear {
            layers.l2().clear().await?;
        }
        if let Some(files) = layers.l2().recovered_from() {
            let files = files.display();
            eprintln!("quickstart: the cache was damaged and starts empty; it is now in {files}");
        }
    }
    let found =
        spawn_blocking(move || walk::files_below(&arguments.root, &arguments.cache_directory))
            .await?;

    let cache = layers
        .clone()
        .map(|layers| Cache::builder(layers).ttl(LIFE).build());
    let cache = cache.transpose()?;
    let mut passes = Vec::new();
    for number in 1..=2 {
        let mut tally = pass(number, &found.files, cache.as_ref()).await?;
        tally.skipped += found.skipped;
        passes.push(tally);
        // What was computed has been stored, and what sled answered copied to moka, when this returns.
        if let Some(cache) = &cache {
            cache.drain().await;
        }
        offload.drain().await;
    }
    table::print(&passes, &mut io::stdout().lock())?;

    let closed = offload.close(Duration::from_secs(5)).await;
    for key in closed.unfinished {
        eprintln!("quickstart: left undone: {key}");
    }
    if let Some(layers) = layers {
        layers.l2().flush().await?;
    }
    Ok(())
}

async fn pass(number: u32, files: &[SourceFile], cache: Option<&Cache>) -> Result<Tally, Failure> {
    // Analysing is work for the processor, reading for the disk: two at once for each core keep
    // both busy.
    let at_once = 2 * std::thread::available_parallelism()?.get();
    let bar = table::progress_bar(number, files.len());
    let mut tally = Tally::begin();
    let mut answers = stream::iter(files)
        .map(|file| async move {
            match cache {
                Some(cache) => report_on(file, cache).await,
                None => {
                    let report = compute(file.path.clone()).await?.map(Arc::new);
                    Ok(report.map(|report| Answer::new(Origin::Computed, file, report)))
                }
            }
        })
        .buffer_unordered(at_once);
    while let Some(answer) = answers.next().await {
        tally.add(answer?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tally.end())
}

/// Makes the report, off the async threads. `None` if the file cannot be read.
async fn compute(path: PathBuf) -> Result<Option<Report>, JoinError> {
    spawn_blocking(move || fs::read(path).ok().map(|content| Report::of(&content))).await
}
