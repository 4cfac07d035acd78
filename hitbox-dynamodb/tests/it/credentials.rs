//! Credentials that take their time, that end, that are refused, and that no header can hold.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::stub::{Answer, Stub};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider},
};
use aws_types::SdkConfig;
use hitbox_backend::{Backend, BackendError, BackendErrorKind};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use serde_json::json;
use tokio::{
    runtime,
    sync::Semaphore,
    time::{sleep, timeout},
};

fn key() -> CacheKey {
    CacheKey::from_pair("key", "k")
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now())
}

type Load = fn(usize) -> provider::Result;

/// A provider that gives what `load` makes of the number of loads before, once it may.
#[derive(Clone)]
struct Provider {
    load: Load,
    begun: Arc<AtomicUsize>,
    /// One permit for each load.
    may: Arc<Semaphore>,
}

impl Provider {
    fn new(load: Load, permits: usize) -> Self {
        Self {
            load,
            begun: Arc::default(),
            may: Arc::new(Semaphore::new(permits)),
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let before = self.begun.fetch_add(1, Ordering::SeqCst);
            self.may.acquire().await.unwrap().forget();
            (self.load)(before)
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

fn given(id: &str, token: Option<&str>, life: Option<Duration>) -> Credentials {
    let expiry = life.map(|life| SystemTime::now() + life);
    Credentials::new(id, "secret", token.map(str::to_owned), expiry, "test")
}

fn config(stub: &Stub, provider: &Provider) -> SdkConfig {
    SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(provider.clone()))
        .endpoint_url(stub.endpoint())
        .build()
}

fn settings(stub: &Stub, provider: &Provider) -> DynamoDbBackendBuilder {
    let settings = DynamoDbBackend::builder().table("cache");
    settings.sdk_config(config(stub, provider))
}

/// With the default deadlines.
fn hurried(stub: &Stub, provider: &Provider) -> DynamoDbBackend {
    settings(stub, provider).build().unwrap()
}

/// With time enough on any machine.
fn backend(stub: &Stub, provider: &Provider) -> DynamoDbBackend {
    let settings = settings(stub, provider).deadline(Duration::from_secs(60));
    settings
        .attempt_timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

async fn stub() -> Stub {
    Stub::start(|_, _, _| Answer::ok(json!({}))).await
}

fn assert_missing(error: &BackendError) {
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(
        error.to_string().contains("credentials are missing"),
        "{error}"
    );
    assert!(error.is_definite(), "{error:?}");
}

/// Reads until it works, as an application does.
async fn read_until_it_works(backend: &DynamoDbBackend) {
    let reading = async {
        while backend.read(&key()).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), reading).await.unwrap();
}

#[tokio::test]
async fn credentials_that_take_longer_than_a_call_are_loaded_once_and_arrive() {
    let (stub, provider) = (
        stub().await,
        Provider::new(|_| Ok(given("id", None, None)), 0),
    );
    let given_client = Config::from(&config(&stub, &provider)).to_builder();
    let given_client = given_client.behavior_version(BehaviorVersion::latest());
    let settings = DynamoDbBackend::builder().table("cache");
    let by_client = settings.client(Client::from_conf(given_client.build()));
    for backend in [hurried(&stub, &provider), by_client.build().unwrap()] {
        let begun = provider.begun();
        assert_missing(&backend.read(&key()).await.unwrap_err());
        assert_missing(&backend.write(&key(), value()).await.unwrap_err());
        assert_missing(&backend.remove(&key()).await.unwrap_err());
        let many = backend.write_many(vec![(key(), value())]).await;
        assert_missing(many[0].as_ref().unwrap_err());
        let requests = stub.requests();
        provider.may.add_permits(1);
        read_until_it_works(&backend).await;
        assert_eq!(provider.begun(), begun + 1);
        assert_eq!(stub.requests(), requests + 1);
        backend.write(&key(), value()).await.unwrap();
        assert_eq!(provider.begun(), begun + 1);
    }
}

/// As when an application starts: what makes its table has more time than a call.
#[tokio::test]
async fn a_table_waits_for_credentials() {
    let (stub, provider) = (
        Stub::start(|operation, _, _| match operation {
            "DescribeTable" => Answer::ok(json!({"Table": {
                "TableName": "cache",
                "TableStatus": "ACTIVE",
                "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
            }})),
            _ => Answer::ok(json!({"TimeToLiveDescription": {
                "TimeToLiveStatus": "ENABLED",
                "AttributeName": "ttl",
            }})),
        })
        .await,
        Provider::new(|_| Ok(given("id", None, None)), 0),
    );
    let backend = hurried(&stub, &provider);
    let late = async {
        sleep(Duration::from_millis(1_500)).await;
        provider.may.add_permits(1);
    };
    let (made, ()) = tokio::join!(backend.create_table_if_missing(), late);
    made.unwrap();
    assert_eq!(provider.begun(), 1);
}

/// The renewal hangs, and the old ones are good for a while.
#[tokio::test]
async fn credentials_are_renewed_while_the_old_ones_are_valid() {
    let load: Load = |before| match before {
        0 => Ok(given("first", None, Some(Duration::from_secs(3_600)))),
        _ => panic!("not yet"),
    };
    let (stub, provider) = (stub().await, Provider::new(load, 1));
    let backend = backend(&stub, &provider);
    backend.read(&key()).await.unwrap();
    backend.read(&key()).await.unwrap();
    assert_eq!(provider.begun(), 1);

    let load: Load = |_| Ok(given("brief", None, Some(Duration::from_secs(4))));
    let brief = Provider::new(load, 1);
    let backend = hurried(&stub, &brief);
    read_until_it_works(&backend).await;
    // Half of their life is over.
    sleep(Duration::from_millis(2_100)).await;
    backend.read(&key()).await.unwrap();
    assert_eq!(brief.begun(), 2);
    // They have expired, and the others are not there yet.
    sleep(Duration::from_secs(2)).await;
    assert_missing(&backend.read(&key()).await.unwrap_err());
    brief.may.add_permits(1_000);
    read_until_it_works(&backend).await;
}

#[tokio::test]
async fn a_provider_that_fails_is_said_to_and_asked_again() {
    let load: Load = |before| match before {
        0 => Err(CredentialsError::provider_error("the password is hunter2")),
        1 => Err(CredentialsError::not_loaded("nothing there")),
        2 => panic!("a provider that panics"),
        _ => Ok(given("id", None, None)),
    };
    let (stub, provider) = (stub().await, Provider::new(load, 1_000));
    let backend = backend(&stub, &provider);
    for says in ["provider failed", "there are none", "has panicked"] {
        let error = backend.read(&key()).await.unwrap_err();
        assert_missing(&error);
        let message = format!("{error} {error:?}");
        assert!(
            message.contains(says) && !message.contains("hunter2"),
            "{message}"
        );
        sleep(Duration::from_millis(200)).await;
    }
    read_until_it_works(&backend).await;
}

/// Which costs a call that waits for them elsewhere nothing but time.
#[tokio::test]
async fn a_load_that_ends_with_its_runtime_is_begun_anew() {
    let (stub, provider) = (
        stub().await,
        Provider::new(|_| Ok(given("id", None, None)), 0),
    );
    let backend = backend(&stub, &provider);
    let began_there = backend.clone();
    let elsewhere = tokio::task::spawn_blocking(move || {
        let elsewhere = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let brief = Duration::from_millis(50);
        let read = async { timeout(brief, began_there.read(&key())).await };
        elsewhere.block_on(read).unwrap_err();
        elsewhere
    });
    let elsewhere = elsewhere.await.unwrap();
    assert_eq!(provider.begun(), 1);
    let end = async {
        sleep(Duration::from_millis(50)).await;
        elsewhere.shutdown_background();
        provider.may.add_permits(1);
    };
    let key = key();
    let (read, ()) = tokio::join!(backend.read(&key), end);
    assert_eq!(read.unwrap(), None);
    assert_eq!(provider.begun(), 2);
}

/// The SDK panics on them.
#[tokio::test]
async fn what_no_header_can_hold_is_an_error_and_no_panic() {
    let loads: [Load; 4] = [
        |_| Ok(given("id\n", None, None)),
        |_| Ok(given("i\u{e9}d", None, None)),
        |_| Ok(given("id", Some("token\r\n"), None)),
        |_| Ok(given("id\0", None, None)),
    ];
    for load in loads {
        let (stub, provider) = (stub().await, Provider::new(load, 1_000));
        let backend = backend(&stub, &provider);
        let read = backend.read(&key()).await.unwrap_err();
        let written = backend.write(&key(), value()).await.unwrap_err();
        let removed = backend.remove(&key()).await.unwrap_err();
        for error in [read, written, removed] {
            assert_missing(&error);
            assert!(error.to_string().contains("line end"), "{error}");
        }
        assert_eq!(stub.requests(), 0);
    }
}

/// As after they were revoked: they are loaded anew before their time.
#[tokio::test]
async fn credentials_that_the_service_refuses_are_renewed() {
    let load: Load = |before| Ok(given(["revoked", "new"][before.min(1)], None, None));
    let provider = Provider::new(load, 1_000);
    let stub = Stub::start(|_, _, before| match before {
        0 => Answer::ok(json!({})),
        1..=3 => Answer::error(400, "ExpiredTokenException"),
        _ => Answer::ok(json!({})),
    })
    .await;
    let backend = backend(&stub, &provider);
    backend.read(&key()).await.unwrap();
    // Not so soon after they were loaded: it may have been something else.
    let error = backend.read(&key()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied);
    assert_eq!(provider.begun(), 1);
    sleep(Duration::from_millis(5_100)).await;
    backend.read(&key()).await.unwrap_err();
    let renewed = async {
        while provider.begun() < 2 {
            drop(backend.read(&key()).await);
        }
    };
    timeout(Duration::from_secs(60), renewed).await.unwrap();
}

/// Whatever panics within the client ends the call and nothing else.
#[tokio::test]
async fn a_panic_within_the_client_is_an_error() {
    #[derive(Debug)]
    struct Panics;
    impl aws_sdk_dynamodb::config::Intercept for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }

        fn read_before_transmit(
            &self,
            _: &aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef<'_>,
            _: &aws_sdk_dynamodb::config::RuntimeComponents,
            _: &mut aws_sdk_dynamodb::config::ConfigBag,
        ) -> Result<(), aws_sdk_dynamodb::error::BoxError> {
            panic!("of the application");
        }
    }
    let (stub, provider) = (
        stub().await,
        Provider::new(|_| Ok(given("id", None, None)), 1),
    );
    let client = Config::from(&config(&stub, &provider)).to_builder();
    let client = client
        .behavior_version(BehaviorVersion::latest())
        .interceptor(Panics);
    let settings = DynamoDbBackend::builder().table("cache");
    let backend = settings
        .client(Client::from_conf(client.build()))
        .build()
        .unwrap();
    let read = backend.read(&key()).await.unwrap_err();
    let written = backend.write(&key(), value()).await.unwrap_err();
    let many = backend.read_many(&[key()]).await.remove(0).unwrap_err();
    for error in [read, written, many] {
        assert_eq!(error.kind(), BackendErrorKind::Internal);
        assert!(
            error.to_string().contains("panicked") && !error.is_definite(),
            "{error}"
        );
    }
}
