use std::{ffi::OsStr, path::PathBuf};

use hitbox_fuzz::{TARGETS, Target};
use lexopt::{Arg, Error, Parser, ValueExt};

pub(crate) const HELP: &str = "\
Runs fuzz targets on their corpora and on mutations of them, on the stable toolchain.

Usage: cargo xtask fuzz [TARGET..] [OPTIONS]

Options:
      --executions N  Run N mutated inputs for each target (1000000)
      --seed S        Draw the mutations with S; the same seed makes the same inputs (random)
      --replay FILE   Run this input only. Without a TARGET, the folder of the file names it
      --journal FILE  Leave each input in FILE before it is run, for a failure that ends the
                      process, as a stack overflow does. Slow
      --list          Print the targets
  -h, --help          Print this

The corpora are in fuzz/corpus/TARGET. An input that fails is kept in fuzz/crashes/TARGET.
";

const DEFAULT_EXECUTIONS: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) enum Request {
    Help,
    List,
    Replay(&'static Target, PathBuf),
    Run(Options),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) targets: Vec<&'static Target>,
    pub(crate) executions: u64,
    pub(crate) seed: u64,
    pub(crate) journal: Option<PathBuf>,
}

pub(crate) fn parse(mut arguments: Parser) -> Result<Request, Error> {
    let mut options = Options {
        targets: Vec::new(),
        executions: DEFAULT_EXECUTIONS,
        seed: fastrand::u64(..),
        journal: None,
    };
    let mut replayed = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("list") => return Ok(Request::List),
            Arg::Long("executions") => options.executions = arguments.value()?.parse()?,
            Arg::Long("seed") => options.seed = arguments.value()?.parse()?,
            Arg::Long("journal") => options.journal = Some(arguments.value()?.into()),
            Arg::Long("replay") => replayed = Some(PathBuf::from(arguments.value()?)),
            Arg::Value(name) => options.targets.push(target(&name)?),
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected()),
        }
    }
    if let Some(file) = replayed {
        let folder = file.parent().and_then(|folder| folder.file_name());
        return match (options.targets.first(), folder) {
            (Some(target), _) => Ok(Request::Replay(target, file)),
            (None, Some(folder)) => Ok(Request::Replay(target(folder)?, file)),
            (None, None) => Err("which target is the file for?".into()),
        };
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(Request::Run(options))
}

fn target(name: &OsStr) -> Result<&'static Target, Error> {
    let known = || TARGETS.iter().map(|target| target.name);
    name.to_str().and_then(Target::named).ok_or_else(|| {
        let known: Vec<_> = known().collect();
        format!(
            "there is no target {}; the targets are: {}",
            name.display(),
            known.join(", ")
        )
        .into()
    })
}
