use std::{fmt, time::Duration};

use hitbox_dynamodb::DynamoDbBackend;
use hitbox_redis::RedisBackend;
use test_servers::{
    dynamodb::{ACCESS_KEY_ID, DynamoDbServer, REGION, SECRET_ACCESS_KEY},
    redis::SharedRedis,
};
use xtask::Failure;

use super::adapter::Adapter;

/// Far longer than an operation takes on a machine that runs several cases at a time. What backends
/// do at their deadlines is what the adapters' own tests are about.
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers that the cases need. They end when this is dropped, and with this process.
pub(super) struct Servers {
    redis: Option<SharedRedis>,
    dynamodb: Option<Table>,
}

/// A server with a table for this run.
struct Table {
    server: DynamoDbServer,
    name: String,
}

impl Servers {
    /// Starts what these adapters need, or finds what the environment names.
    pub(super) async fn start(adapters: &[Adapter]) -> Result<Self, Failure> {
        let redis = if adapters.contains(&Adapter::Redis) {
            Some(SharedRedis::open().await?)
        } else {
            None
        };
        let dynamodb = if adapters.contains(&Adapter::DynamoDb) {
            Some(Table::create().await?)
        } else {
            None
        };
        Ok(Self { redis, dynamodb })
    }

    /// A backend whose entries no other backend of this run sees.
    pub(super) fn redis(&self, label: &'static str) -> Result<RedisBackend, String> {
        let server = self.redis.as_ref().ok_or("Redis was not started")?;
        let namespace = format!("{}-{:016x}", server.namespace(), fastrand::u64(..));
        let builder = RedisBackend::builder()
            .url(server.url())
            .namespace(&namespace)
            .label(label)
            .deadline(PATIENCE);
        builder.build().map_err(|error| error.to_string())
    }

    /// A backend whose entries no other backend of this run sees.
    pub(super) fn dynamodb(&self, label: &'static str) -> Result<DynamoDbBackend, String> {
        let table = self.dynamodb.as_ref().ok_or("DynamoDB was not started")?;
        let namespace = format!("{:016x}", fastrand::u64(..));
        table
            .backend(&namespace, label)
            .map_err(|error| error.to_string())
    }

    /// Removes what the run has made on servers that are not its own.
    pub(super) async fn clean_up(&self) {
        if let Some(table) = &self.dynamodb {
            let request = table.server.client().delete_table();
            if let Err(error) = request.table_name(&table.name).send().await {
                eprintln!("the table {} is left behind: {error}", table.name);
            }
        }
    }
}

/// A line for each server.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(redis) = &self.redis {
            writeln!(f, "redis: {}", redis.description())?;
        }
        if let Some(table) = &self.dynamodb {
            writeln!(f, "dynamodb: {}", table.server)?;
        }
        Ok(())
    }
}

impl Table {
    async fn create() -> Result<Self, Failure> {
        let table = Self {
            server: DynamoDbServer::start().await?,
            name: format!("hitbox-integration-{:016x}", fastrand::u64(..)),
        };
        let backend = table.backend("", "dynamodb")?;
        backend.create_table_if_missing().await?;
        Ok(table)
    }

    fn backend(
        &self,
        namespace: &str,
        label: &'static str,
    ) -> hitbox_backend::BackendResult<DynamoDbBackend> {
        DynamoDbBackend::builder()
            .endpoint(self.server.endpoint())
            .region(REGION)
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
            .table(&self.name)
            .namespace(namespace)
            .label(label)
            .deadline(PATIENCE)
            .attempt_timeout(PATIENCE)
            .build()
    }
}
