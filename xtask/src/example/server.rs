//! The servers that examples need.

use std::{env, fmt};

use test_servers::{
    dynamodb::{ACCESS_KEY_ID, DynamoDbServer, ENDPOINT_VARIABLE, REGION, SECRET_ACCESS_KEY},
    redis::SharedRedis,
};

use crate::Failure;

/// The kind of server that an example needs.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
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

/// A server for as long as an example runs. One that was started ends when this is dropped.
///
/// Shown with `{}`, it says in one line which server it is.
pub(super) enum Server {
    None,
    Redis(SharedRedis),
    DynamoDb(DynamoDbServer),
}

impl Server {
    pub(super) async fn start(wanted: Wanted) -> Result<Self, Failure> {
        Ok(match wanted {
            Wanted::Nothing => Self::None,
            Wanted::Redis => Self::Redis(SharedRedis::open().await?),
            Wanted::DynamoDb => Self::DynamoDb(DynamoDbServer::start().await?),
        })
    }

    /// What tells the example where the server is.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Redis(server) => vec![("REDIS_URL", server.url().to_owned())],
            Self::DynamoDb(server) => {
                let mut variables = vec![(ENDPOINT_VARIABLE, server.endpoint().to_owned())];
                // Servers on one's own machine take any credentials; those of the user, if there
                // are some, may be for the server that the user has named.
                for (name, value) in [
                    ("AWS_REGION", REGION),
                    ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
                    ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
                ] {
                    if env::var_os(name).is_none_or(|value| value.is_empty()) {
                        variables.push((name, value.to_owned()));
                    }
                }
                variables
            }
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("needs no server"),
            Self::Redis(server) => write!(f, "Redis is {}", server.description()),
            Self::DynamoDb(server) => server.fmt(f),
        }
    }
}
