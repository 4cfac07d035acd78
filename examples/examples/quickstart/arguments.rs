use std::{
    env, fs,
    path::{Path, PathBuf},
};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Reports on every file below a directory: lines, words, digest, most frequent words.
Reports are kept in a cache, in process (moka) and on disk (sled), and made anew
only for files that have changed.

Usage: quickstart [OPTIONS] [DIR]

  DIR                The directory; the current one if left out. Left out of it are .git,
                     what git ignores, directories marked as caches (CACHEDIR.TAG, such
                     as cargo's target), and symbolic links.

Options:
  --cache-dir DIR    Where the cache is on disk; beside this program if left out
  --clear            Empties the cache first
  --no-cache         Makes all reports anew and leaves the cache alone
  -h, --help         Shows this text
";

pub(crate) enum Command {
    Help,
    Run(Arguments),
}

pub(crate) struct Arguments {
    /// Absolute, without symbolic links.
    pub(crate) root: PathBuf,
    pub(crate) cache_directory: PathBuf,
    pub(crate) cache: CacheUse,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheUse {
    Keep,
    Clear,
    Bypass,
}

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut root = None;
    let mut cache_directory = None;
    let mut cache = CacheUse::Keep;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("cache-dir") => cache_directory = Some(PathBuf::from(parser.value()?)),
            Long("clear") => cache = choose(cache, CacheUse::Clear)?,
            Long("no-cache") => cache = choose(cache, CacheUse::Bypass)?,
            Value(directory) if root.is_none() => root = Some(PathBuf::from(directory)),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    let root = existing_directory(&root.unwrap_or_else(|| PathBuf::from(".")))?;
    let cache_directory = match cache_directory {
        Some(directory) => std::path::absolute(&directory)
            .map_err(|error| format!("--cache-dir {}: {error}", directory.display()))?,
        None => beside_this_program()?,
    };
    if root.starts_with(&cache_directory) {
        let cache_directory = cache_directory.display();
        return Err(format!("the cache directory {cache_directory} must not hold DIR").into());
    }
    Ok(Command::Run(Arguments {
        root,
        cache_directory,
        cache,
    }))
}

fn choose(before: CacheUse, chosen: CacheUse) -> Result<CacheUse, lexopt::Error> {
    match before {
        CacheUse::Keep => Ok(chosen),
        CacheUse::Clear | CacheUse::Bypass if before == chosen => Ok(chosen),
        CacheUse::Clear | CacheUse::Bypass => {
            Err("--clear and --no-cache exclude each other".into())
        }
    }
}

fn existing_directory(path: &Path) -> Result<PathBuf, lexopt::Error> {
    let absolute =
        fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if absolute.is_dir() {
        Ok(absolute)
    } else {
        Err(format!("{}: not a directory", path.display()).into())
    }
}

/// In cargo's target directory, that is: `cargo clean` takes the cache away too.
fn beside_this_program() -> Result<PathBuf, lexopt::Error> {
    let program = env::current_exe()
        .map_err(|error| format!("give --cache-dir, this program cannot find itself: {error}"))?;
    Ok(program.with_file_name("quickstart-cache"))
}
