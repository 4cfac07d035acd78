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

use std::{error::Error, fs, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hitbox_backend::{
    BackendResult, CacheBackend, Compose, CompositionBackend, CompositionPolicy, OffloadManager,
    ParallelReadPolicy,
};
use hitbox_core::{CacheContext, CacheKey, CacheValue, KeyPart, ResponseSource, Stamp};
use hitbox_moka::MokaBackend;
use hitbox_sled::SledBackend;

use arguments::{Arguments, CacheUse, Command};
use report::Report;
use tally::{Answer, Origin, Tally};
use walk::SourceFile;

type Failure = Box<dyn Error + Send + Sync>;

// ---- The cache: what it is made of, and how it is asked. -----------------------------------------

type Cache = CompositionBackend<MokaBackend, SledBackend, OffloadManager, ParallelReadPolicy>;

async fn open_cache(directory: &Path, offload: OffloadManager) -> BackendResult<Cache> {
    let moka = MokaBackend::builder().max_bytes(256 << 20).build()?;
    let sled = SledBackend::builder().path(directory).open().await?;
    // Both layers are asked at once, and the answer with the longer remaining life wins; moka, if
    // they are equal. What only sled has is copied to moka.
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    Ok(moka.compose_with(sled, offload, policy))
}

fn key_of(file: &SourceFile) -> CacheKey {
    let parts = [
        // Whatever the bytes of a path, its escaped form is text and no other path's.
        KeyPart::new("path", Some(file.escaped_path())),
        KeyPart::new("length", Some(file.length.to_string())),
        KeyPart::new("modified", Some(file.modified.to_string())),
    ];
    // The version is that of `Report`: raised when it changes, it leaves old entries behind.
    CacheKey::new("report", 1, parts)
}

/// How long a report is kept.
const LIFE: Duration = Duration::from_hours(30 * 24);

/// The report on `file` from the cache, or made now and left there. `None` if the file cannot be
/// read.
async fn report_on(file: &SourceFile, cache: &Cache) -> Result<Option<Answer>, Failure> {
    let key = key_of(file);
    let mut context = CacheContext::default().boxed();
    if let Some(cached) = cache.get_with::<Report>(&key, &mut context).await? {
        let origin = match context.source() {
            ResponseSource::Backend(path) if path.as_str() == "composition.moka" => Origin::Moka,
            ResponseSource::Backend(_) => Origin::Sled,
            ResponseSource::Upstream => Origin::Computed,
        };
        return Ok(Some(Answer::new(origin, file, cached.into_inner())));
    }
    let began = Stamp::now(); // before the work, whose result it dates
    let Some(report) = compute(file).await? else {
        return Ok(None);
    };
    let value = CacheValue::loaded(Arc::clone(&report), began).ttl(LIFE);
    cache.set(&key, value).await?;
    Ok(Some(Answer::new(Origin::Computed, file, report)))
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
    let cache = match arguments.cache {
        CacheUse::Bypass => None,
        CacheUse::Keep | CacheUse::Clear => {
            Some(open_cache(&arguments.cache_directory, offload.clone()).await?)
        }
    };
    if let Some(cache) = &cache {
        if arguments.cache == CacheUse::Clear {
            cache.l2().clear().await?;
        }
        if let Some(files) = cache.l2().recovered_from() {
            let files = files.display();
            eprintln!("quickstart: the cache was damaged and starts empty; it is now in {files}");
        }
    }
    let found = tokio::task::spawn_blocking(move || {
        walk::files_below(&arguments.root, &arguments.cache_directory)
    })
    .await?;

    let mut passes = Vec::new();
    for number in 1..=2 {
        let mut tally = pass(number, &found.files, cache.as_ref()).await?;
        tally.skipped += found.skipped;
        passes.push(tally);
        // What sled answered has been copied to moka when this returns.
        offload.drain().await;
    }
    table::print(&passes, &mut io::stdout().lock())?;

    let closed = offload.close(Duration::from_secs(5)).await;
    for key in closed.unfinished {
        eprintln!("quickstart: left undone: {key}");
    }
    if let Some(cache) = cache {
        cache.l2().flush().await?;
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
                    let report = compute(file).await?;
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
async fn compute(file: &SourceFile) -> Result<Option<Arc<Report>>, Failure> {
    let path = file.path.clone();
    let report = tokio::task::spawn_blocking(move || {
        let content = fs::read(path).ok()?;
        Some(Arc::new(Report::of(&content)))
    });
    Ok(report.await?)
}
