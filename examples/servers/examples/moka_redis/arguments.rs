use std::{env, path::PathBuf, time::Duration};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Serves reports on the primes up to a number, cached in process (moka) and in a shared
server (Redis or Valkey).

Usage: moka_redis [OPTIONS]

Options:
  --listen ADDR      Where to listen; 127.0.0.1:3000 if left out. Port 0 is any free one
  --redis URL        Where Redis is; what REDIS_URL says if left out, else
                     redis://127.0.0.1:6379. A password is safer in REDIS_URL, since other
                     users of the machine can see arguments
  --fresh SECONDS    How long a report is fresh; 60 if left out
  --keep SECONDS     How long a report is served at all; 600 if left out. One that is no
                     longer fresh is served, and made anew in the background
  --notes DIR        Where notes are kept: the instances of a service share it. A directory
                     `moka_redis` for temporary files if left out
  --instances N      How many processes serve; 1 if left out. They listen on this port and
                     the next ones, and end with this one
  -h, --help         Shows this text

  GET /primes/N      The report on the primes up to N
  DELETE /primes/N   Drops it from the cache
  GET /notes/N       What was noted of that report
  PUT /notes/N       Notes the body. The other instances have it within 250 milliseconds
  GET /status        What Redis has not confirmed, and what runs in the background
";

pub(crate) enum Command {
    Help,
    Run(Arguments),
}

pub(crate) struct Arguments {
    pub(crate) listen: String,
    pub(crate) redis: String,
    pub(crate) lives: Lives,
    pub(crate) notes: PathBuf,
    pub(crate) instances: u16,
    pub(crate) role: Role,
}

/// Whom the process belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    First,
    /// It ends when its standard input does.
    Another,
}

/// How long a report lives.
#[derive(Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) fresh: Duration,
    pub(crate) keep: Duration,
}

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut listen = String::from("127.0.0.1:3000");
    let mut redis = None;
    let mut lives = Lives {
        fresh: Duration::from_secs(60),
        keep: Duration::from_secs(600),
    };
    let (mut notes, mut instances, mut role) = (None, 1, Role::First);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("listen") => listen = parser.value()?.string()?,
            Long("redis") => redis = Some(parser.value()?.string()?),
            Long("fresh") => lives.fresh = seconds(&mut parser)?,
            Long("notes") => notes = Some(parser.value()?.into()),
            Long("instances") => instances = parser.value()?.parse()?,
            Long("another") => role = Role::Another,
            Long("keep") => lives.keep = seconds(&mut parser)?,
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    if lives.fresh > lives.keep {
        return Err("--fresh must not be longer than --keep".into());
    }
    Ok(Command::Run(Arguments {
        listen,
        redis: redis.unwrap_or_else(redis_of_environment),
        lives,
        notes: notes.unwrap_or_else(|| env::temp_dir().join("moka_redis")),
        instances,
        role,
    }))
}

/// At most what 32 bits hold, which is more than a century and never overflows a date.
fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let seconds: u32 = parser.value()?.parse()?;
    Ok(Duration::from_secs(seconds.into()))
}

fn redis_of_environment() -> String {
    let named = env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
    named.unwrap_or_else(|| String::from("redis://127.0.0.1:6379"))
}
