//! From what the application has, to clients with this backend's deadlines.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        self, BehaviorVersion, Credentials, Region, SharedHttpClient,
        StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_types::SdkConfig;

/// Where the client comes from.
pub(crate) enum Connection {
    Client(Client),
    SdkConfig(Box<SdkConfig>),
    Parts {
        endpoint: Option<String>,
        region: String,
        credentials: Credentials,
    },
}

impl Connection {
    /// A client that gives up an attempt after `attempt`, and one that does so after `operation`.
    pub(crate) fn clients(self, attempt: Duration, operation: Duration) -> (Client, Client) {
        let base = self.config();
        let client = |limit| Client::from_conf(with_limit(base.clone(), attempt, limit));
        (client(attempt), client(operation))
    }

    fn config(self) -> config::Builder {
        match self {
            Self::Client(client) => client.config().to_builder(),
            Self::SdkConfig(given) => {
                let mut config = config::Builder::from(&*given);
                // Without either of them `from_conf` panics, or every request fails.
                if given.behavior_version().is_none() {
                    config = config.behavior_version(behavior_version());
                }
                if given.http_client().is_none() {
                    config = config.http_client(http_client(given.endpoint_url()));
                }
                config
            }
            Self::Parts {
                endpoint,
                region,
                credentials,
            } => {
                let mut config = Config::builder()
                    .behavior_version(behavior_version())
                    .http_client(http_client(endpoint.as_deref()))
                    .region(Region::new(region))
                    .credentials_provider(credentials);
                config.set_endpoint_url(endpoint);
                config
            }
        }
    }
}

fn with_limit(base: config::Builder, connect: Duration, limit: Duration) -> Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(connect)
        // With this the SDK does not use the connection again; by a future that is merely dropped
        // it would not learn that the connection is dead.
        .operation_attempt_timeout(limit)
        .disable_operation_timeout()
        .build();
    base.timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        // Watches the throughput of bodies; the deadlines are stricter.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// Pinned: another one may change defaults.
fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let builder = HttpClientBuilder::new();
    match endpoint {
        // Spares a machine without root certificates from looking for them.
        Some(plain) if plain.starts_with("http://") => builder.build_http(),
        Some(_) | None => builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https(),
    }
}
