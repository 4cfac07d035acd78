//! Runs the fuzz targets, as `cargo xtask fuzz` does.

mod arguments;
mod report;

use std::{alloc::System, error::Error, fs, io, path::Path, process::ExitCode};

use hitbox_fuzz::{
    Target, corpus, counts_allocations,
    engine::{self, Campaign},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use arguments::{HELP, Options, Request};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match carry_out() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

fn carry_out() -> Result<ExitCode, Failure> {
    if !counts_allocations() {
        return Err("allocations are not counted, so no bound on them is checked".into());
    }
    match arguments::parse(lexopt::Parser::from_env())? {
        Request::Help => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Request::List => {
            print!("{}", report::targets());
            Ok(ExitCode::SUCCESS)
        }
        Request::Replay(target, file) => replay(target, &file),
        Request::Run(options) => run(&options),
    }
}

fn replay(target: &Target, file: &Path) -> Result<ExitCode, Failure> {
    let input = fs::read(file)?;
    Ok(match engine::execute(target, &input) {
        Ok(observed) => {
            println!("{}: {observed:?}", target.name);
            ExitCode::SUCCESS
        }
        Err(message) => {
            println!("{}: {message}", target.name);
            ExitCode::FAILURE
        }
    })
}

fn run(options: &Options) -> Result<ExitCode, Failure> {
    println!("seed {}", options.seed);
    println!("{}", report::HEADER);
    let mut code = ExitCode::SUCCESS;
    for target in &options.targets {
        let files = corpus::load(target)
            .map_err(|error| format!("no corpus for {}: {error}", target.name))?;
        let inputs: Vec<Vec<u8>> = files.into_iter().map(|(_, input)| input).collect();
        let campaign = Campaign {
            target,
            corpus: &inputs,
            executions: options.executions,
            seed: options.seed,
            journal: options.journal.as_deref(),
        };
        let summary = campaign.run()?;
        println!("{}", report::row(target, &summary));
        if let Some(crash) = &summary.crash {
            code = ExitCode::FAILURE;
            let file = keep(target, &crash.input)?;
            print!("{}", report::crash(target, options.seed, crash, &file));
        }
    }
    Ok(code)
}

fn keep(target: &Target, input: &[u8]) -> io::Result<std::path::PathBuf> {
    let folder = corpus::home().join("crashes").join(target.name);
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{:08x}", crc32fast::hash(input)));
    fs::write(&file, input)?;
    Ok(file)
}
