use std::fmt;

use test_servers::{dynamodb::DynamoDbServer, redis::SharedRedis};
use tokio::runtime::Runtime;

use super::question::Question;
use crate::Failure;

/// The servers that questions need. They end when this is dropped, and with this process: not the one
/// that measures, so that its CPU time is its own.
pub(super) struct Servers {
    redis: Option<SharedRedis>,
    dynamodb: Option<DynamoDbServer>,
    // After the servers, which run on it.
    _runtime: Runtime,
}

/// What a question asks beside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    Redis,
    DynamoDb,
}

impl Servers {
    /// Starts what these questions need, or finds what the environment names.
    pub(super) fn start(questions: &[&Question]) -> Result<Self, Failure> {
        let wants = |wanted| questions.iter().any(|question| question.wants == wanted);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let redis = match wants(Wanted::Redis) {
            true => Some(runtime.block_on(SharedRedis::open())?),
            false => None,
        };
        let dynamodb = match wants(Wanted::DynamoDb) {
            true => Some(runtime.block_on(DynamoDbServer::start())?),
            false => None,
        };
        Ok(Self {
            redis,
            dynamodb,
            _runtime: runtime,
        })
    }

    /// What tells the programs where they are.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let redis = self.redis.as_ref();
        let redis = redis.map(|server| ("REDIS_URL", server.url().to_owned()));
        let dynamodb = self.dynamodb.as_ref();
        let dynamodb = dynamodb.map(|server| ("DYNAMODB_ENDPOINT", server.endpoint().to_owned()));
        redis.into_iter().chain(dynamodb).collect()
    }
}

/// A line for each server.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(redis) = &self.redis {
            writeln!(f, "redis: {}", redis.description())?;
        }
        if let Some(dynamodb) = &self.dynamodb {
            writeln!(f, "dynamodb: {dynamodb}")?;
        }
        Ok(())
    }
}
