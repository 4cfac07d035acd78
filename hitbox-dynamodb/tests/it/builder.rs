//! What a builder refuses, and what nothing ever shows.

use std::{
    error::Error,
    fmt::Debug,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use crate::stub::{Answer, Stub};
use crate::table::{Table, at};
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider},
};
use aws_types::SdkConfig;
use hitbox_backend::{Backend, BackendError, BackendErrorKind, CacheKeyFormat};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{AttributeNames, DynamoDbBackend, DynamoDbBackendBuilder, ReadConsistency};

const SECRET: &str = "wJalrXUtnFEMI";

fn builder() -> DynamoDbBackendBuilder {
    at("http://127.0.0.1:1").table("cache")
}

fn sdk_config(endpoint: &str) -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new("id", SECRET, None, None, "test");
    SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
}

#[test]
fn settings_that_cannot_work_are_named() {
    let names = AttributeNames::default;
    let bare = DynamoDbBackend::builder;
    let no_credentials = SdkConfig::builder().region(Region::new("r")).build();
    let with_region = |region: &'static str| {
        let config = sdk_config("http://127.0.0.1:1").region(Region::new(region));
        bare().table("cache").sdk_config(config.build())
    };
    let with_endpoint = |endpoint| {
        bare()
            .table("cache")
            .sdk_config(sdk_config(endpoint).build())
    };
    let forever = Duration::MAX;
    let second = Duration::from_secs(1);
    let cases = [
        ("table", bare().region("r").credentials("a", "b")),
        ("table", builder().table("")),
        ("region", bare().table("cache").credentials("a", "b")),
        ("credentials", bare().table("cache").region("r")),
        ("endpoint", builder().endpoint("localhost:8000")),
        ("endpoint", builder().endpoint("http://")),
        (
            "endpoint",
            builder().endpoint(format!("http://a:{SECRET}@host/")),
        ),
        ("sdk_config", builder().sdk_config(no_credentials.clone())),
        (
            "sdk_config",
            bare().table("cache").sdk_config(no_credentials),
        ),
        ("table", builder().table("a b")),
        ("table", builder().table("cache\n")),
        ("table", builder().table("x".repeat(256))),
        ("region", builder().region("")),
        ("region", builder().region("us east")),
        ("region", builder().region("us-east-1\n")),
        ("credentials", builder().credentials("", SECRET)),
        ("credentials", builder().credentials("id", "")),
        ("credentials", builder().credentials("id\n", SECRET)),
        (
            "credentials",
            builder().credentials("id", format!("{SECRET}\r\n")),
        ),
        ("credentials", builder().credentials(" id", SECRET)),
        ("credentials", builder().credentials("\u{e9}", SECRET)),
        ("endpoint", builder().endpoint("")),
        ("endpoint", builder().endpoint("http://ho st:1")),
        ("endpoint", builder().endpoint("http://host:99999")),
        ("endpoint", builder().endpoint("http://host:0")),
        ("endpoint", builder().endpoint("http://host\n")),
        (
            "endpoint",
            builder().endpoint(format!("http://host/?{SECRET}")),
        ),
        ("sdk_config", with_region("")),
        ("sdk_config", with_region("us\neast")),
        ("sdk_config", with_endpoint("http://host:99999")),
        ("deadline", builder().deadline(Duration::ZERO)),
        ("deadline", builder().deadline(Duration::from_nanos(1))),
        ("deadline", builder().deadline(forever)),
        ("attempt_timeout", builder().attempt_timeout(Duration::ZERO)),
        ("attempt_timeout", builder().attempt_timeout(forever)),
        ("attempt_timeout", builder().attempt_timeout(second)),
        ("connect_timeout", builder().connect_timeout(Duration::ZERO)),
        ("connect_timeout", builder().connect_timeout(forever)),
        ("connect_timeout", builder().connect_timeout(second)),
        ("max_connections", builder().max_connections(0)),
        ("max_connections", builder().max_connections(usize::MAX)),
        ("largest_value", builder().largest_value(usize::MAX)),
        ("largest_value", builder().largest_value(0)),
        ("largest_decoded", builder().largest_decoded(0)),
        ("label", builder().label("")),
        ("largest_value", builder().largest_value(400 << 10)),
        (
            "attribute_names",
            builder().attribute_names(names().payload("key")),
        ),
        (
            "attribute_names",
            builder().attribute_names(names().payload("")),
        ),
        (
            "key_format",
            builder().key_format(CacheKeyFormat::namespaced(&"n".repeat(2_000))),
        ),
    ];
    for (setting, builder) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        let message = error.to_string();
        assert!(
            message.contains(&format!("`{setting}`")),
            "{setting}: {message}"
        );
        assert!(!message.contains(SECRET), "{message}");
    }
}

#[tokio::test]
async fn an_sdk_config_without_client_and_behaviour_version_will_do() {
    let table = Table::create().await;
    let backend = DynamoDbBackend::builder()
        .table(&table.name)
        .sdk_config(sdk_config(table.server.endpoint()).build())
        .read_consistency(ReadConsistency::Eventual)
        .build()
        .unwrap();
    backend.verify_table().await.unwrap();
    let key = CacheKey::from_pair("key", "k");
    let value = CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now());
    backend.write(&key, value.clone()).await.unwrap();
    assert_eq!(backend.read(&key).await.unwrap(), Some(value));
}

/// The SDK notices only when it is about to send something.
#[tokio::test]
async fn a_client_that_cannot_send_is_said_to_lack_something() {
    let config = || {
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
    };
    let credentials = Credentials::new("id", SECRET, None, None, "test");
    let http_client = aws_smithy_http_client::Builder::new().build_http();
    for (config, expected) in [
        // The backend brings an HTTP client.
        (
            config().credentials_provider(credentials),
            "Connection refused",
        ),
        (
            config().http_client(http_client),
            "credentials can be loaded",
        ),
    ] {
        let client = Client::from_conf(config.build());
        let settings = DynamoDbBackend::builder().table("cache").client(client);
        let backend = settings.build().unwrap();
        let error = backend.verify_table().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// Builds, or says why not: nothing else.
fn build(setting: &str, value: &dyn Debug, builder: impl FnOnce() -> DynamoDbBackendBuilder) {
    let built = panic::catch_unwind(AssertUnwindSafe(|| builder().build()));
    let built = built.unwrap_or_else(|_| panic!("`{setting}` of {value:?} panics"));
    if let Err(error) = built {
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        let message = error.to_string();
        let named = format!("`{setting}`");
        assert!(message.contains(&named), "{setting}, {value:?}: {message}");
    }
}

#[test]
fn no_setting_panics_at_any_value() {
    let nanos = [0, 1, 999_999, 1_000_000, 400_000_000, u64::MAX].map(Duration::from_nanos);
    for value in [&nanos[..], &[Duration::MAX]].concat() {
        build("deadline", &value, || builder().deadline(value));
        build("attempt_timeout", &value, || {
            builder().attempt_timeout(value)
        });
        build("connect_timeout", &value, || {
            builder().connect_timeout(value)
        });
    }
    for value in [0, 1, 65_535, 65_536, usize::MAX >> 3, usize::MAX] {
        build("max_connections", &value, || {
            builder().max_connections(value)
        });
        build("largest_value", &value, || builder().largest_value(value));
    }
    let long = "x".repeat(100_000);
    for value in [
        "",
        " ",
        "\n",
        "\0",
        "a\r\nb: c",
        "\u{e9}",
        "://",
        "[::",
        "http://[",
        &long,
    ] {
        build("table", &value, || builder().table(value));
        build("region", &value, || builder().region(value));
        build("endpoint", &value, || builder().endpoint(value));
        let url = format!("http://{value}:1");
        build("endpoint", &value, || builder().endpoint(url));
        build("credentials", &value, || {
            builder().credentials(value, SECRET)
        });
        build("credentials", &value, || builder().credentials("id", value));
        build("key_format", &value, || builder().namespace(value));
        build("label", &value, || builder().label(value.to_owned()));
        build("attribute_names", &value, || {
            let names = AttributeNames::default();
            builder().attribute_names(names.partition_key(value).full_key(value))
        });
    }
}

/// A time-out that was not set gives way to one that was.
#[test]
fn a_short_deadline_shortens_the_attempts() {
    builder()
        .deadline(Duration::from_millis(1))
        .build()
        .unwrap();
    builder()
        .deadline(Duration::from_secs(24 * 60 * 60))
        .build()
        .unwrap();
}

#[tokio::test]
async fn an_error_says_where_and_why_and_says_it_once() {
    let refused = builder().build().unwrap();
    // Resolvers take their time to find nothing.
    let minute = Duration::from_secs(60);
    let nowhere = builder().endpoint("http://no-such-host.invalid:1");
    let nowhere = nowhere
        .deadline(minute)
        .attempt_timeout(minute)
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "k");
    for (backend, endpoint, cause) in [
        (refused, "http://127.0.0.1:1", "Connection refused"),
        (nowhere, "http://no-such-host.invalid:1", "lookup"),
    ] {
        let error = backend.read(&key).await.unwrap_err();
        let message = error.to_string();
        println!("{message}");
        for part in [endpoint, "`cache`", cause] {
            assert_eq!(message.matches(part).count(), 1, "{message}");
        }
        assert!(error.source().is_none());
        assert!(error.is_definite());
    }
}

#[tokio::test]
async fn reads_are_consistent_unless_told_otherwise() {
    for (consistency, expected) in [
        (ReadConsistency::default(), true),
        (ReadConsistency::Eventual, false),
    ] {
        let stub = Stub::start(move |operation, body, _| {
            let asked = match operation {
                "GetItem" => &body["ConsistentRead"],
                _ => &body["RequestItems"]["cache"]["ConsistentRead"],
            };
            assert_eq!(asked, expected);
            Answer::ok(serde_json::json!({}))
        })
        .await;
        let backend = at(stub.endpoint())
            .table("cache")
            .read_consistency(consistency)
            .build()
            .unwrap();
        let key = CacheKey::from_pair("key", "k");
        assert_eq!(backend.read(&key).await.unwrap(), None);
        assert_eq!(backend.read_many(&[key]).await.remove(0).unwrap(), None);
    }
}

/// Everything that is ever shown of an error.
fn shown(error: &BackendError) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    shown
}

#[tokio::test]
async fn no_error_and_no_debug_shows_credentials_or_values() {
    const VALUE: &str = "cached-value";
    // As AWS does for a wrong signature, and worse: everything is quoted back, in the code too.
    let quoted = format!("{SECRET} {VALUE} should have been signed with {SECRET}");
    let key = CacheKey::from_pair("key", "k");
    let value = || CacheValue::loaded(Raw::from(VALUE.as_bytes().to_vec()), Stamp::now());
    let answers: [fn(&str) -> Answer; 4] = [
        |quoted| Answer::error_saying(400, "InvalidSignatureException", quoted),
        |quoted| Answer::error_saying(400, quoted, quoted),
        |quoted| Answer::Reply(500, serde_json::json!([quoted])),
        |quoted| Answer::ok(serde_json::json!([quoted])),
    ];
    for answer in answers {
        let quoted = quoted.clone();
        let stub = Stub::start(move |_, _, _| answer(&quoted)).await;
        let settings = at(stub.endpoint()).table("cache").credentials("id", SECRET);
        let other = DynamoDbBackend::builder()
            .table("cache")
            .sdk_config(sdk_config(stub.endpoint()).build());
        for settings in [settings, other] {
            let mut all = format!("{settings:?}");
            let backend = settings.build().unwrap();
            let read = backend.read(&key).await.map(drop);
            let write = backend.write(&key, value()).await;
            let remove = backend.remove(&key).await.map(drop);
            let verified = backend.verify_table().await;
            for outcome in [read, write, remove, verified] {
                if let Err(error) = outcome {
                    all += &shown(&error);
                }
            }
            all += &format!("{backend:?}");
            assert!(!all.contains(SECRET) && !all.contains(VALUE), "{all}");
        }
    }
}
