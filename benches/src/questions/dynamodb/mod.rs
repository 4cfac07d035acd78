//! What does the client compute for a read of a DynamoDB table?
//!
//! The server is the one that `DYNAMODB_ENDPOINT` names; `cargo xtask bench` starts one in another
//! process. Here everything happens on one thread, whose CPU time is therefore the client's: what it
//! waits, and what the server does meanwhile, is not in it.

mod bulk;

use std::{env, rc::Rc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Intercept, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    types::AttributeValue,
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use hitbox_backend::CacheKeyFormat;
use hitbox_core::CacheKey;
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use tokio::runtime::Runtime;

use super::{
    arrangement::{fill, hits},
    in_l1::MANY,
};
use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{Body, Size, Text},
    keys::{self, Order},
    runtime,
};

const TABLE: &str = "hitbox-benches";

/// What servers on one's own machine take.
const REGION: &str = "us-east-1";
const ACCESS_KEY_ID: &str = "test";
const SECRET_ACCESS_KEY: &str = "test";

/// An operation takes half a millisecond; many of them make the clock's grain small.
const CHUNK: Duration = Duration::from_millis(10);

struct Stage {
    runtime: Rc<Runtime>,
    endpoint: String,
    namespace: String,
}

impl Stage {
    fn new() -> Result<Self, Failure> {
        let endpoint = env::var("DYNAMODB_ENDPOINT").ok();
        let endpoint = endpoint
            .filter(|endpoint| !endpoint.is_empty())
            .ok_or("no server: `cargo xtask bench` starts one, or DYNAMODB_ENDPOINT names one")?;
        Ok(Self {
            runtime: runtime()?,
            endpoint,
            namespace: format!("{:016x}", fastrand::u64(..)),
        })
    }

    /// A backend over a table that holds a body of this size, its own, under each key.
    fn backend<T: Body>(&self, size: Size) -> Result<DynamoDbBackend, Failure> {
        let builder = DynamoDbBackend::builder()
            .endpoint(&self.endpoint)
            .region(REGION)
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY);
        self.filled::<T>(builder, size)
    }

    /// The same by a client with this interceptor.
    fn watched_backend<T: Body>(
        &self,
        watching: impl Intercept + 'static,
        size: Size,
    ) -> Result<DynamoDbBackend, Failure> {
        let config = self.config().interceptor(watching);
        let builder = DynamoDbBackend::builder().client(Client::from_conf(config.build()));
        self.filled::<T>(builder, size)
    }

    fn filled<T: Body>(
        &self,
        builder: DynamoDbBackendBuilder,
        size: Size,
    ) -> Result<DynamoDbBackend, Failure> {
        let backend = builder.table(TABLE).namespace(&self.namespace).build()?;
        self.runtime.block_on(backend.create_table_if_missing())?;
        fill::<T>(&self.runtime, &backend, MANY, size)?;
        Ok(backend)
    }

    /// A client with the settings of the backend's.
    fn client(&self) -> Client {
        Client::from_conf(self.config().build())
    }

    fn config(&self) -> aws_sdk_dynamodb::config::Builder {
        let attempt = DynamoDbBackendBuilder::DEFAULT_ATTEMPT_TIMEOUT;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .disable_operation_timeout();
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "static");
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::from_static(REGION))
            .credentials_provider(credentials)
            .http_client(HttpClientBuilder::new().build_http())
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
    }

    /// What the backend stores a key under.
    fn partition(&self, key: &CacheKey) -> AttributeValue {
        let format = CacheKeyFormat::namespaced(&self.namespace);
        AttributeValue::S(format.encode(key).into_owned())
    }
}

fn read<T: Body>(stage: &Stage, size: Size) -> Result<Runner, Failure> {
    let cache = stage.backend::<T>(size)?;
    let (keys, order) = (keys::keys(MANY), Order::sequential(MANY));
    Ok(hits::<T>(&stage.runtime, cache, keys, order))
}

/// GetItem of the same items.
fn raw_read(stage: &Stage) -> Runner {
    let client = stage.client();
    let keys = keys::keys(MANY);
    let partitions: Vec<_> = keys.iter().map(|key| stage.partition(key)).collect();
    let mut order = Order::sequential(MANY);
    Runner::repeating(&stage.runtime, async move || {
        let partition = partitions[order.advance()].clone();
        let request = client.get_item().table_name(TABLE).key("key", partition);
        let reply = request.consistent_read(true).send().await?;
        std::hint::black_box(&reply.item.ok_or("a miss")?);
        Ok(())
    })
}

fn case(
    what: &str,
    size: Size,
    target: Option<Target>,
    contest: impl Fn(&Stage, Size) -> Result<Contest, Failure> + 'static,
) -> Case {
    let name = format!("dynamodb/{what}, client CPU/{size} String");
    let case = Case::contest(name, move || {
        Ok(contest(&Stage::new()?, size)?.in_chunks_of(CHUNK))
    });
    let case = case.by_cpu_time().counts(Counts::Nothing);
    let case = match target {
        Some(target) => case.target(target),
        None => case,
    };
    case.quick_at(size)
}

/// Reads of one and of many, by sizes.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        cases.push(case(
            "read",
            size,
            Some(Target::at_most(1.05)),
            |stage, size| {
                let ours = read::<Text>(stage, size)?;
                Ok(Contest::between(ours, raw_read(stage)))
            },
        ));
    }
    cases.extend(bulk::cases());
    cases
}
