//! What does the client compute for a read of a DynamoDB table?
//!
//! The server is the one that `DYNAMODB_ENDPOINT` names; `cargo xtask bench` starts one in its own
//! process. Here everything happens on one thread, whose CPU time is therefore the client's: what it
//! waits, and what the server does meanwhile, is not in it.

use std::{env, rc::Rc, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    types::{AttributeValue, KeysAndAttributes},
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use hitbox_backend::{Backend, CacheBackend, CacheKeyFormat};
use hitbox_core::{CacheContext, CacheKey};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{self, Body, Size, Text},
    keys::{self, Order},
    runtime,
};

const TABLE: &str = "hitbox-benches";

/// What servers on one's own machine take.
const REGION: &str = "us-east-1";
const ACCESS_KEY_ID: &str = "test";
const SECRET_ACCESS_KEY: &str = "test";

/// No more than one BatchGetItem takes.
const KEYS: usize = 100;

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

    /// A backend over a table that holds a body of this size under each key.
    fn backend<T: Body>(&self, size: Size) -> Result<DynamoDbBackend, Failure> {
        let backend = DynamoDbBackend::builder()
            .endpoint(&self.endpoint)
            .region(REGION)
            .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
            .table(TABLE)
            .namespace(&self.namespace)
            .build()?;
        let body = Arc::new(T::new(0, size));
        self.runtime.block_on(async {
            backend.create_table_if_missing().await?;
            for key in keys::keys(KEYS) {
                backend
                    .set(&key, bodies::value(&body, bodies::expiry()))
                    .await?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(backend)
    }

    /// A client with the settings of the backend's.
    fn client(&self) -> Client {
        let attempt = DynamoDbBackendBuilder::DEFAULT_ATTEMPT_TIMEOUT;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .disable_operation_timeout();
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "static");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::from_static(REGION))
            .credentials_provider(credentials)
            .http_client(HttpClientBuilder::new().build_http())
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Client::from_conf(config.build())
    }

    /// What the backend stores a key under.
    fn partition(&self, key: &CacheKey) -> AttributeValue {
        let format = CacheKeyFormat::namespaced(&self.namespace);
        AttributeValue::S(format.encode(key).into_owned())
    }
}

fn read<T: Body>(stage: &Stage, size: Size) -> Result<Runner, Failure> {
    let cache = stage.backend::<T>(size)?;
    let keys = keys::keys(KEYS);
    let mut order = Order::sequential(KEYS);
    Ok(Runner::repeating(&stage.runtime, async move || {
        let mut context = CacheContext::default().boxed();
        let found = cache.get::<T>(&keys[order.advance()], &mut context).await?;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    }))
}

/// GetItem of the same items.
fn raw_read(stage: &Stage) -> Runner {
    let client = stage.client();
    let keys = keys::keys(KEYS);
    let partitions: Vec<_> = keys.iter().map(|key| stage.partition(key)).collect();
    let mut order = Order::sequential(KEYS);
    Runner::repeating(&stage.runtime, async move || {
        let partition = partitions[order.advance()].clone();
        let request = client.get_item().table_name(TABLE).key("key", partition);
        let reply = request.consistent_read(true).send().await?;
        std::hint::black_box(&reply.item.ok_or("a miss")?);
        Ok(())
    })
}

fn read_many<T: Body>(stage: &Stage, size: Size) -> Result<Runner, Failure> {
    let cache = stage.backend::<T>(size)?;
    let keys = keys::keys(KEYS);
    Ok(Runner::repeating(&stage.runtime, async move || {
        for outcome in cache.read_many(&keys).await {
            std::hint::black_box(&outcome?.ok_or("a miss")?);
        }
        Ok(())
    }))
}

/// One BatchGetItem of the same items.
fn raw_read_many(stage: &Stage) -> Runner {
    let client = stage.client();
    let keys = keys::keys(KEYS);
    let partitions: Vec<_> = keys.iter().map(|key| stage.partition(key)).collect();
    Runner::repeating(&stage.runtime, async move || {
        let mut asked = KeysAndAttributes::builder().consistent_read(true);
        for partition in &partitions {
            asked = asked.keys([("key".to_owned(), partition.clone())].into());
        }
        let request = client.batch_get_item().request_items(TABLE, asked.build()?);
        let found = request.send().await?.responses.unwrap_or_default();
        if found.values().map(Vec::len).sum::<usize>() != KEYS {
            return Err("a miss".into());
        }
        std::hint::black_box(&found);
        Ok(())
    })
}

fn case(
    what: &str,
    size: Size,
    target: Target,
    contest: impl Fn(&Stage, Size) -> Result<Contest, Failure> + 'static,
) -> Case {
    let name = format!("dynamodb/{what}, client CPU/{size} String");
    let case = Case::contest(name, move || {
        Ok(contest(&Stage::new()?, size)?.in_chunks_of(CHUNK))
    });
    let case = case.target(target).by_cpu_time().counts(Counts::Nothing);
    match size {
        Size::ONE_KB => case.quick(),
        _ => case,
    }
}

/// Reads of one and of many, by sizes.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        cases.push(case("read", size, Target::at_most(1.05), |stage, size| {
            let ours = read::<Text>(stage, size)?;
            Ok(Contest::between(ours, raw_read(stage)))
        }));
        let what = format!("read_many of {KEYS}");
        cases.push(case(&what, size, Target::at_most(1.2), |stage, size| {
            let ours = read_many::<Text>(stage, size)?;
            Ok(Contest::between(ours, raw_read_many(stage)))
        }));
    }
    cases
}
