use std::{env, path::PathBuf};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Plans the delivery of parcels. The routes they take are kept in a cache, on disk (sled)
and in a DynamoDB table.

Usage: sled_dynamodb [OPTIONS]

Options:
  --jobs N           How many parcels; 1000 if left out
  --directory DIR    Where the cache is on disk; beside this program if left out
  --table NAME       The table, made if it is not there; hitbox-example if left out
  --endpoint URL     A server other than AWS's; what DYNAMODB_ENDPOINT says if left out
  --region REGION    What AWS_REGION says if left out, else us-east-1
  -h, --help         Shows this text

The credentials are those in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
";

pub(crate) enum Command {
    Help,
    Run(Arguments),
}

pub(crate) struct Arguments {
    pub(crate) jobs: u64,
    pub(crate) directory: PathBuf,
    pub(crate) table: Table,
}

pub(crate) struct Table {
    pub(crate) name: String,
    /// `None`: AWS's own.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut jobs = 1_000;
    let mut directory = None;
    let mut name = String::from("hitbox-example");
    let mut endpoint = variable("DYNAMODB_ENDPOINT");
    let mut region = variable("AWS_REGION");
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("jobs") => jobs = parser.value()?.parse()?,
            Long("directory") => directory = Some(PathBuf::from(parser.value()?)),
            Long("table") => name = parser.value()?.string()?,
            Long("endpoint") => endpoint = Some(parser.value()?.string()?),
            Long("region") => region = Some(parser.value()?.string()?),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    if variable("AWS_SESSION_TOKEN").is_some() {
        // The builder takes those from an `SdkConfig`, which the crate aws-config loads.
        return Err(
            "AWS_SESSION_TOKEN is set: this example takes permanent credentials only".into(),
        );
    }
    Ok(Command::Run(Arguments {
        jobs,
        directory: directory.map_or_else(beside_this_program, Ok)?,
        table: Table {
            name,
            endpoint,
            region: region.unwrap_or_else(|| String::from("us-east-1")),
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
        },
    }))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &str) -> Result<String, lexopt::Error> {
    let missing = || format!("{name} is not set; a server on one's own machine takes any value");
    variable(name).ok_or_else(|| missing().into())
}

/// In cargo's target directory, that is: `cargo clean` takes the cache away too.
fn beside_this_program() -> Result<PathBuf, lexopt::Error> {
    let program = env::current_exe()
        .map_err(|error| format!("give --directory, this program cannot find itself: {error}"))?;
    Ok(program.with_file_name("sled_dynamodb-cache"))
}
